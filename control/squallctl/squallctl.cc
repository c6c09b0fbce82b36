#include "squall/control/squallctl/squallctl.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "google/protobuf/util/json_util.h"
#include "squall/base/string_view.h"
#include "squall/control/client.h"
#include "squall/control/default_address.h"
#include "squall/control/squallctl/command_line.h"
#include "squall/control/squallctl/render.h"
#include "squall/control/squallctl/table.h"
#include "squall/control/squallctl/watch_screen.h"
#include "squall/control/version.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

constexpr absl::Duration kCallTimeout = absl::Seconds(5);
constexpr absl::Duration kWaitTimeout = absl::Minutes(2);
constexpr absl::Duration kVersionTimeout = absl::Seconds(1);

std::string Address(const CommandLine& line) {
  std::string address = line.address;
  if (address.empty()) {
    const char* const variable = std::getenv("SQUALL_CONTROL");
    if (variable != nullptr) address = variable;
  }
  if (address.empty()) return DefaultControlAddress();
  return address[0] == '/' ? absl::StrCat("unix:", address) : address;
}

// A sentence that says what to do next, or nothing.
std::string NextStep(const absl::Status& status) {
  if (status.code() == absl::StatusCode::kUnavailable && ErrorReason(status).empty()) {
    return ". Start one (bazel run server), or name its socket with --address or SQUALL_CONTROL.";
  }
  if (ErrorReason(status) == "MASTER_UNREACHABLE") {
    return "; see squallctl status, which does not need the master. It may be stopped (SIGSTOP) or "
           "overloaded.";
  }
  return "";
}

ExitCode Fail(const absl::Status& status, Console& console) {
  console.err << "squallctl: " << status.message() << NextStep(status) << '\n';
  return ExitCodeFor(status);
}

void PrintJson(const google::protobuf::Message& message, Console& console) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  console.out << (status.ok() ? json : status.ToString());
  if (json.empty() || json.back() != '\n') console.out << '\n';
}

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
  if (line.output == OutputFormat::kJson) {
    v1::WatchSnapshot both;
    *both.mutable_pool() = *pool;
    both.mutable_workers()->Assign(workers->begin(), workers->end());
    PrintJson(both, console);
  } else {
    PrintLines(RenderStatus(*pool, *workers, {}, StyleOf(console)), console);
  }
  return ExitCode::kDone;
}

ExitCode Workers(ControlClient& client, const CommandLine& line, Console& console) {
  const absl::StatusOr<std::vector<v1::Worker>> workers = client.ListWorkers();
  if (!workers.ok()) return Fail(workers.status(), console);
  if (line.output == OutputFormat::kJson) {
    v1::ListWorkersResponse all;
    all.mutable_workers()->Assign(workers->begin(), workers->end());
    PrintJson(all, console);
  } else {
    PrintLines(RenderWorkers(*workers, StyleOf(console)), console);
  }
  return ExitCode::kDone;
}

std::string Progress(const v1::Pool& pool) {
  std::string text = absl::StrCat(pool.ready_workers(), " ready");
  const std::pair<int, const char*> others[] = {{pool.starting_workers(), "starting"},
                                                {pool.draining_workers(), "draining"},
                                                {pool.backoff_workers(), "backing off"},
                                                {pool.failed_workers(), "failed"}};
  for (const auto& [count, word] : others) {
    if (count > 0) absl::StrAppend(&text, ", ", count, " ", word);
  }
  return text;
}

void OnInterruptedWait(int) {
  constexpr char kText[] = "\nsquallctl: stopped waiting; the resize goes on\n";
  (void)!write(STDERR_FILENO, kText, sizeof(kText) - 1);
  _exit(128 + SIGINT);
}

// Sees to it that ^C while waiting says that nothing was cancelled.
class InterruptMessage {
 public:
  InterruptMessage() { previous_ = signal(SIGINT, &OnInterruptedWait); }
  ~InterruptMessage() { signal(SIGINT, previous_); }

 private:
  void (*previous_)(int);
};

