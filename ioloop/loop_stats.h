// What a loop has done since it was made, for a look at one's own process.
//
//   squall::IOLoop::Current().SetSlowCallbackThreshold(absl::Seconds(1));
//   ...
//   const squall::LoopStats stats = squall::IOLoop::Current().stats();
//   LOG(INFO) << stats.turns.Quantile(0.99) << " is a long turn; the longest callback was "
//             << stats.longest_callback_name << " with " << stats.longest_callback;
//
// A copy; it does not change any more. To watch a loop from another process use LoopMeter.
#ifndef SQUALL_IOLOOP_LOOP_STATS_H_
#define SQUALL_IOLOOP_LOOP_STATS_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "squall/ioloop/duration_histogram.h"

namespace squall {

struct LoopStats {
  // Looks at the descriptors.
  uint64_t iterations = 0;
  // What the loop has called: for AddCallback, AddHandler (also for the signals), CallLater and
  // CallAt. The coroutines that a lock or a queue resumes in one iteration are one callback.
  uint64_t callbacks = 0;
  uint64_t handlers = 0;
  uint64_t timers = 0;

  // How long the turns took, from one look at the descriptors to the next without the wait: so long
  // an event may have waited until the loop saw it.
  DurationHistogram turns;
  // How long after their deadline timers were called.
  DurationHistogram timer_lag;

  // The longest call of one callback, handler or timer while IOLoop::SetSlowCallbackThreshold had
  // them timed, what the destructor of the one before took included.
  absl::Duration longest_callback;
  // "a timer of server.cc:17 (Arm)": the line that added it. Empty when nothing was timed.
  std::string longest_callback_name;
  // Those that took at least as long as the threshold.
  uint64_t slow_callbacks = 0;
};

}  // namespace squall

#endif  // SQUALL_IOLOOP_LOOP_STATS_H_
