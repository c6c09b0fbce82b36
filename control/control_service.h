// squall.control.v1.ControlService for one caller's role, on gRPC's callback API: no call holds a
// thread while it waits.
#ifndef SQUALL_CONTROL_CONTROL_SERVICE_H_
#define SQUALL_CONTROL_CONTROL_SERVICE_H_

#include "grpcpp/grpcpp.h"
#include "squall/control/control_core.h"
#include "squall/control/v1/control.grpc.pb.h"

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
  grpc::ServerUnaryReactor* ResizePool(grpc::CallbackServerContext* context,
                                       const control::v1::ResizePoolRequest* request,
                                       control::v1::ResizePoolResponse* response) override;
  grpc::ServerWriteReactor<control::v1::WatchPoolResponse>* WatchPool(
      grpc::CallbackServerContext* context, const control::v1::WatchPoolRequest* request) override;

 private:
  ControlCore& core_;
  const Caller caller_;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_CONTROL_SERVICE_H_
