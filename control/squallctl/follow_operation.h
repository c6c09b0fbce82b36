// Waits for an operation's end, with a line of progress on a terminal. ^C ends the waiting and the
// program, not the operation, and says so.
#ifndef SQUALL_CONTROL_SQUALLCTL_FOLLOW_OPERATION_H_
#define SQUALL_CONTROL_SQUALLCTL_FOLLOW_OPERATION_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "squall/control/client.h"
#include "squall/control/squallctl/console.h"
#include "squall/control/v1/control.pb.h"

namespace squall::internal {

// The operation as it is at its end, or still running when `timeout` is over.
absl::StatusOr<control::v1::Operation> FollowOperation(ControlClient& client,
                                                       control::v1::Operation operation,
                                                       absl::Duration timeout, Console& console);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_FOLLOW_OPERATION_H_
