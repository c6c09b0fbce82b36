// One ResizePool call from its check to its answer, waiting included.
#ifndef SQUALL_CONTROL_RESIZE_CALL_H_
#define SQUALL_CONTROL_RESIZE_CALL_H_

#include <memory>
#include <mutex>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "squall/control/control_core.h"
#include "squall/control/snapshot_hub.h"
#include "squall/control/v1/control.pb.h"
#include "squall/process/control_link.h"

namespace squall::internal {

class ResizeCall final : public grpc::ServerUnaryReactor, public SnapshotHub::Listener {
 public:
  // The reactor to return to gRPC. `response` is gRPC's, valid until the call is done.
  static grpc::ServerUnaryReactor* Start(ControlCore& core, const Caller& caller,
                                         const control::v1::ResizePoolRequest& request,
                                         control::v1::ResizePoolResponse& response);

  void OnSnapshot(const PoolSnapshot& snapshot) override;

 private:
  ResizeCall(ControlCore& core, std::shared_ptr<CallerUse> use,
             const control::v1::ResizePoolRequest& request,
             control::v1::ResizePoolResponse& response);

  // gRPC's callbacks. The caller is gone: the resize goes on, only the waiting ends.
  void OnCancel() override;
  void OnDone() override;

  void Ask(const Caller& caller);
  void OnReply(const absl::StatusOr<LinkReply>& reply);
  void Wait();
  // The first of these ends the call, later ones do nothing.
  void FinishOnce(const grpc::Status& status);
  void FinishWithOperation(const PoolSnapshot& snapshot);
  bool OperationRuns() const;

  ControlCore& core_;
  const std::shared_ptr<CallerUse> use_;
  const control::v1::ResizePoolRequest request_;
  control::v1::ResizePoolResponse& response_;
  LinkRequest link_request_;
  LinkReply reply_;  // Once the master has accepted it.
  absl::Time wait_ends_ = absl::InfiniteFuture();
  bool counted_as_wait_ = false;

  std::mutex mutex_;
  bool finished_ = false;  // guarded by mutex_
  // gRPC's reference, dropped in OnDone; the hub and the pending command hold others.
  std::shared_ptr<ResizeCall> self_;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_RESIZE_CALL_H_
