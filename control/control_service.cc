#include "squall/control/control_service.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "grpcpp/grpcpp.h"
#include "squall/control/error_details.h"
#include "squall/control/pool_to_proto.h"
#include "squall/control/resize_call.h"
#include "squall/control/version.h"
#include "squall/control/watch_stream.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

constexpr int kMaxPageSize = 500;

grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context,
                                 const grpc::Status& status = grpc::Status::OK) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

// A stream that ends before it begins.
class RefusedWatch final : public grpc::ServerWriteReactor<v1::WatchPoolResponse> {
 public:
  explicit RefusedWatch(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace

grpc::ServerUnaryReactor* ControlService::GetPool(grpc::CallbackServerContext* context,
                                                  const v1::GetPoolRequest*,
                                                  v1::GetPoolResponse* response) {
  *response->mutable_pool() = PoolToProto(core_.reader.Read(), RightNow());
  return Answer(context);
}

grpc::ServerUnaryReactor* ControlService::ListWorkers(grpc::CallbackServerContext* context,
                                                      const v1::ListWorkersRequest* request,
                                                      v1::ListWorkersResponse* response) {
  int first_slot = 0;
  if (request->page_size() < 0) {
    return Answer(context, ControlError{.code = absl::StatusCode::kInvalidArgument,
                                        .reason = "INVALID_FIELD",
                                        .message = absl::StrCat("page_size must not be negative: ",
                                                                request->page_size()),
                                        .field = "page_size"}
                               .ToGrpc());
  }
  if (!request->page_token().empty() &&
      (!absl::SimpleAtoi(request->page_token(), &first_slot) || first_slot < 0)) {
    return Answer(context, ControlError{.code = absl::StatusCode::kInvalidArgument,
                                        .reason = "INVALID_FIELD",
                                        .message = "page_token is not one that an answer gave as "
                                                   "next_page_token",
                                        .field = "page_token"}
                               .ToGrpc());
  }
  const int page_size =
      request->page_size() == 0 ? kMaxPageSize : std::min(request->page_size(), kMaxPageSize);
  const PoolSnapshot snapshot = core_.reader.Read();
  const Moment now = RightNow();
  for (const WorkerSnapshot& worker : snapshot.workers) {
    if (worker.slot.slot < first_slot) continue;
    if (response->workers_size() == page_size) {
      response->set_next_page_token(absl::StrCat(worker.slot.slot));
      break;
    }
    *response->add_workers() = WorkerToProto(worker, now);
  }
  return Answer(context);
}

grpc::ServerUnaryReactor* ControlService::GetServerInfo(grpc::CallbackServerContext* context,
                                                        const v1::GetServerInfoRequest*,
                                                        v1::GetServerInfoResponse* response) {
  const PoolSnapshot snapshot = core_.reader.Read();
  response->set_version(kVersion);
  response->set_instance_id(InstanceIdToString(snapshot.instance_id));
  response->set_master_pid(snapshot.master_pid);
  response->set_control_pid(getpid());
  ToProto(snapshot.started_at, response->mutable_start_time());
  ToProto(core_.started_at, response->mutable_control_start_time());
  response->set_role(caller_.role);
  response->set_refused_connections(core_.refused_connections.load(std::memory_order_relaxed));
  return Answer(context);
}

grpc::ServerUnaryReactor* ControlService::ResizePool(grpc::CallbackServerContext*,
                                                     const v1::ResizePoolRequest* request,
                                                     v1::ResizePoolResponse* response) {
  return ResizeCall::Start(core_, caller_, *request, *response);
}

grpc::ServerWriteReactor<v1::WatchPoolResponse>* ControlService::WatchPool(
    grpc::CallbackServerContext*, const v1::WatchPoolRequest* request) {
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
  if (core_.watches.fetch_add(1) >= core_.limits.max_watches) {
    core_.watches.fetch_sub(1);
    return new RefusedWatch(
        ControlError{.code = absl::StatusCode::kResourceExhausted,
                     .reason = "TOO_MANY_STREAMS",
                     .message = absl::StrCat("there are ", core_.limits.max_watches,
                                             " open watches already, the most there may be"),
                     .metadata = {{"limit", absl::StrCat(core_.limits.max_watches)}}}
            .ToGrpc());
  }
  return WatchStream::Start(core_, interval);
}

}  // namespace squall::internal
