#include "squall/control/squallctl/squallctl.h"

#include <sys/ioctl.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "squall/base/version.h"
#include "squall/control/client.h"
#include "squall/control/squallctl/changes.h"
#include "squall/control/squallctl/command_line.h"
#include "squall/control/squallctl/completion.h"
#include "squall/control/squallctl/config_commands.h"
#include "squall/control/squallctl/connection.h"
#include "squall/control/squallctl/events.h"
#include "squall/control/squallctl/explain.h"
#include "squall/control/squallctl/help_text.h"
#include "squall/control/squallctl/print.h"
#include "squall/control/squallctl/render.h"
#include "squall/control/squallctl/table.h"
#include "squall/control/squallctl/top.h"
#include "squall/control/squallctl/watch_screen.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

TableStyle StyleOf(const Console& console) {
  TableStyle style{.color = console.color};
  winsize size = {};
  if (console.terminal >= 0 && ioctl(console.terminal, TIOCGWINSZ, &size) == 0) {
    style.width = size.ws_col;
  }
  return style;
}

void PrintLines(const std::vector<std::string>& lines, Console& console) {
  for (const std::string& line : lines) console.out << line << '\n';
}

ExitCode Status(ControlClient& client, const CommandLine& line, Console& console) {
  const absl::StatusOr<v1::Pool> pool = client.GetPool();
  if (!pool.ok()) return Fail(pool.status(), console);
  const absl::StatusOr<std::vector<v1::Worker>> workers = client.ListWorkers();
  if (!workers.ok()) return Fail(workers.status(), console);
  if (line.output != OutputFormat::kTable) {
    v1::WatchSnapshot both;
    *both.mutable_pool() = *pool;
    both.mutable_workers()->Assign(workers->begin(), workers->end());
    PrintMessage(both, line.output, console);
  } else {
    PrintLines(RenderStatus(*pool, *workers, {}, StyleOf(console)), console);
  }
  return ExitCode::kDone;
}

ExitCode Workers(ControlClient& client, const CommandLine& line, Console& console) {
  const absl::StatusOr<std::vector<v1::Worker>> workers = client.ListWorkers();
  if (!workers.ok()) return Fail(workers.status(), console);
  if (line.output != OutputFormat::kTable) {
    v1::ListWorkersResponse all;
    all.mutable_workers()->Assign(workers->begin(), workers->end());
    PrintMessage(all, line.output, console);
  } else {
    PrintLines(RenderWorkers(*workers, StyleOf(console)), console);
  }
  return ExitCode::kDone;
}

ExitCode ExplainPool(ControlClient& client, const CommandLine& line, Console& console) {
  const absl::StatusOr<v1::Pool> pool = client.GetPool();
  if (!pool.ok()) return Fail(pool.status(), console);
  const absl::StatusOr<std::vector<v1::Worker>> workers = client.ListWorkers();
  if (!workers.ok()) return Fail(workers.status(), console);
  const std::vector<std::string> reasons = Explain(*pool, *workers);
  if (line.output == OutputFormat::kTable) {
    PrintLines(reasons, console);
    return ExitCode::kDone;
  }
  google::protobuf::Struct all;
  for (const std::string& reason : reasons) {
    (*all.mutable_fields())["reasons"].mutable_list_value()->add_values()->set_string_value(reason);
  }
  PrintMessage(all, line.output, console);
  return ExitCode::kDone;
}

ExitCode Operations(ControlClient& client, const CommandLine& line, Console& console) {
  const absl::StatusOr<std::vector<v1::Operation>> operations = client.ListOperations();
  if (!operations.ok()) return Fail(operations.status(), console);
  if (line.output != OutputFormat::kTable) {
    v1::ListOperationsResponse all;
    all.mutable_operations()->Assign(operations->begin(), operations->end());
    PrintMessage(all, line.output, console);
  } else {
    PrintLines(RenderOperations(*operations, absl::Now(), StyleOf(console)), console);
  }
  return ExitCode::kDone;
}

ExitCode Version(ControlClient& client, const CommandLine& line, Console& console) {
  const absl::StatusOr<v1::GetServerInfoResponse> info = client.GetServerInfo();
  if (line.output != OutputFormat::kTable) {
    // Without a server, of which nothing is known, only squallctl's own part is there.
    google::protobuf::Struct both;
    (*both.mutable_fields())["squallctl"].set_string_value(kVersion);
    (*both.mutable_fields())["squallctlBuildId"].set_string_value(BuildId());
    std::string json;
    if (info.ok() && google::protobuf::util::MessageToJsonString(*info, &json).ok()) {
      (void)google::protobuf::util::JsonStringToMessage(
          json, (*both.mutable_fields())["server"].mutable_struct_value());
    }
    PrintMessage(both, line.output, console);
    return ExitCode::kDone;
  }
  console.out << "squallctl " << VersionText() << '\n';
  if (info.ok()) {
    console.out << "server    " << info->version()
                << (info->build_id().empty() ? " (without a build id"
                                             : " (build " + info->build_id())
                << ", instance " << info->instance_id() << ", master pid " << info->master_pid()
                << ", control pid " << info->control_pid() << ")\n";
  } else {
    console.out << "server    none at " << client.address() << '\n';
  }
  return ExitCode::kDone;
}

}  // namespace

ExitCode RunSquallctl(const std::vector<std::string_view>& args, Console& console) {
  const absl::StatusOr<CommandLine> line = ParseCommandLine(args);
  if (!line.ok()) {
    console.err << "squallctl: " << line.status().message() << ". See squallctl help.\n";
    return ExitCode::kUsage;
  }
  if (line->verb == Verb::kHelp) {
    console.out << HelpText(line->help_on);
    return ExitCode::kDone;
  }
  if (line->verb == Verb::kCompletion) {
    console.out << CompletionScript(line->shell);
    return ExitCode::kDone;
  }
  absl::StatusOr<Connection> connection = ConnectionOf(*line);
  if (!connection.ok()) return Fail(connection.status(), console);
  connection->options.timeout = CallTimeout(*line);
  ControlClient client(connection->address, connection->options);
  switch (line->verb) {
    case Verb::kStatus:
      if (line->watch) {
        const absl::Status status = WatchOnScreen(client, *line, console);
        return status.ok() ? ExitCode::kDone : Fail(status, console);
      }
      return Status(client, *line, console);
    case Verb::kWorkers:
      return Workers(client, *line, console);
    case Verb::kTop:
      return Top(client, *line, console);
    case Verb::kExplain:
      return ExplainPool(client, *line, console);
    case Verb::kOperations:
      return Operations(client, *line, console);
    case Verb::kEvents:
      return Events(client, *line, console);
    case Verb::kConfig:
      return ShowConfig(client, *line, console);
    case Verb::kUpdate:
      return UpdateConfig(client, *line, console);
    case Verb::kResize:
      return Resize(client, *line, console);
    case Verb::kRestart:
      return Restart(client, *line, console);
    case Verb::kDrain:
      return Drain(client, *line, console);
    case Verb::kKill:
      return Kill(client, *line, console);
    case Verb::kResetBreaker:
      return ResetBreaker(client, *line, console);
    case Verb::kWait:
      return Wait(client, *line, console);
    case Verb::kCancel:
      return Cancel(client, *line, console);
    case Verb::kShutdown:
      return Shutdown(client, *line, console);
    case Verb::kVersion:
      return Version(client, *line, console);
    case Verb::kCompletion:
    case Verb::kHelp:
      break;
  }
  return ExitCode::kError;
}

}  // namespace squall::internal
