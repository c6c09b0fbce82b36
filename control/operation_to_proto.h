// An operation as the master keeps it, in the words of squall.control.v1.
//
//   if (const std::optional<OperationView> view = reader.FindOperation(id)) {
//     *response->mutable_operation() = OperationToProto(*view, snapshot.instance_id, RightNow());
//   }
#ifndef SQUALL_CONTROL_OPERATION_TO_PROTO_H_
#define SQUALL_CONTROL_OPERATION_TO_PROTO_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "squall/control/pool_to_proto.h"
#include "squall/control/v1/control.pb.h"
#include "squall/process/operation.h"

namespace squall::internal {

// Without its pool.
control::v1::Operation OperationToProto(const OperationView& operation, uint64_t instance_id,
                                        const Moment& now);

// "operations/INSTANCE-ID": ids of two starts of the server do not mix.
std::string OperationName(uint64_t instance_id, uint64_t id);

struct OperationKey {
  uint64_t instance_id = 0;
  uint64_t id = 0;
};
// nullopt for what OperationName cannot have made.
std::optional<OperationKey> ParseOperationName(std::string_view name);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_OPERATION_TO_PROTO_H_
