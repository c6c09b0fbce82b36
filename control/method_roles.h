// Who may call what: the least role of each method of squall.control.v1.ControlService. What is not
// in the table nobody may call.
//
//   viewer    sees the pool, but not what is asked of it: request lines may hold secrets
//   operator  resizes, restarts and drains
//   admin     kills, resets breakers, ends the server
#ifndef SQUALL_CONTROL_METHOD_ROLES_H_
#define SQUALL_CONTROL_METHOD_ROLES_H_

#include <optional>
#include <string_view>

#include "squall/control/error_details.h"
#include "squall/control/v1/control.pb.h"

namespace squall::internal {

// ROLE_UNSPECIFIED: nobody. `method` is its name in the .proto, "ResizePool".
control::v1::Role LeastRole(std::string_view method);

// Does it change anything?
bool IsMutation(std::string_view method);

// nullopt: `role` may call it. Else PERMISSION_DENIED.
std::optional<ControlError> CheckRole(std::string_view method, control::v1::Role role);

// Takes away what `role` may not see.
void ShowTo(control::v1::Role role, control::v1::Worker& worker);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_METHOD_ROLES_H_
