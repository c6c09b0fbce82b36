// Changes that the control process refuses by itself, told to the master: it keeps the events, those
// of refusals too.
#ifndef SQUALL_CONTROL_REFUSAL_REPORT_H_
#define SQUALL_CONTROL_REFUSAL_REPORT_H_

#include <string_view>

#include "grpcpp/support/status.h"
#include "squall/control/control_core.h"

namespace squall::internal {

// `method` is the one of the API that `caller` called, `status` the refusal. Any thread.
void ReportRefusal(ControlCore& core, const Caller& caller, std::string_view method,
                   const grpc::Status& status);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_REFUSAL_REPORT_H_