ExitCode Resize(ControlClient& client, const CommandLine& line, Console& console) {
  const bool wait = line.wait && !line.dry_run;
  const absl::Duration timeout = line.timeout.value_or(wait ? kWaitTimeout : kCallTimeout);
  ResizeOptions options{.desired_workers = line.target.value,
                        .validate_only = line.dry_run,
                        .wait_for = wait ? v1::WAIT_FOR_DRAINED : v1::WAIT_FOR_ACCEPTED,
                        .timeout = timeout};
  std::optional<InterruptMessage> interrupt;
  if (wait) interrupt.emplace();
  const absl::Time begin = absl::Now();
  const absl::StatusOr<v1::Operation> operation =
      line.target.relative ? client.ResizePoolBy(line.target.value, std::move(options))
                           : client.ResizePool(options);
  if (!operation.ok()) {
    if (operation.status().code() == absl::StatusCode::kDeadlineExceeded && wait) {
      const absl::StatusOr<v1::Pool> pool = client.GetPool();
      console.err << "squallctl: not done after " << absl::FormatDuration(timeout);
      if (pool.ok()) {
        console.err << ": " << pool->desired_workers() << " wanted, " << Progress(*pool);
      }
      console.err << ". The resize goes on; see squallctl status, or wait longer with --timeout\n";
      return ExitCode::kDeadline;
    }
    if (operation.status().code() == absl::StatusCode::kDeadlineExceeded && !line.dry_run) {
      console.err << "squallctl: " << operation.status().message()
                  << "; the resize may still take effect; see squallctl status\n";
      return ExitCode::kDeadline;
    }
    return Fail(operation.status(), console);
  }
  if (line.output == OutputFormat::kJson) {
    PrintJson(*operation, console);
    return ExitCode::kDone;
  }
  const int desired = operation->desired_workers();
  const std::string workers = absl::StrCat(desired, desired == 1 ? " worker" : " workers");
  switch (operation->state()) {
    case v1::OPERATION_STATE_VALIDATED:
      console.out << "a resize to " << workers << " would be accepted; nothing was changed\n";
      break;
    case v1::OPERATION_STATE_DONE:
      console.out << "resized to " << workers << ": " << Progress(operation->pool())
                  << " (generation " << operation->generation();
      if (wait) console.out << ", took " << FormatAge(absl::Now() - begin);
      console.out << ")\n";
      break;
    default:
      console.out << "resize to " << workers << " accepted: " << Progress(operation->pool())
                  << " (generation " << operation->generation() << ")\n";
      break;
  }
  return ExitCode::kDone;
}

ExitCode Version(ControlClient& client, const CommandLine& line, Console& console) {
  const absl::StatusOr<v1::GetServerInfoResponse> info = client.GetServerInfo();
  if (line.output == OutputFormat::kJson) {
    // Without a server, of which nothing is known, only squallctl's own part is there.
    console.out << "{\"squallctl\": \"" << kVersion << "\"";
    if (info.ok()) {
      std::string json;
      if (google::protobuf::util::MessageToJsonString(*info, &json).ok()) {
        console.out << ", \"server\": " << json;
      }
    }
    console.out << "}\n";
    return ExitCode::kDone;
  }
  console.out << "squallctl " << kVersion << '\n';
  if (info.ok()) {
    console.out << "server    " << info->version() << " (instance " << info->instance_id()
                << ", master pid " << info->master_pid() << ", control pid " << info->control_pid()
                << ")\n";
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
  const absl::Duration default_timeout =
      line->verb == Verb::kVersion ? kVersionTimeout : kCallTimeout;
  ControlClient client(Address(*line), {.timeout = line->timeout.value_or(default_timeout)});
  switch (line->verb) {
    case Verb::kStatus:
      if (line->watch) {
        const absl::Status status = WatchOnScreen(client, *line, console);
        return status.ok() ? ExitCode::kDone : Fail(status, console);
      }
      return Status(client, *line, console);
    case Verb::kWorkers:
      return Workers(client, *line, console);
    case Verb::kResize:
      return Resize(client, *line, console);
    case Verb::kVersion:
      return Version(client, *line, console);
    case Verb::kHelp:
      break;
  }
  return ExitCode::kError;
}

}  // namespace squall::internal
