// What the operator typed, understood: squallctl's commands and flags without any gRPC.
//
//   absl::StatusOr<CommandLine> line = ParseCommandLine({"resize", "-2", "--wait"});
//   // line->verb == Verb::kResize, line->target.relative, line->target.value == -2
#ifndef SQUALL_CONTROL_SQUALLCTL_COMMAND_LINE_H_
#define SQUALL_CONTROL_SQUALLCTL_COMMAND_LINE_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "squall/control/squallctl/verb.h"
#include "squall/control/v1/control.pb.h"

namespace squall::internal {

enum class OutputFormat { kTable, kJson, kYaml };

enum class Shell { kBash, kZsh, kFish };

struct ResizeTarget {
  bool relative = false;  // "+2", "-2"
  int value = 0;
};

struct CommandLine {
  Verb verb = Verb::kHelp;
  std::string address;  // empty: SQUALL_CONTROL, else the default
  std::string tls_ca;   // files; empty: SQUALL_TLS_CA and so on
  std::string tls_cert;
  std::string tls_key;
  std::string server_user;  // whose server is trusted beside root's and the own one
  OutputFormat output = OutputFormat::kTable;
  ResizeTarget target;
  std::optional<int> slot;  // drain, kill, reset-breaker
  std::string operation;    // wait, cancel: its name
  control::v1::RestartPoolRequest restart;
  control::v1::UpdatePoolRequest update;
  bool fast = false;             // shutdown
  bool follow = false;           // events
  std::optional<uint64_t> from;  // events: the first one
  bool watch = false;
  bool wait = false;
  bool dry_run = false;
  std::optional<absl::Duration> timeout;
  absl::Duration interval = absl::Seconds(1);
  std::optional<Verb> help_on;
  Shell shell = Shell::kBash;  // completion
};

// Takes argv without the program's name. Flags may stand before and after the verb, as
// "--flag value" or "--flag=value"; a sign and digits are a number, not a flag.
// Errors: InvalidArgument with one sentence for the operator.
absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string_view>& args);

// How long a call of the server may take, and how long its effect is waited for.
absl::Duration CallTimeout(const CommandLine& line);
absl::Duration WaitTimeout(const CommandLine& line);

// squallctl's exit statuses, part of its interface.
enum class ExitCode {
  kDone = 0,
  kError = 1,
  kUsage = 2,
  kUnreachable = 3,
  kDeadline = 4,
  kPrecondition = 5,
};

ExitCode ExitCodeFor(const absl::Status& status);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_COMMAND_LINE_H_
