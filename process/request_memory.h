// What was answered to requests that came with an id, so that sending one again does nothing again
// (AIP-155). Kept by the master, for ten minutes: longer than any client tries, and over the lives
// of the control process. Bounded.
//
//   switch (memory.Recall(request, now)) {
//     case RequestMemory::Known::kNew: …; memory.Remember(request, reply, now); …
//     case RequestMemory::Known::kAnswered: return memory.answer(request);
//     …
#ifndef SQUALL_PROCESS_REQUEST_MEMORY_H_
#define SQUALL_PROCESS_REQUEST_MEMORY_H_

#include <cstddef>
#include <deque>
#include <string>
#include <unordered_map>

#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/process/control_link.h"

namespace squall {

class RequestMemory {
 public:
  static constexpr absl::Duration kFor = absl::Minutes(10);
  static constexpr size_t kCapacity = 16384;

  enum class Known {
    kNew,
    kAnswered,  // The same request was answered before.
    kReused,    // The id belongs to another request.
    kFull,      // It is new, and nothing more can be remembered.
  };

  // kNew for a request without an id. Whether two requests are the same is decided by what they ask
  // for: command, target, slot and so on; not by who asks, nor by expected_generation, for a client
  // that repeats itself may have read again.
  Known Recall(const LinkRequest& request, MonotonicTime now);

  // The answer to the request of this id that was Recall()ed as kAnswered.
  const LinkReply& answer(const LinkRequest& request) const;

  // After Recall() said kNew. Without effect for a request without an id.
  void Remember(const LinkRequest& request, const LinkReply& reply, MonotonicTime now);

 private:
  struct Remembered {
    LinkRequest request;
    LinkReply reply;
    MonotonicTime at;
  };

  void Forget(MonotonicTime now);

  std::unordered_map<std::string, Remembered> requests_;
  std::deque<std::string> order_;  // Oldest first.
};

}  // namespace squall

#endif  // SQUALL_PROCESS_REQUEST_MEMORY_H_
