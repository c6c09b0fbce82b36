#include "squall/control/squallctl/flag.h"

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/base/string_view.h"
#include "squall/control/pool_to_proto.h"
#include "squall/control/squallctl/config_text.h"

namespace squall::internal {
namespace {

using control::v1::RestartPoolRequest;

constexpr unsigned Bit(Verb verb) { return 1u << static_cast<unsigned>(verb); }
constexpr unsigned kReads = Bit(Verb::kTop) | Bit(Verb::kStatus) | Bit(Verb::kWorkers) |
                            Bit(Verb::kConfig) | Bit(Verb::kExplain) | Bit(Verb::kOperations) |
                            Bit(Verb::kEvents);
// Begin an operation.
constexpr unsigned kBegins =
    Bit(Verb::kResize) | Bit(Verb::kRestart) | Bit(Verb::kDrain) | Bit(Verb::kKill);
constexpr unsigned kChanges = kBegins | Bit(Verb::kResetBreaker) | Bit(Verb::kUpdate) |
                              Bit(Verb::kCancel) | Bit(Verb::kShutdown);
constexpr unsigned kCalls = kReads | kChanges | Bit(Verb::kWait) | Bit(Verb::kVersion);

absl::Status ParseSeconds(std::string_view flag, std::string_view value, absl::Duration& out) {
  double seconds;
  if (absl::SimpleAtod(ToAbsl(value), &seconds)) {
    out = absl::Seconds(seconds);
  } else if (!absl::ParseDuration(ToAbsl(value), &out)) {
    out = absl::ZeroDuration();
  }
  // Written so that a NaN is refused too.
  if (!(out > absl::ZeroDuration()) || out > absl::Hours(24 * 365)) {
    return absl::InvalidArgumentError(
        absl::StrCat(ToAbsl(flag), " takes a time above zero such as 30s, 2m or 500ms, not \"",
                     ToAbsl(value), "\""));
  }
  return absl::OkStatus();
}

absl::Status SetAddress(std::string_view, std::string_view value, CommandLine& line) {
  if (value.empty()) return absl::InvalidArgumentError("--address is empty");
  line.address = std::string(value);
  return absl::OkStatus();
}

template <std::string CommandLine::*kText>
absl::Status SetText(std::string_view flag, std::string_view value, CommandLine& line) {
  if (value.empty()) return absl::InvalidArgumentError(absl::StrCat(ToAbsl(flag), " is empty"));
  line.*kText = std::string(value);
  return absl::OkStatus();
}

absl::Status SetOutput(std::string_view, std::string_view value, CommandLine& line) {
  if (value != "table" && value != "json" && value != "yaml") {
    return absl::InvalidArgumentError(
        absl::StrCat("--output takes table, json or yaml, not \"", ToAbsl(value), "\""));
  }
  line.output = value == "json"   ? OutputFormat::kJson
                : value == "yaml" ? OutputFormat::kYaml
                                  : OutputFormat::kTable;
  return absl::OkStatus();
}

absl::Status SetTimeout(std::string_view flag, std::string_view value, CommandLine& line) {
  return ParseSeconds(flag, value, line.timeout.emplace());
}

absl::Status SetInterval(std::string_view flag, std::string_view value, CommandLine& line) {
  absl::Status status = ParseSeconds(flag, value, line.interval);
  if (status.ok() && (line.interval < absl::Milliseconds(100) || line.interval > absl::Hours(1))) {
    return absl::InvalidArgumentError("--interval must lie between 100ms and 1h");
  }
  return status;
}

template <bool CommandLine::*kMember>
absl::Status SetTrue(std::string_view, std::string_view, CommandLine& line) {
  line.*kMember = true;
  return absl::OkStatus();
}

// There is no other kind of restart; for the hand that types it.
absl::Status SetRolling(std::string_view, std::string_view, CommandLine&) {
  return absl::OkStatus();
}

template <void (RestartPoolRequest::*kSet)(int32_t), int32_t kLeast = 0>
absl::Status SetCount(std::string_view flag, std::string_view value, CommandLine& line) {
  int32_t count = 0;
  if (!absl::SimpleAtoi(ToAbsl(value), &count) || count < kLeast) {
    return absl::InvalidArgumentError(absl::StrCat(ToAbsl(flag), " takes a number from ", kLeast,
                                                   " on, not \"", ToAbsl(value), "\""));
  }
  (line.restart.*kSet)(count);
  return absl::OkStatus();
}

template <google::protobuf::Duration* (RestartPoolRequest::*kMutable)()>
absl::Status SetTime(std::string_view flag, std::string_view value, CommandLine& line) {
  absl::Duration duration;
  absl::Status status = ParseSeconds(flag, value, duration);
  if (status.ok()) ToProto(duration, (line.restart.*kMutable)());
  return status;
}

absl::Status SetFrom(std::string_view flag, std::string_view value, CommandLine& line) {
  uint64_t version = 0;
  if (!absl::SimpleAtoi(ToAbsl(value), &version) || version == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        ToAbsl(flag), " takes the version of an event, from 1 on, not \"", ToAbsl(value), "\""));
  }
  line.from = version;
  return absl::OkStatus();
}

