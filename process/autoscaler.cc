#include "squall/process/autoscaler.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace squall {
namespace {

constexpr int64_t kHoldOffTicks = 10;
constexpr int64_t kMaxHoldFactor = 64;
constexpr int64_t kDryRunSilenceTicks = 60;
// A growth so many holds after a cut, or sooner, says that the cut was wrong.
constexpr int64_t kHoldsOfDoubt = 10;
// A queue that will be short enough in so many ticks, as fast as it shrinks now, needs time and not
// workers.
constexpr int64_t kQueueTicks = 10;

std::string Percent(double share) { return absl::StrCat(std::lround(share * 100), "%"); }

}  // namespace

Autoscaler::Autoscaler(const AutoscalerOptions& options)
    : options_(options),
      next_tick_(options.mode == AutoscalerMode::kStatic ? MonotonicTime::Infinite()
                                                         : MonotonicTime()) {}

std::optional<ScaleDecision> Autoscaler::Decide(const AutoscalerInputs& inputs, MonotonicTime now) {
  if (now < next_tick_) return std::nullopt;
  next_tick_ = now + options_.interval;
  ++tick_;
  CountFailures(inputs);
  const Need need = NeedOf(inputs);
  waiting_ = inputs.backlog.has_value() ? inputs.backlog->length : 0;
  if (inputs.shutting_down) return std::nullopt;

  const int most = MaxWorkers(inputs);
  const int least = std::min(options_.min_workers, most);
  if (inputs.desired < most) at_maximum_said_ = false;
  if (inputs.desired < least) {
    return Decided(ScaleDecision::Kind::kGrow, inputs, least,
                   absl::StrCat("min_workers is ", options_.min_workers));
  }
  if (inputs.desired > most) {
    return Decided(ScaleDecision::Kind::kShrink, inputs, most,
                   absl::StrCat("max_workers is ", most));
  }

  JudgeLastCut();
  least_surplus_ = surplus_ticks_ == 0 ? need.surplus : std::min(least_surplus_, need.surplus);
  surplus_ticks_ = least_surplus_ > 0 ? surplus_ticks_ + 1 : 0;
  if (need.too_few) return Grow(inputs, need);
  spawn_rate_ = 1;
  return Shrink(inputs, need);
}

Autoscaler::Need Autoscaler::NeedOf(const AutoscalerInputs& inputs) const {
  switch (options_.mode) {
    case AutoscalerMode::kStatic:
      return {};
    case AutoscalerMode::kSpare:
      return SpareNeed(inputs);
    case AutoscalerMode::kBacklog:
      return BacklogNeed(inputs);
    case AutoscalerMode::kCpu:
      return CpuNeed(inputs);
  }
  return {};
}

Autoscaler::Need Autoscaler::SpareNeed(const AutoscalerInputs& inputs) const {
  Need need;
  need.too_few = inputs.idle < options_.min_spare;
  need.surplus = std::max(0, inputs.idle - options_.max_spare);
  const int spare = inputs.idle + inputs.coming;
  if (spare < options_.min_spare) {
    need.more = options_.max_spare - spare;
    need.why = absl::StrCat("fewer than min_spare ", options_.min_spare, " are idle");
  }
  if (need.surplus > 0) {
    need.why = absl::StrCat("more than max_spare ", options_.max_spare, " are idle");
  }
  return need;
}

Autoscaler::Need Autoscaler::BacklogNeed(const AutoscalerInputs& inputs) const {
  if (!inputs.backlog.has_value()) return {};
  Need need;
  const ListenBacklog& backlog = *inputs.backlog;
  const bool soon_short_enough =
      backlog.length - options_.backlog_target <= kQueueTicks * (waiting_ - backlog.length);
  need.too_few = backlog.longest > options_.backlog_target && !soon_short_enough;
  if (need.too_few) {
    need.more = static_cast<int>(
        std::clamp<int64_t>(backlog.length - inputs.coming, 0, inputs.max_workers));
    need.why = absl::StrCat(backlog.longest, " connections wait at a listener, backlog_target is ",
                            options_.backlog_target);
  }
  if (backlog.length == 0 && inputs.idle > 0) {
    need.surplus = (inputs.idle + 1) / 2;
    need.why = "no connection waits and workers are idle";
  }
  return need;
}

Autoscaler::Need Autoscaler::CpuNeed(const AutoscalerInputs& inputs) const {
  if (!inputs.cpu.has_value()) return {};
  Need need;
  const double total = *inputs.cpu * inputs.ready;
  need.too_few = *inputs.cpu > options_.cpu_high;
  if (need.too_few) {
    const double enough = std::ceil(total / options_.cpu_high);
    need.more = std::max(0, static_cast<int>(enough) - inputs.ready - inputs.coming);
    need.why = absl::StrCat("the mean share of a processor is above cpu_high ",
                            Percent(options_.cpu_high));
  }
  if (*inputs.cpu < options_.cpu_low) {
    // The others come to cpu_low or just above it, and stay below cpu_high.
    const double kept = std::max(
        {1.0, std::floor(total / options_.cpu_low), std::floor(total / options_.cpu_high) + 1});
    need.surplus = std::max(0, inputs.ready - static_cast<int>(kept));
    need.why =
        absl::StrCat("the mean share of a processor is below cpu_low ", Percent(options_.cpu_low));
  }
  return need;
}

