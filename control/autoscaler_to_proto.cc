#include "squall/control/autoscaler_to_proto.h"

#include <algorithm>

#include "absl/time/time.h"
#include "squall/process/scale_decision.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

v1::AutoscalerMode ModeOf(AutoscalerMode mode) {
  switch (mode) {
    case AutoscalerMode::kStatic:
      return v1::AUTOSCALER_MODE_STATIC;
    case AutoscalerMode::kSpare:
      return v1::AUTOSCALER_MODE_SPARE;
    case AutoscalerMode::kBacklog:
      return v1::AUTOSCALER_MODE_BACKLOG;
    case AutoscalerMode::kCpu:
      return v1::AUTOSCALER_MODE_CPU;
  }
  return v1::AUTOSCALER_MODE_UNSPECIFIED;
}

v1::ScaleKind KindOf(ScaleDecision::Kind kind) {
  switch (kind) {
    case ScaleDecision::Kind::kGrow:
      return v1::SCALE_KIND_GROW;
    case ScaleDecision::Kind::kShrink:
      return v1::SCALE_KIND_SHRINK;
    case ScaleDecision::Kind::kAtMaximum:
      return v1::SCALE_KIND_AT_MAXIMUM;
    case ScaleDecision::Kind::kHeldOff:
      return v1::SCALE_KIND_HELD_OFF;
  }
  return v1::SCALE_KIND_UNSPECIFIED;
}

absl::Time Wall(MonotonicTime time, const Moment& now) { return now.wall - (now.monotonic - time); }

}  // namespace

v1::AutoscalerStatus AutoscalerToProto(const PoolSnapshot& snapshot, const Moment& now) {
  const AutoscalerView& view = snapshot.autoscaler;
  v1::AutoscalerStatus status;
  status.set_mode(ModeOf(snapshot.config.autoscaler.mode));
  status.set_dry_run(snapshot.config.autoscaler.dry_run);
  if (view.Looked()) {
    ToProto(Wall(view.looked_at, now), status.mutable_look_time());
    status.set_inputs(view.inputs);
    if (!view.next_look.is_infinite()) {
      ToProto(std::max(absl::ZeroDuration(), view.next_look - now.monotonic),
              status.mutable_next_look_in());
    }
  }
  if (view.Decided()) {
    v1::ScaleDecision& decision = *status.mutable_last_decision();
    decision.set_kind(KindOf(view.kind));
    decision.set_target_workers(view.target);
    decision.set_reason(view.reason);
    decision.set_dry_run(view.dry_run);
    ToProto(Wall(view.decided_at, now), decision.mutable_decide_time());
  }
  return status;
}

}  // namespace squall::internal
