// squall.control.v1.ControlService for one caller's role, on gRPC's callback API: no call holds a
// thread while it waits.
#ifndef SQUALL_CONTROL_CONTROL_SERVICE_H_
#define SQUALL_CONTROL_CONTROL_SERVICE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "grpcpp/grpcpp.h"
#include "squall/control/control_core.h"
#include "squall/control/error_details.h"
#include "squall/control/v1/control.grpc.pb.h"
#include "squall/process/control_link.h"

namespace squall::internal {

class ControlService final : public control::v1::ControlService::CallbackService {
 public:
  // `core` must outlive the server this is registered with.
  ControlService(ControlCore& core, Caller caller) : core_(core), caller_(caller) {}

  grpc::ServerUnaryReactor* GetPool(grpc::CallbackServerContext* context,
                                    const control::v1::GetPoolRequest* request,
                                    control::v1::GetPoolResponse* response) override;
  grpc::ServerUnaryReactor* ListWorkers(grpc::CallbackServerContext* context,
                                        const control::v1::ListWorkersRequest* request,
                                        control::v1::ListWorkersResponse* response) override;
  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context,
                                          const control::v1::GetServerInfoRequest* request,
                                          control::v1::GetServerInfoResponse* response) override;
  grpc::ServerUnaryReactor* GetWorker(grpc::CallbackServerContext* context,
                                      const control::v1::GetWorkerRequest* request,
                                      control::v1::GetWorkerResponse* response) override;
  grpc::ServerUnaryReactor* GetOperation(grpc::CallbackServerContext* context,
                                         const control::v1::GetOperationRequest* request,
                                         control::v1::GetOperationResponse* response) override;
  grpc::ServerUnaryReactor* ListOperations(grpc::CallbackServerContext* context,
                                           const control::v1::ListOperationsRequest* request,
                                           control::v1::ListOperationsResponse* response) override;
  grpc::ServerUnaryReactor* WaitOperation(grpc::CallbackServerContext* context,
                                          const control::v1::WaitOperationRequest* request,
                                          control::v1::WaitOperationResponse* response) override;
  grpc::ServerUnaryReactor* ResizePool(grpc::CallbackServerContext* context,
                                       const control::v1::ResizePoolRequest* request,
                                       control::v1::ResizePoolResponse* response) override;
  grpc::ServerUnaryReactor* RestartPool(grpc::CallbackServerContext* context,
                                        const control::v1::RestartPoolRequest* request,
                                        control::v1::RestartPoolResponse* response) override;
  grpc::ServerUnaryReactor* DrainWorker(grpc::CallbackServerContext* context,
                                        const control::v1::DrainWorkerRequest* request,
                                        control::v1::DrainWorkerResponse* response) override;
  grpc::ServerUnaryReactor* KillWorker(grpc::CallbackServerContext* context,
                                       const control::v1::KillWorkerRequest* request,
                                       control::v1::KillWorkerResponse* response) override;
  grpc::ServerUnaryReactor* ResetBreaker(grpc::CallbackServerContext* context,
                                         const control::v1::ResetBreakerRequest* request,
                                         control::v1::ResetBreakerResponse* response) override;
  grpc::ServerUnaryReactor* ShutdownServer(grpc::CallbackServerContext* context,
                                           const control::v1::ShutdownServerRequest* request,
                                           control::v1::ShutdownServerResponse* response) override;
  // control_service_config.cc
  grpc::ServerUnaryReactor* GetPoolConfig(grpc::CallbackServerContext* context,
                                          const control::v1::GetPoolConfigRequest* request,
                                          control::v1::GetPoolConfigResponse* response) override;
  grpc::ServerUnaryReactor* UpdatePool(grpc::CallbackServerContext* context,
                                       const control::v1::UpdatePoolRequest* request,
                                       control::v1::UpdatePoolResponse* response) override;
  grpc::ServerUnaryReactor* CancelOperation(
      grpc::CallbackServerContext* context, const control::v1::CancelOperationRequest* request,
      control::v1::CancelOperationResponse* response) override;
  grpc::ServerWriteReactor<control::v1::WatchPoolResponse>* WatchPool(
      grpc::CallbackServerContext* context, const control::v1::WatchPoolRequest* request) override;
  grpc::ServerUnaryReactor* ListEvents(grpc::CallbackServerContext* context,
                                       const control::v1::ListEventsRequest* request,
                                       control::v1::ListEventsResponse* response) override;
  grpc::ServerWriteReactor<control::v1::WatchEventsResponse>* WatchEvents(
      grpc::CallbackServerContext* context,
      const control::v1::WatchEventsRequest* request) override;

 private:
  // Ends the call. `method` is the caller's name, that of the method of the API: a change that is
  // refused is told to the master, which keeps the list of them.
  grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context,
                                   const grpc::Status& status = grpc::Status::OK,
                                   const char* method = __builtin_FUNCTION());
  // What stands in the way of a call of this method: the caller's role, or that it changes too much.
  // Each method begins with it.
  std::optional<ControlError> Admit(std::string_view method);
  // Counts one more watch, or says why there may not be one.
  std::optional<ControlError> CountWatch();
  // What stands in the way of the operation with this name; else its id.
  std::optional<ControlError> FindOperation(const std::string& name, const PoolSnapshot& snapshot,
                                            uint64_t* id);
  // control_service_changes.cc: a command to the master on behalf of the caller.
  LinkRequest Command(LinkCommand command, const std::string& request_id, bool validate_only) const;

  ControlCore& core_;
  const Caller caller_;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_CONTROL_SERVICE_H_