absl::Status SetOnFailure(std::string_view, std::string_view value, CommandLine& line) {
  if (value != "rollback" && value != "pause") {
    return absl::InvalidArgumentError(
        absl::StrCat("--on-failure takes rollback or pause, not \"", ToAbsl(value), "\""));
  }
  line.restart.set_on_failure(value == "pause" ? control::v1::ON_FAILURE_PAUSE
                                               : control::v1::ON_FAILURE_ROLL_BACK);
  return absl::OkStatus();
}

absl::Status SetAutoscaler(std::string_view flag, std::string_view value, CommandLine& line) {
  if (value != "off" && value != "spare" && value != "backlog" && value != "cpu") {
    return absl::InvalidArgumentError(absl::StrCat(
        ToAbsl(flag), " takes off, spare, backlog or cpu, not \"", ToAbsl(value), "\""));
  }
  return SetConfigField("autoscaler.mode", value == "off" ? "static" : value, line.update);
}

enum class ConfigField { kGrace, kKillAfter, kBootTimeout, kMinWorkers, kMaxWorkers };

constexpr std::string_view PathOf(ConfigField field) {
  switch (field) {
    case ConfigField::kGrace:
      return "drain.grace";
    case ConfigField::kKillAfter:
      return "drain.kill_after";
    case ConfigField::kBootTimeout:
      return "boot_timeout";
    case ConfigField::kMinWorkers:
      return "autoscaler.min_workers";
    case ConfigField::kMaxWorkers:
      return "autoscaler.max_workers";
  }
  return "";
}

template <ConfigField kField>
absl::Status SetConfig(std::string_view, std::string_view value, CommandLine& line) {
  return SetConfigField(PathOf(kField), value, line.update);
}

absl::Status SetAnyConfig(std::string_view flag, std::string_view value, CommandLine& line) {
  const size_t equals = value.find('=');
  if (equals == std::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(ToAbsl(flag), " takes a field and its value such as drain.grace=10s, not \"",
                     ToAbsl(value), "\""));
  }
  return SetConfigField(value.substr(0, equals), value.substr(equals + 1), line.update);
}

}  // namespace

bool Flag::IsCommon() const { return (verbs & kCalls) == kCalls; }

