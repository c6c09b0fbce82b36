#include "squall/control/control_service.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "squall/base/clock.h"
#include "squall/base/version.h"
#include "squall/control/error_details.h"
#include "squall/control/method_roles.h"
#include "squall/control/operation_to_proto.h"
#include "squall/control/operation_wait_call.h"
#include "squall/control/pool_to_proto.h"
#include "squall/control/refusal_report.h"
#include "squall/control/request_check.h"
#include "squall/control/watch_stream.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

constexpr int kMaxPageSize = 500;
constexpr int kOperationsPage = 100;

// A stream that ends before it begins.
class RefusedWatch final : public grpc::ServerWriteReactor<v1::WatchPoolResponse> {
 public:
  explicit RefusedWatch(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace

grpc::ServerUnaryReactor* ControlService::Answer(grpc::CallbackServerContext* context,
                                                 const grpc::Status& status, const char* method) {
  if (!status.ok() && IsMutation(method)) ReportRefusal(core_, caller_, method, status);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

std::optional<ControlError> ControlService::Admit(std::string_view method) {
  if (auto error = CheckRole(method, caller_.role)) return error;
  if (!IsMutation(method)) return std::nullopt;
  const ControlLimits& limits = core_.limits;
  const absl::Duration wait = caller_.use->changes.Take(
      Clock::RealNow(), {.per_second = limits.changes_per_second, .burst = limits.changes_burst});
  if (wait == absl::ZeroDuration()) return std::nullopt;
  return ControlError{.code = absl::StatusCode::kResourceExhausted,
                      .reason = "RATE_LIMITED",
                      .message = absl::StrCat(
                          "this caller has asked for too many changes: ", limits.changes_burst,
                          " at once and then ", limits.changes_per_second,
                          " a second are allowed; the next one in ", absl::FormatDuration(wait)),
                      .metadata = {{"limit", absl::StrCat(limits.changes_burst)},
                                   {"per_second", absl::StrCat(limits.changes_per_second)}},
                      .retry_after = wait};
}

std::optional<ControlError> ControlService::CountWatch() {
  const int most = core_.limits.max_watches - ReservedFor(caller_, core_.limits.max_watches);
  const bool too_many = core_.watches.fetch_add(1) >= most;
  const bool too_many_of_caller =
      caller_.use->watches.fetch_add(1) >= core_.limits.max_watches_per_caller;
  if (!too_many && !too_many_of_caller) return std::nullopt;
  core_.watches.fetch_sub(1);
  caller_.use->watches.fetch_sub(1);
  const int limit = too_many ? most : core_.limits.max_watches_per_caller;
  return ControlError{
      .code = absl::StatusCode::kResourceExhausted,
      .reason = "TOO_MANY_STREAMS",
      .message = absl::StrCat("there are ", limit, " open watches ",
                              too_many ? "" : "of this caller ", "already, the most there may be"),
      .metadata = {{"limit", absl::StrCat(limit)}}};
}

grpc::ServerUnaryReactor* ControlService::GetPool(grpc::CallbackServerContext* context,
                                                  const v1::GetPoolRequest*,
                                                  v1::GetPoolResponse* response) {
  if (const auto error = Admit("GetPool")) {
    return Answer(context, error->ToGrpc());
  }
  *response->mutable_pool() = PoolToProto(core_.reader.Read(), RightNow());
  return Answer(context);
}

grpc::ServerUnaryReactor* ControlService::ListWorkers(grpc::CallbackServerContext* context,
                                                      const v1::ListWorkersRequest* request,
                                                      v1::ListWorkersResponse* response) {
  if (const auto error = Admit("ListWorkers")) {
    return Answer(context, error->ToGrpc());
  }
  uint64_t first_slot = 0;
  if (const auto error = CheckPage(request->page_size(), request->page_token(),
                                   Scoreboard::kMaxRows, &first_slot)) {
    return Answer(context, error->ToGrpc());
  }
  const int page_size =
      request->page_size() == 0 ? kMaxPageSize : std::min(request->page_size(), kMaxPageSize);
  const PoolSnapshot snapshot = core_.reader.Read();
  const Moment now = RightNow();
  for (const WorkerSnapshot& worker : snapshot.workers) {
    if (static_cast<uint64_t>(worker.slot.slot) < first_slot) continue;
    if (response->workers_size() == page_size) {
      response->set_next_page_token(absl::StrCat(worker.slot.slot));
      break;
    }
    v1::Worker& row = *response->add_workers();
    row = WorkerToProto(worker, now);
    ShowTo(caller_.role, row);
  }
  return Answer(context);
}

grpc::ServerUnaryReactor* ControlService::GetServerInfo(grpc::CallbackServerContext* context,
                                                        const v1::GetServerInfoRequest*,
                                                        v1::GetServerInfoResponse* response) {
  if (const auto error = Admit("GetServerInfo")) {
    return Answer(context, error->ToGrpc());
  }
  const PoolSnapshot snapshot = core_.reader.Read();
  response->set_version(kVersion);
  response->set_build_id(BuildId());
  response->set_instance_id(InstanceIdToString(snapshot.instance_id));
  response->set_master_pid(snapshot.master_pid);
  response->set_control_pid(getpid());
  ToProto(snapshot.started_at, response->mutable_start_time());
  ToProto(core_.started_at, response->mutable_control_start_time());
  response->set_role(caller_.role);
  response->set_refused_connections(core_.refused_connections.load(std::memory_order_relaxed));
  return Answer(context);
}

grpc::ServerUnaryReactor* ControlService::GetWorker(grpc::CallbackServerContext* context,
                                                    const v1::GetWorkerRequest* request,
                                                    v1::GetWorkerResponse* response) {
  if (const auto error = Admit("GetWorker")) {
    return Answer(context, error->ToGrpc());
  }
  if (!request->has_slot()) {
    return Answer(context, InvalidField("slot", "slot is not set").ToGrpc());
  }
  const PoolSnapshot snapshot = core_.reader.Read();
  if (request->slot() < 0 || request->slot() >= snapshot.pool.max_workers) {
    return Answer(
        context,
        ControlError{
            .code = absl::StatusCode::kNotFound,
            .reason = "NO_SUCH_SLOT",
            .message = absl::StrCat("there is no slot ", request->slot(),
                                    ": this pool's slots are 0 to ", snapshot.pool.max_workers - 1),
            .metadata = {{"max_workers", absl::StrCat(snapshot.pool.max_workers)}}}
            .ToGrpc());
  }
  v1::Worker& worker = *response->mutable_worker();
  worker.set_slot(request->slot());
  worker.set_state(v1::WORKER_STATE_EMPTY);
  const Moment now = RightNow();
  for (const WorkerSnapshot& row : snapshot.workers) {
    if (row.slot.slot != request->slot()) continue;
    // Two while the slot is handed over.
    if (worker.state() != v1::WORKER_STATE_EMPTY && row.slot.role != RowRole::kHolder) continue;
    worker = WorkerToProto(row, now);
  }
  ShowTo(caller_.role, worker);
  return Answer(context);
}

std::optional<ControlError> ControlService::FindOperation(const std::string& name,
                                                          const PoolSnapshot& snapshot,
                                                          uint64_t* id) {
  const std::optional<OperationKey> key = ParseOperationName(name);
  if (!key.has_value()) {
    return InvalidField("name", "name is not one that an operation has");
  }
  *id = key->id;
  if (key->instance_id == snapshot.instance_id && core_.reader.FindOperation(key->id)) {
    return std::nullopt;
  }
  return ControlError{
      .code = absl::StatusCode::kNotFound,
      .reason = "NO_SUCH_OPERATION",
      .message = key->instance_id == snapshot.instance_id
                     ? absl::StrCat(name, " never was, or is forgotten")
                     : absl::StrCat(name, " is one of another start of the server")};
}

grpc::ServerUnaryReactor* ControlService::GetOperation(grpc::CallbackServerContext* context,
                                                       const v1::GetOperationRequest* request,
                                                       v1::GetOperationResponse* response) {
  if (const auto error = Admit("GetOperation")) {
    return Answer(context, error->ToGrpc());
  }
  uint64_t id = 0;
  if (const auto error = FindOperation(request->name(), core_.reader.Read(), &id)) {
    return Answer(context, error->ToGrpc());
  }
  const auto operation = core_.reader.FindOperation(id);
  // Never older than the operation.
  const PoolSnapshot snapshot = core_.reader.Read();
  const Moment now = RightNow();
  if (operation.has_value()) {
    *response->mutable_operation() = OperationToProto(*operation, snapshot.instance_id, now);
  }
  *response->mutable_operation()->mutable_pool() = PoolToProto(snapshot, now);
  return Answer(context);
}

grpc::ServerUnaryReactor* ControlService::ListOperations(grpc::CallbackServerContext* context,
                                                         const v1::ListOperationsRequest* request,
                                                         v1::ListOperationsResponse* response) {
  if (const auto error = Admit("ListOperations")) {
    return Answer(context, error->ToGrpc());
  }
  uint64_t newest = UINT64_MAX;
  if (const auto error =
          CheckPage(request->page_size(), request->page_token(), UINT64_MAX, &newest)) {
    return Answer(context, error->ToGrpc());
  }
  const int page_size =
      request->page_size() == 0 ? kOperationsPage : std::min(request->page_size(), kMaxPageSize);
  const uint64_t instance_id = core_.reader.Read().instance_id;
  const Moment now = RightNow();
  for (const OperationView& operation : core_.reader.ListOperations()) {
    if (operation.id > newest) continue;
    if (response->operations_size() == page_size) {
      response->set_next_page_token(absl::StrCat(operation.id));
      break;
    }
    *response->add_operations() = OperationToProto(operation, instance_id, now);
  }
  return Answer(context);
}

grpc::ServerUnaryReactor* ControlService::WaitOperation(grpc::CallbackServerContext* context,
                                                        const v1::WaitOperationRequest* request,
                                                        v1::WaitOperationResponse* response) {
  if (const auto error = Admit("WaitOperation")) {
    return Answer(context, error->ToGrpc());
  }
  absl::Duration timeout = core_.limits.max_wait;
  if (request->has_timeout()) {
    timeout = FromProto(request->timeout());
    if (timeout <= absl::ZeroDuration()) {
      return Answer(context, InvalidField("timeout", absl::StrCat("timeout must be above zero: ",
                                                                  absl::FormatDuration(timeout)))
                                 .ToGrpc());
    }
    timeout = std::min(timeout, core_.limits.max_wait);
  }
  uint64_t id = 0;
  if (const auto error = FindOperation(request->name(), core_.reader.Read(), &id)) {
    return Answer(context, error->ToGrpc());
  }
  if (const std::optional<int> limit = core_.CountWait(*caller_.use); limit.has_value()) {
    return Answer(context, ControlError{.code = absl::StatusCode::kResourceExhausted,
                                        .reason = "TOO_MANY_WAITS",
                                        .message = absl::StrCat(
                                            *limit,
                                            " calls wait already, the most that may; ask again "
                                            "with GetOperation"),
                                        .metadata = {{"limit", absl::StrCat(*limit)}}}
                               .ToGrpc());
  }
  return OperationWaitCall::Start(core_, caller_.use, id, timeout, *response);
}

grpc::ServerWriteReactor<v1::WatchPoolResponse>* ControlService::WatchPool(
    grpc::CallbackServerContext*, const v1::WatchPoolRequest* request) {
  if (const auto error = Admit("WatchPool")) {
    return new RefusedWatch(error->ToGrpc());
  }
  absl::Duration interval = absl::Seconds(1);
  if (request->has_counter_interval()) {
    interval = FromProto(request->counter_interval());
    if (interval < absl::Milliseconds(100) || interval > absl::Hours(1)) {
      return new RefusedWatch(
          ControlError{.code = absl::StatusCode::kInvalidArgument,
                       .reason = "INVALID_FIELD",
                       .message = absl::StrCat("counter_interval must lie between 100ms and 1h: ",
                                               absl::FormatDuration(interval)),
                       .field = "counter_interval"}
              .ToGrpc());
    }
  }
  if (const auto error = CountWatch()) return new RefusedWatch(error->ToGrpc());
  return WatchStream::Start(core_, caller_, interval);
}

}  // namespace squall::internal
