// The configuration of a pool in the words of squall.control.v1, and a change of it as the master
// takes it.
//
//   *response->mutable_config() = ConfigToProto(snapshot.config, snapshot.pool);
//
//   LinkRequest command;
//   if (const auto error = ReadChange(*request, snapshot, command.config)) return error->ToGrpc();
#ifndef SQUALL_CONTROL_CONFIG_TO_PROTO_H_
#define SQUALL_CONTROL_CONFIG_TO_PROTO_H_

#include <optional>

#include "squall/control/error_details.h"
#include "squall/control/v1/control.pb.h"
#include "squall/process/config_field.h"
#include "squall/process/pool_config.h"
#include "squall/process/pool_snapshot.h"

namespace squall::internal {

control::v1::PoolConfig ConfigToProto(const PoolConfig& config, const PoolView& pool);

// What `request` wants changed. Whether the values make sense, the master says.
std::optional<ControlError> ReadChange(const control::v1::UpdatePoolRequest& request,
                                       const PoolSnapshot& snapshot, ConfigChange& change);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_CONFIG_TO_PROTO_H_