void Autoscaler::CountFailures(const AutoscalerInputs& inputs) {
  // What was before the first tick is no news.
  const bool failed = tick_ > 1 && (inputs.spawn_failures > spawn_failures_ ||
                                    inputs.boot_failed_at > boot_failed_at_);
  spawn_failures_ = inputs.spawn_failures;
  boot_failed_at_ = std::max(boot_failed_at_, inputs.boot_failed_at);
  if (tick_ > held_off_until_) held_off_said_ = false;
  if (failed) held_off_until_ = tick_ + kHoldOffTicks - 1;
}

std::optional<ScaleDecision> Autoscaler::Grow(const AutoscalerInputs& inputs, const Need& need) {
  if (need.more == 0) return std::nullopt;
  if (tick_ <= held_off_until_) {
    spawn_rate_ = 1;
    if (std::exchange(held_off_said_, true)) return std::nullopt;
    return Decided(ScaleDecision::Kind::kHeldOff, inputs, inputs.desired,
                   absl::StrCat(need.why, ", but workers fail to start; no growth for ",
                                kHoldOffTicks, " ticks"));
  }
  const int room = MaxWorkers(inputs) - inputs.desired;
  if (room <= 0) {
    if (std::exchange(at_maximum_said_, true)) return std::nullopt;
    return Decided(ScaleDecision::Kind::kAtMaximum, inputs, inputs.desired,
                   absl::StrCat(need.why, ", but max_workers is ", MaxWorkers(inputs)));
  }
  const int may_come = std::max(inputs.ready, 1) - inputs.coming;
  const int more = std::min({spawn_rate_, need.more, room, may_come});
  if (more <= 0) return std::nullopt;
  const std::string why = absl::StrCat(need.why, ", spawn rate ", spawn_rate_);
  if (!options_.dry_run) {
    spawn_rate_ = std::min(spawn_rate_ * 2, options_.max_spawn_rate);
    LastCutWasWrong();
  }
  return Decided(ScaleDecision::Kind::kGrow, inputs, inputs.desired + more, why);
}

std::optional<ScaleDecision> Autoscaler::Shrink(const AutoscalerInputs& inputs, const Need& need) {
  const int target = inputs.desired - 1;
  const int64_t hold = HoldTicks(target);
  if (surplus_ticks_ <= hold || inputs.draining > 0 || target < options_.min_workers) {
    return std::nullopt;
  }
  if (!options_.dry_run) {
    last_cut_ = Cut{.tick = tick_, .target = target};
    if (--least_surplus_ == 0) surplus_ticks_ = 0;
  }
  return Decided(ScaleDecision::Kind::kShrink, inputs, target,
                 absl::StrCat(need.why, ", for ", absl::FormatDuration(options_.interval * hold),
                              " at least"));
}

int64_t Autoscaler::HoldTicks() const {
  return static_cast<int64_t>(
      std::ceil(absl::FDivDuration(options_.scale_down_hold, options_.interval)));
}

int64_t Autoscaler::HoldTicks(int target) const {
  return target <= too_small_ ? HoldTicks() * hold_factor_ : HoldTicks();
}

void Autoscaler::JudgeLastCut() {
  if (!last_cut_.has_value()) return;
  const int64_t doubt = std::max(kHoldsOfDoubt * HoldTicks(), HoldTicks(last_cut_->target));
  if (tick_ - last_cut_->tick <= doubt) return;
  if (last_cut_->target <= too_small_) hold_factor_ /= 2;
  if (hold_factor_ <= 1) {
    hold_factor_ = 1;
    too_small_ = 0;
  }
  last_cut_.reset();
}

void Autoscaler::LastCutWasWrong() {
  if (!last_cut_.has_value()) return;
  too_small_ = std::max(too_small_, last_cut_->target);
  hold_factor_ = std::min(hold_factor_ * 2, kMaxHoldFactor);
  last_cut_.reset();
}

std::optional<ScaleDecision> Autoscaler::Decided(ScaleDecision::Kind kind,
                                                 const AutoscalerInputs& inputs, int target,
                                                 std::string why) {
  ScaleDecision decision{
      .kind = kind,
      .target = target,
      .reason = absl::StrCat(target == inputs.desired
                                 ? absl::StrCat("stays at ", target)
                                 : absl::StrCat(options_.dry_run ? "would go" : "goes", " from ",
                                                inputs.desired, " to ", target),
                             " workers: ", why, " (", Describe(inputs), ")"),
      .dry_run = options_.dry_run};
  if (options_.dry_run) {
    if (dry_.has_value() && dry_->kind == kind && dry_->target == target &&
        tick_ - dry_tick_ < kDryRunSilenceTicks) {
      return std::nullopt;
    }
    dry_ = decision;
    dry_tick_ = tick_;
  }
  return decision;
}

int Autoscaler::MaxWorkers(const AutoscalerInputs& inputs) const {
  return std::min(options_.max_workers.value_or(inputs.max_workers), inputs.max_workers);
}

}  // namespace squall
