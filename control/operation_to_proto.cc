#include "squall/control/operation_to_proto.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

constexpr std::string_view kPrefix = "operations/";

v1::OperationKind ToProto(OperationKind kind) {
  switch (kind) {
    case OperationKind::kNone:
      return v1::OPERATION_KIND_UNSPECIFIED;
    case OperationKind::kResize:
      return v1::OPERATION_KIND_RESIZE;
    case OperationKind::kRestart:
      return v1::OPERATION_KIND_RESTART;
    case OperationKind::kDrainWorker:
      return v1::OPERATION_KIND_DRAIN_WORKER;
    case OperationKind::kKillWorker:
      return v1::OPERATION_KIND_KILL_WORKER;
  }
  return v1::OPERATION_KIND_UNSPECIFIED;
}

v1::OperationState ToProto(OperationState state) {
  switch (state) {
    case OperationState::kNone:
      return v1::OPERATION_STATE_UNSPECIFIED;
    case OperationState::kRunning:
      return v1::OPERATION_STATE_RUNNING;
    case OperationState::kSucceeded:
      return v1::OPERATION_STATE_DONE;
    case OperationState::kFailed:
      return v1::OPERATION_STATE_FAILED;
    case OperationState::kCancelled:
      return v1::OPERATION_STATE_CANCELLED;
  }
  return v1::OPERATION_STATE_UNSPECIFIED;
}

const char* ReasonOf(const OperationView& operation) {
  if (operation.state == OperationState::kCancelled) return "CANCELLED";
  switch (operation.error) {
    case OperationError::kNone:
      return "";
    case OperationError::kSuperseded:
      return "SUPERSEDED";
    case OperationError::kShuttingDown:
      return "SHUTTING_DOWN";
    case OperationError::kWorkersUnavailable:
      return "WORKERS_UNAVAILABLE";
    case OperationError::kRestartFailed:
      return "RESTART_FAILED";
  }
  return "";
}

}  // namespace

v1::Operation OperationToProto(const OperationView& operation, uint64_t instance_id,
                               const Moment& now) {
  v1::Operation proto;
  proto.set_name(OperationName(instance_id, operation.id));
  proto.set_kind(ToProto(operation.kind));
  proto.set_state(ToProto(operation.state));
  proto.set_generation(operation.generation);
  if (operation.kind == OperationKind::kResize) {
    proto.set_desired_workers(operation.target);
    proto.set_previous_workers(operation.before);
  }
  if (operation.incarnation != 0) {
    proto.set_slot(operation.slot);
    proto.set_incarnation(operation.incarnation);
  }
  ToProto(now.wall - (now.monotonic - operation.began_at), proto.mutable_create_time());
  if (operation.ended()) {
    ToProto(now.wall - (now.monotonic - operation.ended_at), proto.mutable_end_time());
  }
  if (const char* const reason = ReasonOf(operation); *reason != '\0') {
    proto.mutable_error()->set_reason(reason);
    proto.mutable_error()->set_message(operation.message);
  }
  proto.set_request_id(operation.request_id);
  proto.set_actor(operation.actor);
  return proto;
}

std::string OperationName(uint64_t instance_id, uint64_t id) {
  return absl::StrCat("operations/", MakeEtag(instance_id, id));
}

std::optional<OperationKey> ParseOperationName(std::string_view name) {
  if (name.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
  const std::optional<Etag> parts = ParseEtag(name.substr(kPrefix.size()));
  if (!parts.has_value()) return std::nullopt;
  return OperationKey{parts->instance_id, parts->generation};
}

}  // namespace squall::internal
