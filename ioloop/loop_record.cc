#include "squall/ioloop/loop_record.h"

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/base/code_location.h"
#include "squall/base/logging.h"
#include "squall/ioloop/duration_histogram.h"
#include "squall/ioloop/loop_stats.h"

namespace squall::internal {
namespace {

// One line a second tells as much as a thousand, and cannot fill a disk.
constexpr absl::Duration kBetweenLines = absl::Seconds(1);

const char* KindName(CallKind kind) {
  switch (kind) {
    case CallKind::kCallback:
      return "a callback";
    case CallKind::kHandler:
      return "a handler";
    case CallKind::kTimer:
      return "a timer";
  }
  return "";
}

}  // namespace

std::string CallName(CallKind kind, const CodeLocation& where) {
  return absl::StrCat(KindName(kind), " of ", where.ToString());
}

void LoopRecord::EndCall(CallKind kind, const CodeLocation& where, MonotonicTime now,
                         int64_t nanos) {
  if (nanos > longest_ns_) {
    longest_ns_ = nanos;
    longest_kind_ = kind;
    longest_where_ = where;
  }
  if (absl::Nanoseconds(nanos) >= slow_threshold_) {
    ++slow_calls_;
    LogSlow(kind, where, now, nanos);
  }
}

void LoopRecord::LogSlow(CallKind kind, const CodeLocation& where, MonotonicTime now,
                         int64_t nanos) {
  if (now < next_line_) {
    ++untold_;
    return;
  }
  next_line_ = now + kBetweenLines;
  const uint64_t untold = std::exchange(untold_, 0);
  LOG(WARNING) << CallName(kind, where) << " held up the loop for "
               << absl::FormatDuration(absl::Nanoseconds(nanos))
               << (untold > 0
                       ? absl::StrCat("; so did ", untold, " others since the last such line")
                       : std::string());
}

LoopStats LoopRecord::Stats() const {
  LoopStats stats;
  stats.iterations = iterations_;
  stats.callbacks = calls_[static_cast<size_t>(CallKind::kCallback)];
  stats.handlers = calls_[static_cast<size_t>(CallKind::kHandler)];
  stats.timers = calls_[static_cast<size_t>(CallKind::kTimer)];
  stats.turns = turns_;
  stats.timer_lag = timer_lag_;
  if (longest_ns_ >= 0) {
    stats.longest_callback = absl::Nanoseconds(longest_ns_);
    stats.longest_callback_name = CallName(longest_kind_, longest_where_);
  }
  stats.slow_callbacks = slow_calls_;
  return stats;
}

void LoopRecord::Reset() {
  LoopRecord fresh;
  fresh.SetSlowThreshold(slow_threshold_);
  fresh.next_line_ = next_line_;
  fresh.untold_ = untold_;
  *this = fresh;
}

}  // namespace squall::internal
