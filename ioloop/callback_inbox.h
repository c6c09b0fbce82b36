// Internal to ioloop: where other threads leave callbacks for a loop.
//
//   inbox.Put([] { OnDone(); }, CodeLocation::Here());  // in any thread; wakes the loop
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

// On lines of the cache of its own: other threads write to it.
class alignas(64) CallbackInbox {
 public:
  // Aborts when the machine has no descriptor left.
  CallbackInbox();
  CallbackInbox(const CallbackInbox&) = delete;
  CallbackInbox& operator=(const CallbackInbox&) = delete;

  // --- Any thread.

  // Wakes the loop if it waits.
  void Put(absl::AnyInvocable<void()>&& callback, const CodeLocation& where);

  // --- The thread of the loop.

  // The loop is about to wait for descriptors, and fd() becomes readable when something is put. False
  // if there is something already: then it must not wait.
  bool BeginWait() {
    // Either this sees the callback, or Put sees that the loop waits: both write first, then read.
    waits_.store(true, std::memory_order_seq_cst);
    return !has_callbacks_.load(std::memory_order_seq_cst);
  }
  void EndWait() { waits_.store(false, std::memory_order_relaxed); }

  // Readable when something was put while the loop waited.
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
  // Between BeginWait and EndWait, and nobody has woken it yet.
  std::atomic<bool> waits_{false};
  // Empty between two calls of TakeAll; changes places with callbacks_, so that both keep their room.
  std::vector<AddedCallback> taken_;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_CALLBACK_INBOX_H_
