// The configuration of a pool as operators read and write it: a line for each field, and
// "drain.grace=10s".
//
//   v1::UpdatePoolRequest request;
//   RETURN_IF_ERROR(SetConfigField("drain.grace", "10s", request));
//   RETURN_IF_ERROR(SetConfigField("watchdog.stall_kill", "unset", request));
#ifndef SQUALL_CONTROL_SQUALLCTL_CONFIG_TEXT_H_
#define SQUALL_CONTROL_SQUALLCTL_CONFIG_TEXT_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "squall/control/v1/control.pb.h"

namespace squall::internal {

// Adds the field to the request and to its mask. "unset" is the absence of a value. Errors:
// InvalidArgument with one sentence for what is no field, or no value of its kind; whether the value
// makes sense, the server says.
absl::Status SetConfigField(std::string_view path, std::string_view value,
                            control::v1::UpdatePoolRequest& request);

// {"drain.grace", "30s"}, … in the order of the .proto.
std::vector<std::pair<std::string, std::string>> ConfigLines(const control::v1::PoolConfig& config);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_CONFIG_TEXT_H_
