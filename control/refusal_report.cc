#include "squall/control/refusal_report.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "squall/control/error_details.h"
#include "squall/control/error_details.pb.h"
#include "squall/process/control_link.h"

namespace squall::internal {

void ReportRefusal(ControlCore& core, const Caller& caller, std::string_view method,
                   const grpc::Status& status) {
  LinkRefusal refusal;
  SetLinkText(refusal.actor, caller.name);
  SetLinkText(refusal.method, method);
  SetLinkText(refusal.message, status.error_message());
  control::internal::ErrorInfo info;
  const absl::Status details = StatusFromGrpc(status);
  if (const auto payload = details.GetPayload(kErrorInfoUrl);
      payload.has_value() && info.ParseFromString(std::string(*payload))) {
    SetLinkText(refusal.reason, info.reason());
  }
  core.commander.Report(refusal);
}

}  // namespace squall::internal
