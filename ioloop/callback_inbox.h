// Internal to ioloop: where other threads leave callbacks for a loop.
//
//   inbox.Put({[] { OnDone(); }, CodeLocation::Here()});  // in any thread; wakes the loop
//   inbox.TakeTo(callbacks);                              // in the loop's
#ifndef SQUALL_IOLOOP_CALLBACK_INBOX_H_
#define SQUALL_IOLOOP_CALLBACK_INBOX_H_

#include <atomic>
#include <mutex>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "squall/base/code_location.h"
#include "squall/base/unique_fd.h"

namespace squall::internal {

struct AddedCallback {
  absl::AnyInvocable<void()> callback;
  CodeLocation where;
};

class CallbackInbox {
 public:
  // Aborts when the machine has no descriptor left.
  CallbackInbox();
  CallbackInbox(const CallbackInbox&) = delete;
  CallbackInbox& operator=(const CallbackInbox&) = delete;

  // --- Any thread.

  // Wakes the loop.
  void Put(AddedCallback callback);

  // --- The thread of the loop.

  // Readable when there is something.
  int fd() const { return wake_.get(); }
  void OnReadable();
  // Costs a load when there is nothing.
  void TakeTo(std::vector<AddedCallback>& callbacks) {
    if (has_callbacks_.load(std::memory_order_acquire)) TakeAll(callbacks);
  }

 private:
  void TakeAll(std::vector<AddedCallback>& callbacks);

  const UniqueFd wake_;
  std::mutex mutex_;
  std::vector<AddedCallback> callbacks_;
  std::atomic<bool> has_callbacks_{false};
  // Empty between two calls of TakeAll; changes places with callbacks_, so that both keep their room.
  std::vector<AddedCallback> taken_;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_CALLBACK_INBOX_H_