const std::vector<Flag>& Flags() {
  using Request = RestartPoolRequest;
  constexpr unsigned kRestart = Bit(Verb::kRestart);
  constexpr unsigned kUpdate = Bit(Verb::kUpdate);
  static const auto* const kFlags = new std::vector<Flag>{
      {"--watch", Bit(Verb::kStatus), "", "", "keep showing; until ^C",
       &SetTrue<&CommandLine::watch>},
      {"--interval", Bit(Verb::kStatus) | Bit(Verb::kTop), "TIME", "",
       "how often counters are renewed; 1s if not given", &SetInterval},
      {"--follow", Bit(Verb::kEvents), "", "",
       "go on with what happens; until ^C. Begins with the last 10 if not told by --from",
       &SetTrue<&CommandLine::follow>},
      {"--from", Bit(Verb::kEvents), "VERSION", "", "begin with this event; else the oldest",
       &SetFrom},
      {"--wait", kBegins, "", "",
       "return when it is done; --timeout is then for the waiting, 2m if not given. ^C and a "
       "timeout end the waiting, the operation goes on",
       &SetTrue<&CommandLine::wait>},
      {"--rolling", kRestart, "", "", "a few at a time; there is no other kind of restart",
       &SetRolling},
      {"--max-surge", kRestart, "N", "", "processes beyond the target that may live at a time",
       &SetCount<&Request::set_max_surge>},
      {"--max-unavailable", kRestart, "N", "", "workers taken out before their successor is there",
       &SetCount<&Request::set_max_unavailable>},
      {"--min-healthy", kRestart, "N", "", "at least so many stay ready",
       &SetCount<&Request::set_min_healthy>},
      {"--ready-timeout", kRestart, "TIME", "", "for a new worker to become ready",
       &SetTime<&Request::mutable_ready_timeout>},
      {"--soak", kRestart, "TIME", "", "how long it must stay ready before the old one goes",
       &SetTime<&Request::mutable_soak>},
      {"--max-failures", kRestart, "N", "", "the how-manieth loss of a new worker ends the restart",
       &SetCount<&Request::set_max_failures, 1>},
      {"--on-failure", kRestart, "WHAT", "rollback pause",
       "rollback or pause when it fails; rollback: the old workers come back, pause: all stay as "
       "they are",
       &SetOnFailure},
      {"--autoscaler", kUpdate, "MODE", "off spare backlog cpu",
       "who decides on the number of workers; off: operators, spare: idle workers, backlog: "
       "waiting "
       "connections, cpu: processor time",
       &SetAutoscaler},
      {"--min-workers", kUpdate, "N", "", "the fewest that the autoscaler leaves",
       &SetConfig<ConfigField::kMinWorkers>},
      {"--max-workers", kUpdate, "N", "", "the most that the autoscaler starts",
       &SetConfig<ConfigField::kMaxWorkers>},
      {"--grace", kUpdate, "TIME", "", "for a worker that has to stop, until SIGTERM",
       &SetConfig<ConfigField::kGrace>},
      {"--kill-after", kUpdate, "TIME", "", "from SIGTERM until SIGKILL",
       &SetConfig<ConfigField::kKillAfter>},
      {"--boot-timeout", kUpdate, "TIME", "", "for a new worker to become ready",
       &SetConfig<ConfigField::kBootTimeout>},
      {"--set", kUpdate, "FIELD=VALUE", "",
       "any field, by the name that config shows; \"unset\" is no value. May be repeated",
       &SetAnyConfig},
      {"--fast", Bit(Verb::kShutdown), "", "", "SIGTERM to the workers at once",
       &SetTrue<&CommandLine::fast>},
      {"--dry-run", kChanges & ~Bit(Verb::kCancel), "", "", "say what would happen, change nothing",
       &SetTrue<&CommandLine::dry_run>},
      {"--address", ~0u, "ADDRESS", "",
       "where the server listens, unix:/PATH or tls:HOST:PORT; else SQUALL_CONTROL, else "
       "unix:$XDG_RUNTIME_DIR/squall/control.sock, /run/squall/control.sock for root, "
       "/tmp/squall-UID/control.sock",
       &SetAddress},
      {"--tls-ca", ~0u, "FILE", "",
       "with tls: the roots that may sign the server, PEM; else SQUALL_TLS_CA",
       &SetText<&CommandLine::tls_ca>},
      {"--tls-cert", ~0u, "FILE", "", "the certificate to show, PEM; else SQUALL_TLS_CERT",
       &SetText<&CommandLine::tls_cert>},
      {"--tls-key", ~0u, "FILE", "", "its private key, PEM; else SQUALL_TLS_KEY",
       &SetText<&CommandLine::tls_key>},
      {"--server-user", ~0u, "USER", "",
       "trust a server of this user, too, beside root's and one's own",
       &SetText<&CommandLine::server_user>},
      {"--output", kCalls, "FORMAT", "table json yaml",
       "print as table, json or yaml; table if not given", &SetOutput},
      {"--timeout", kCalls, "TIME", "",
       "how long to wait for an answer; 30s, 2m, 500ms; 5s if not given", &SetTimeout},
  };
  return *kFlags;
}

}  // namespace squall::internal
