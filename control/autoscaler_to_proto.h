// What the autoscaler does, in the words of squall.control.v1.
//
//   *pool.mutable_autoscaler() = AutoscalerToProto(snapshot, RightNow());
#ifndef SQUALL_CONTROL_AUTOSCALER_TO_PROTO_H_
#define SQUALL_CONTROL_AUTOSCALER_TO_PROTO_H_

#include "squall/control/pool_to_proto.h"
#include "squall/control/v1/control.pb.h"
#include "squall/process/pool_snapshot.h"

namespace squall::internal {

control::v1::AutoscalerStatus AutoscalerToProto(const PoolSnapshot& snapshot, const Moment& now);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_AUTOSCALER_TO_PROTO_H_
