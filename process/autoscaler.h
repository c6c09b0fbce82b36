// Decides how many workers a pool should have. Once a second it looks at the pool, and when there
// are too few or too many workers for the load it says how many there should be, and why.
//
//   Autoscaler autoscaler(options);
//   // When autoscaler.next_tick() has come:
//   if (auto decision = autoscaler.Decide(inputs, now)) {
//     LOG(INFO) << decision->reason;
//     if (decision->resizes()) {
//       pool.Step(ResizeRequest{.target = decision->target, .actor = "autoscaler"}, now);
//     }
//   }
//
// More, at once:
// - kSpare: fewer than min_spare workers are idle; up to max_spare idle ones. kBacklog: more than
//   backlog_target connections wait at a listener, and not already fewer and fewer; at most one
//   worker for each that waits. kCpu: the workers' mean share of a processor is above cpu_high; so
//   many that it would be cpu_high.
// - 1, 2, 4, … up to max_spawn_rate in a tick while there are too few; 1 again when there were
//   enough.
// - Workers that are coming count as if they were there, and no more may be coming than are READY,
//   so that a slow boot does not overshoot.
// - Not for ten ticks after a fork failed or a worker died at boot, as in httpd: more of the same
//   would not help.
// Less, slowly:
// - kSpare: more than max_spare workers are idle. kBacklog: no connection waits and workers are
//   idle; half of those that are. kCpu: the mean share is below cpu_low and would stay below
//   cpu_high.
// - When it has been so for scale_down_hold without a break, and only as many as were too many all
//   the time. One in a tick, and none while a process still drains.
// - A growth inside ten holds after a cut says that the cut was wrong, as in uWSGI's busyness
//   algorithm. The next one to so few workers waits twice as long, up to 64 times; when one of those
//   stands, half as long again.
//
// A target that an operator set is where it goes on from; outside of min_workers and max_workers it
// is brought inside at once.
//
// Pure: no clock, no system call. Used by the master.
#ifndef SQUALL_PROCESS_AUTOSCALER_H_
#define SQUALL_PROCESS_AUTOSCALER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "squall/base/clock.h"
#include "squall/process/autoscaler_inputs.h"
#include "squall/process/autoscaler_options.h"
#include "squall/process/scale_decision.h"

namespace squall {

class Autoscaler {
 public:
  explicit Autoscaler(const AutoscalerOptions& options);

  // When Decide is to be called next; Infinite() in kStatic, which decides nothing.
  MonotonicTime next_tick() const { return next_tick_; }

  // One tick; nothing before next_tick(). Missed ticks are not made up for. nullopt: all is well, or
  // nothing new can be said. In a dry run, what was said is said again after a minute at the
  // earliest.
  std::optional<ScaleDecision> Decide(const AutoscalerInputs& inputs, MonotonicTime now);

 private:
  // What one look says about the number of workers.
  struct Need {
    bool too_few = false;
    int more = 0;     // Workers that are needed beside those that are coming.
    int surplus = 0;  // Workers that are not needed.
    std::string why;
  };

  Need NeedOf(const AutoscalerInputs& inputs) const;
  Need SpareNeed(const AutoscalerInputs& inputs) const;
  Need BacklogNeed(const AutoscalerInputs& inputs) const;
  Need CpuNeed(const AutoscalerInputs& inputs) const;
  void CountFailures(const AutoscalerInputs& inputs);
  std::optional<ScaleDecision> Grow(const AutoscalerInputs& inputs, const Need& need);
  std::optional<ScaleDecision> Shrink(const AutoscalerInputs& inputs, const Need& need);
  int64_t HoldTicks() const;  // scale_down_hold.
  // Ticks for which there must have been too many workers before a cut to `target`.
  int64_t HoldTicks(int target) const;
  void JudgeLastCut();
  void LastCutWasWrong();
  std::optional<ScaleDecision> Decided(ScaleDecision::Kind kind, const AutoscalerInputs& inputs,
                                       int target, std::string why);
  int MaxWorkers(const AutoscalerInputs& inputs) const;

  AutoscalerOptions options_;
  MonotonicTime next_tick_;
  int64_t tick_ = 0;
  int64_t waiting_ = 0;  // Connections at the last tick.
  int spawn_rate_ = 1;
  // For how long there have been too many workers, and how many at the least.
  int64_t surplus_ticks_ = 0;
  int least_surplus_ = 0;
  struct Cut {
    int64_t tick;
    int target;
  };
  std::optional<Cut> last_cut_;  // The last one of which it is not known whether it was right.
  int too_small_ = 0;            // A cut to so few workers or fewer waits longer, …
  int64_t hold_factor_ = 1;      // … by this factor.
  // Failures that were seen, and the last tick without growth for their sake.
  uint64_t spawn_failures_ = 0;
  MonotonicTime boot_failed_at_;
  int64_t held_off_until_ = 0;
  bool held_off_said_ = false;
  bool at_maximum_said_ = false;
  // The last decision of a dry run, and when.
  std::optional<ScaleDecision> dry_;
  int64_t dry_tick_ = 0;
};

}  // namespace squall

#endif  // SQUALL_PROCESS_AUTOSCALER_H_
