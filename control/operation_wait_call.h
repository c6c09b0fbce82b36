// One WaitOperation call: it ends when the operation does, or when its time is over.
//
//   return OperationWaitCall::Start(core, id, absl::Minutes(1), *response);
#ifndef SQUALL_CONTROL_OPERATION_WAIT_CALL_H_
#define SQUALL_CONTROL_OPERATION_WAIT_CALL_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "squall/control/control_core.h"
#include "squall/control/snapshot_hub.h"
#include "squall/control/v1/control.pb.h"

namespace squall::internal {

class OperationWaitCall final : public grpc::ServerUnaryReactor, public SnapshotHub::Listener {
 public:
  // The reactor to return to gRPC. The caller has counted the call with core.CountWait(*use); it counts itself
  // out.
  static grpc::ServerUnaryReactor* Start(ControlCore& core, std::shared_ptr<CallerUse> use,
                                         uint64_t id, absl::Duration timeout,
                                         control::v1::WaitOperationResponse& response);

  void OnSnapshot(const PoolSnapshot& snapshot) override;

 private:
  OperationWaitCall(ControlCore& core, std::shared_ptr<CallerUse> use, uint64_t id, absl::Time ends,
                    control::v1::WaitOperationResponse& response)
      : core_(core), use_(std::move(use)), id_(id), ends_(ends), response_(response) {}

  void OnCancel() override;
  void OnDone() override;

  ControlCore& core_;
  const std::shared_ptr<CallerUse> use_;
  const uint64_t id_;
  const absl::Time ends_;
  control::v1::WaitOperationResponse& response_;

  std::mutex mutex_;
  bool finished_ = false;  // guarded by mutex_
  // gRPC's reference, dropped in OnDone; the hub holds another.
  std::shared_ptr<OperationWaitCall> self_;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_OPERATION_WAIT_CALL_H_
