// The methods of ControlService that change something: they check what can be checked here and ask
// the master.
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "squall/control/command_call.h"
#include "squall/control/control_service.h"
#include "squall/control/operation_to_proto.h"
#include "squall/control/pool_to_proto.h"
#include "squall/control/request_check.h"
#include "squall/control/resize_call.h"
#include "squall/process/pool_event.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

// What the fields of a worker's drain or kill are worth.
template <typename Request>
std::optional<ControlError> CheckWorker(const Request& request) {
  if (!request.has_slot()) return InvalidField("slot", "slot is not set");
  if (request.slot() < 0) {
    return InvalidField("slot", absl::StrCat("slot must not be negative: ", request.slot()));
  }
  if (request.incarnation() == 0) {
    return InvalidField("incarnation", "incarnation is not set; ListWorkers has it");
  }
  return CheckRequestId(request.request_id());
}

std::optional<ControlError> CheckNumber(const char* field, bool set, int32_t value, int32_t least,
                                        int32_t& link) {
  if (!set) return std::nullopt;
  if (value < least) {
    return InvalidField(field, absl::StrCat(field, " must be at least ", least, ": ", value));
  }
  link = value;
  return std::nullopt;
}

std::optional<ControlError> CheckTime(const char* field, bool set,
                                      const google::protobuf::Duration& value, int64_t& link) {
  if (!set) return std::nullopt;
  const absl::Duration duration = FromProto(value);
  if (duration < absl::ZeroDuration() || duration > absl::Hours(24)) {
    return InvalidField(
        field,
        absl::StrCat(field, " must lie between 0 and 24h: ", absl::FormatDuration(duration)));
  }
  link = absl::ToInt64Nanoseconds(duration);
  return std::nullopt;
}

std::optional<ControlError> CheckRestart(const v1::RestartPoolRequest& request, LinkRestart& link) {
  if (const auto error = CheckNumber("max_surge", request.has_max_surge(), request.max_surge(), 0,
                                     link.max_surge)) {
    return error;
  }
  if (const auto error = CheckNumber("max_unavailable", request.has_max_unavailable(),
                                     request.max_unavailable(), 0, link.max_unavailable)) {
    return error;
  }
  if (const auto error = CheckNumber("min_healthy", request.has_min_healthy(),
                                     request.min_healthy(), 0, link.min_healthy)) {
    return error;
  }
  if (const auto error = CheckNumber("max_failures", request.has_max_failures(),
                                     request.max_failures(), 1, link.max_failures)) {
    return error;
  }
  if (const auto error = CheckTime("ready_timeout", request.has_ready_timeout(),
                                   request.ready_timeout(), link.ready_timeout_ns)) {
    return error;
  }
  if (const auto error = CheckTime("soak", request.has_soak(), request.soak(), link.soak_ns)) {
    return error;
  }
  switch (request.on_failure()) {
    case v1::ON_FAILURE_UNSPECIFIED:
      break;
    case v1::ON_FAILURE_ROLL_BACK:
      link.on_failure = 0;
      break;
    case v1::ON_FAILURE_PAUSE:
      link.on_failure = 1;
      break;
    default:
      return InvalidField("on_failure",
                          absl::StrCat("on_failure has no value ", request.on_failure()));
  }
  return CheckRequestId(request.request_id());
}

}  // namespace

LinkRequest ControlService::Command(LinkCommand command, const std::string& request_id,
                                    bool validate_only) const {
  LinkRequest request;
  request.command = command;
  request.validate_only = validate_only ? 1 : 0;
  SetLinkText(request.actor, caller_.name);
  SetLinkText(request.request_id, request_id);
  return request;
}

grpc::ServerUnaryReactor* ControlService::ResizePool(grpc::CallbackServerContext* context,
                                                     const v1::ResizePoolRequest* request,
                                                     v1::ResizePoolResponse* response) {
  if (const auto error = Admit("ResizePool")) {
    return Answer(context, error->ToGrpc());
  }
  return ResizeCall::Start(core_, caller_, *request, *response);
}

grpc::ServerUnaryReactor* ControlService::RestartPool(grpc::CallbackServerContext* context,
                                                      const v1::RestartPoolRequest* request,
                                                      v1::RestartPoolResponse* response) {
  if (const auto error = Admit("RestartPool")) {
    return Answer(context, error->ToGrpc());
  }
  LinkRequest command =
      Command(LinkCommand::kRestart, request->request_id(), request->validate_only());
  if (const auto error = CheckRestart(*request, command.restart)) {
    return Answer(context, error->ToGrpc());
  }
  if (const auto error = CheckEtag(request->etag(), core_.reader.Read(), command)) {
    return Answer(context, error->ToGrpc());
  }
  return CommandCall::Start(core_, command, "the restart", [response](const CommandAnswer& answer) {
    *response->mutable_operation() = answer.Operation();
  });
}

