// How far an operation is, in one line: a bar, who is ready and who still drains, the time that is
// left to wait.
//
//   [############--------] 3/5  3 ready, 1 starting, 1 draining  12s, 1m48s left
#ifndef SQUALL_CONTROL_SQUALLCTL_PROGRESS_H_
#define SQUALL_CONTROL_SQUALLCTL_PROGRESS_H_

#include <string>

#include "absl/time/time.h"
#include "squall/control/v1/control.pb.h"

namespace squall::internal {

// At most `width` characters when that is above 0.
std::string ProgressLine(const control::v1::Operation& operation, absl::Duration waited,
                         absl::Duration left, size_t width);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_PROGRESS_H_
