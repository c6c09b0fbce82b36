#include "squall/control/squallctl/print.h"

#include <string>

#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "squall/control/client.h"
#include "squall/control/squallctl/yaml.h"

namespace squall::internal {
namespace {

// A sentence that says what to do next, or nothing.
std::string NextStep(const absl::Status& status) {
  const std::string reason = ErrorReason(status);
  if (IsConnectFailure(status)) {
    return ". Start one (bazel run server), or name its socket with --address or SQUALL_CONTROL.";
  }
  if (reason == "MASTER_UNREACHABLE") {
    return "; see squallctl status, which does not need the master. It may be stopped (SIGSTOP) or "
           "overloaded.";
  }
  if (reason == "WORKERS_UNAVAILABLE") return "; squallctl explain says why.";
  if (reason == "OPERATION_IN_PROGRESS") return "; squallctl operations shows it.";
  return "";
}

}  // namespace

void PrintMessage(const google::protobuf::Message& message, OutputFormat format, Console& console) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  if (!status.ok()) text = status.ToString();
  google::protobuf::Value value;
  if (format == OutputFormat::kYaml &&
      google::protobuf::util::JsonStringToMessage(text, &value).ok()) {
    text = ToYaml(value);
  }
  console.out << text;
  if (text.empty() || text.back() != '\n') console.out << '\n';
}

ExitCode Fail(const absl::Status& status, Console& console) {
  console.err << "squallctl: " << status.message() << NextStep(status) << '\n';
  return ExitCodeFor(status);
}

}  // namespace squall::internal