grpc::ServerUnaryReactor* ControlService::DrainWorker(grpc::CallbackServerContext* context,
                                                      const v1::DrainWorkerRequest* request,
                                                      v1::DrainWorkerResponse* response) {
  if (const auto error = Admit("DrainWorker")) {
    return Answer(context, error->ToGrpc());
  }
  if (const auto error = CheckWorker(*request)) return Answer(context, error->ToGrpc());
  LinkRequest command =
      Command(LinkCommand::kDrainWorker, request->request_id(), request->validate_only());
  command.slot = request->slot();
  command.incarnation = request->incarnation();
  return CommandCall::Start(core_, command, "the drain", [response](const CommandAnswer& answer) {
    *response->mutable_operation() = answer.Operation();
  });
}

grpc::ServerUnaryReactor* ControlService::KillWorker(grpc::CallbackServerContext* context,
                                                     const v1::KillWorkerRequest* request,
                                                     v1::KillWorkerResponse* response) {
  if (const auto error = Admit("KillWorker")) {
    return Answer(context, error->ToGrpc());
  }
  if (const auto error = CheckWorker(*request)) return Answer(context, error->ToGrpc());
  LinkRequest command =
      Command(LinkCommand::kKillWorker, request->request_id(), request->validate_only());
  command.slot = request->slot();
  command.incarnation = request->incarnation();
  return CommandCall::Start(core_, command, "the kill", [response](const CommandAnswer& answer) {
    *response->mutable_operation() = answer.Operation();
  });
}

grpc::ServerUnaryReactor* ControlService::ResetBreaker(grpc::CallbackServerContext* context,
                                                       const v1::ResetBreakerRequest* request,
                                                       v1::ResetBreakerResponse* response) {
  if (const auto error = Admit("ResetBreaker")) {
    return Answer(context, error->ToGrpc());
  }
  if (const auto error = CheckRequestId(request->request_id())) {
    return Answer(context, error->ToGrpc());
  }
  LinkRequest command =
      Command(LinkCommand::kResetBreaker, request->request_id(), request->validate_only());
  if (const auto error =
          CheckNumber("slot", request->has_slot(), request->slot(), 0, command.slot)) {
    return Answer(context, error->ToGrpc());
  }
  return CommandCall::Start(core_, command, "the reset", [response](const CommandAnswer& answer) {
    *response->mutable_pool() = PoolToProto(answer.snapshot, RightNow());
  });
}

grpc::ServerUnaryReactor* ControlService::ShutdownServer(grpc::CallbackServerContext* context,
                                                         const v1::ShutdownServerRequest* request,
                                                         v1::ShutdownServerResponse* response) {
  if (const auto error = Admit("ShutdownServer")) {
    return Answer(context, error->ToGrpc());
  }
  if (const auto error = CheckRequestId(request->request_id())) {
    return Answer(context, error->ToGrpc());
  }
  LinkRequest command =
      Command(LinkCommand::kShutdown, request->request_id(), request->validate_only());
  switch (request->mode()) {
    case v1::SHUTDOWN_MODE_UNSPECIFIED:
    case v1::SHUTDOWN_MODE_GRACEFUL:
      command.target = static_cast<int32_t>(ShutdownMode::kGraceful);
      break;
    case v1::SHUTDOWN_MODE_FAST:
      command.target = static_cast<int32_t>(ShutdownMode::kFast);
      break;
    default:
      return Answer(
          context,
          InvalidField("mode", absl::StrCat("mode has no value ", request->mode())).ToGrpc());
  }
  return CommandCall::Start(core_, command, "the shutdown",
                            [response](const CommandAnswer& answer) {
                              *response->mutable_pool() = PoolToProto(answer.snapshot, RightNow());
                            });
}

grpc::ServerUnaryReactor* ControlService::CancelOperation(grpc::CallbackServerContext* context,
                                                          const v1::CancelOperationRequest* request,
                                                          v1::CancelOperationResponse* response) {
  if (const auto error = Admit("CancelOperation")) {
    return Answer(context, error->ToGrpc());
  }
  if (const auto error = CheckRequestId(request->request_id())) {
    return Answer(context, error->ToGrpc());
  }
  LinkRequest command =
      Command(LinkCommand::kCancelOperation, request->request_id(), request->validate_only());
  if (const auto error = FindOperation(request->name(), core_.reader.Read(), &command.operation)) {
    return Answer(context, error->ToGrpc());
  }
  return CommandCall::Start(core_, command, "the cancellation",
                            [response](const CommandAnswer& answer) {
                              *response->mutable_operation() = answer.Operation();
                            });
}

}  // namespace squall::internal
