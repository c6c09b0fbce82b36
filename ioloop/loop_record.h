// Internal to ioloop: counts and times what a loop calls, and complains of what is slow.
#ifndef SQUALL_IOLOOP_LOOP_RECORD_H_
#define SQUALL_IOLOOP_LOOP_RECORD_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/base/code_location.h"
#include "squall/ioloop/duration_histogram.h"
#include "squall/ioloop/loop_stats.h"

namespace squall::internal {

enum class CallKind : uint8_t { kCallback, kHandler, kTimer };

// "a timer of server.cc:17 (Arm)".
std::string CallName(CallKind kind, const CodeLocation& where);

class LoopRecord {
 public:
  void CountCall(CallKind kind) { ++calls_[static_cast<size_t>(kind)]; }
  // Whether EndCall wants to be told, which costs a look at the clock.
  bool times_calls() const { return times_calls_; }
  // One call has ended at `now` after `nanos`.
  void EndCall(CallKind kind, const CodeLocation& where, MonotonicTime now, int64_t nanos);
  void EndTurn(int64_t nanos) { turns_.AddNanos(nanos); }
  void AddTimerLag(int64_t nanos) { timer_lag_.AddNanos(nanos); }
  void AddIteration() { ++iterations_; }

  void SetSlowThreshold(absl::Duration threshold) {
    slow_threshold_ = threshold;
    times_calls_ = threshold != absl::InfiniteDuration();
  }

  LoopStats Stats() const;
  void Reset();

 private:
  void LogSlow(CallKind kind, const CodeLocation& where, MonotonicTime now, int64_t nanos);

  bool times_calls_ = false;
  uint64_t iterations_ = 0;
  uint64_t calls_[3] = {};
  DurationHistogram turns_;
  DurationHistogram timer_lag_;

  int64_t longest_ns_ = -1;
  CallKind longest_kind_ = CallKind::kCallback;
  CodeLocation longest_where_;

  absl::Duration slow_threshold_ = absl::InfiniteDuration();
  uint64_t slow_calls_ = 0;
  // Those that the log has not heard of.
  uint64_t untold_ = 0;
  MonotonicTime next_line_;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_LOOP_RECORD_H_
