#include "squall/control/squallctl/command_line.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/base/string_view.h"
#include "squall/control/pool_to_proto.h"

namespace squall::internal {
namespace {

constexpr std::string_view kOperations = "operations/";

constexpr unsigned Bit(Verb verb) { return 1u << static_cast<unsigned>(verb); }
constexpr unsigned kReads =
    Bit(Verb::kStatus) | Bit(Verb::kWorkers) | Bit(Verb::kExplain) | Bit(Verb::kOperations);
// Begin an operation.
constexpr unsigned kBegins =
    Bit(Verb::kResize) | Bit(Verb::kRestart) | Bit(Verb::kDrain) | Bit(Verb::kKill);
constexpr unsigned kChanges =
    kBegins | Bit(Verb::kResetBreaker) | Bit(Verb::kCancel) | Bit(Verb::kShutdown);
constexpr unsigned kCalls = kReads | kChanges | Bit(Verb::kWait);
constexpr unsigned kEverywhere = ~0u;

constexpr std::pair<std::string_view, Verb> kVerbs[] = {
    {"status", Verb::kStatus},
    {"explain", Verb::kExplain},
    {"workers", Verb::kWorkers},
    {"resize", Verb::kResize},
    {"restart", Verb::kRestart},
    {"drain", Verb::kDrain},
    {"kill", Verb::kKill},
    {"reset-breaker", Verb::kResetBreaker},
    {"operations", Verb::kOperations},
    {"wait", Verb::kWait},
    {"cancel", Verb::kCancel},
    {"shutdown", Verb::kShutdown},
    {"version", Verb::kVersion},
    {"help", Verb::kHelp},
};

absl::Status Assign(std::string_view, std::string_view value, std::string& out) {
  out = std::string(value);
  return absl::OkStatus();
}

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

absl::Status ParseCount(std::string_view flag, std::string_view value, int32_t least,
                        int32_t& out) {
  if (!absl::SimpleAtoi(ToAbsl(value), &out) || out < least) {
    return absl::InvalidArgumentError(absl::StrCat(ToAbsl(flag), " takes a number from ", least,
                                                   " on, not \"", ToAbsl(value), "\""));
  }
  return absl::OkStatus();
}

absl::Status ParseTime(std::string_view flag, std::string_view value,
                       google::protobuf::Duration& out) {
  absl::Duration duration;
  const absl::Status status = ParseSeconds(flag, value, duration);
  if (status.ok()) ToProto(duration, &out);
  return status;
}

struct Flag {
  std::string_view name;
  unsigned verbs;
  bool takes_value;
  absl::Status (*set)(std::string_view flag, std::string_view value, CommandLine& line);
};

constexpr Flag kFlags[] = {
    {"--address", kEverywhere, true,
     [](std::string_view flag, std::string_view value, CommandLine& line) {
       if (value.empty()) return absl::InvalidArgumentError("--address is empty");
       return Assign(flag, value, line.address);
     }},
    {"--output", kCalls | Bit(Verb::kVersion), true,
     [](std::string_view, std::string_view value, CommandLine& line) {
       if (value != "table" && value != "json" && value != "yaml") {
         return absl::InvalidArgumentError(
             absl::StrCat("--output takes table, json or yaml, not \"", ToAbsl(value), "\""));
       }
       line.output = value == "json"   ? OutputFormat::kJson
                     : value == "yaml" ? OutputFormat::kYaml
                                       : OutputFormat::kTable;
       return absl::OkStatus();
     }},
    {"--timeout", kCalls | Bit(Verb::kVersion), true,
     [](std::string_view flag, std::string_view value, CommandLine& line) {
       return ParseSeconds(flag, value, line.timeout.emplace());
     }},
    {"--interval", Bit(Verb::kStatus), true,
     [](std::string_view flag, std::string_view value, CommandLine& line) {
       absl::Status status = ParseSeconds(flag, value, line.interval);
       if (status.ok() &&
           (line.interval < absl::Milliseconds(100) || line.interval > absl::Hours(1))) {
         return absl::InvalidArgumentError("--interval must lie between 100ms and 1h");
       }
       return status;
     }},
    {"--watch", Bit(Verb::kStatus), false,
     [](std::string_view, std::string_view, CommandLine& line) {
       line.watch = true;
       return absl::OkStatus();
     }},
    {"--wait", kBegins, false,
     [](std::string_view, std::string_view, CommandLine& line) {
       line.wait = true;
       return absl::OkStatus();
     }},
    {"--dry-run", kChanges & ~Bit(Verb::kCancel), false,
     [](std::string_view, std::string_view, CommandLine& line) {
       line.dry_run = true;
       return absl::OkStatus();
     }},
    // There is no other kind; for the hand that types it.
    {"--rolling", Bit(Verb::kRestart), false,
     [](std::string_view, std::string_view, CommandLine&) { return absl::OkStatus(); }},
    {"--max-surge", Bit(Verb::kRestart), true,
     [](std::string_view flag, std::string_view value, CommandLine& line) {
       int32_t count = 0;
       const absl::Status status = ParseCount(flag, value, 0, count);
       line.restart.set_max_surge(count);
       return status;
     }},
    {"--max-unavailable", Bit(Verb::kRestart), true,
     [](std::string_view flag, std::string_view value, CommandLine& line) {
       int32_t count = 0;
       const absl::Status status = ParseCount(flag, value, 0, count);
       line.restart.set_max_unavailable(count);
       return status;
     }},
    {"--min-healthy", Bit(Verb::kRestart), true,
     [](std::string_view flag, std::string_view value, CommandLine& line) {
       int32_t count = 0;
       const absl::Status status = ParseCount(flag, value, 0, count);
       line.restart.set_min_healthy(count);
       return status;
     }},
    {"--max-failures", Bit(Verb::kRestart), true,
     [](std::string_view flag, std::string_view value, CommandLine& line) {
       int32_t count = 0;
       const absl::Status status = ParseCount(flag, value, 1, count);
       line.restart.set_max_failures(count);
       return status;
     }},
    {"--ready-timeout", Bit(Verb::kRestart), true,
     [](std::string_view flag, std::string_view value, CommandLine& line) {
       return ParseTime(flag, value, *line.restart.mutable_ready_timeout());
     }},
    {"--soak", Bit(Verb::kRestart), true,
     [](std::string_view flag, std::string_view value, CommandLine& line) {
       return ParseTime(flag, value, *line.restart.mutable_soak());
     }},
    {"--on-failure", Bit(Verb::kRestart), true,
     [](std::string_view, std::string_view value, CommandLine& line) {
       if (value != "rollback" && value != "pause") {
         return absl::InvalidArgumentError(
             absl::StrCat("--on-failure takes rollback or pause, not \"", ToAbsl(value), "\""));
       }
       line.restart.set_on_failure(value == "pause" ? control::v1::ON_FAILURE_PAUSE
                                                    : control::v1::ON_FAILURE_ROLL_BACK);
       return absl::OkStatus();
     }},
    {"--fast", Bit(Verb::kShutdown), false,
     [](std::string_view, std::string_view, CommandLine& line) {
       line.fast = true;
       return absl::OkStatus();
     }},
};

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::string_view VerbName(Verb verb) {
  for (const auto& [name, candidate] : kVerbs) {
    if (candidate == verb) return name;
  }
  return "";
}

// "; did you mean …?" when something known is close enough to be a slip of the finger.
template <typename Candidates, typename Name>
std::string Suggest(std::string_view typed, const Candidates& candidates, Name name) {
  std::string_view best;
  size_t best_distance = 3;
  for (const auto& candidate : candidates) {
    const size_t distance = EditDistance(typed.substr(0, 32), name(candidate));
    if (distance < best_distance) {
      best_distance = distance;
      best = name(candidate);
    }
  }
  return best.empty() ? std::string() : absl::StrCat("; did you mean ", ToAbsl(best), "?");
}

absl::StatusOr<Verb> ParseVerb(std::string_view word) {
  for (const auto& [name, verb] : kVerbs) {
    if (name == word) return verb;
  }
  const std::string hint = Suggest(word, kVerbs, [](const auto& entry) { return entry.first; });
  return absl::InvalidArgumentError(
      absl::StrCat("there is no command \"", ToAbsl(word), "\"",
                   hint.empty() ? "; squallctl help has them all" : hint));
}

bool LooksLikeNumber(std::string_view arg) {
  return arg.size() > 1 && (arg[0] == '-' || arg[0] == '+') && absl::ascii_isdigit(arg[1]);
}

absl::StatusOr<ResizeTarget> ParseTarget(std::string_view word) {
  ResizeTarget target;
  target.relative = !word.empty() && (word[0] == '+' || word[0] == '-');
  const std::string_view digits = word.substr(target.relative ? 1 : 0);
  const bool all_digits =
      !digits.empty() && std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit);
  if (!all_digits || !absl::SimpleAtoi(ToAbsl(digits), &target.value)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "resize takes a number of workers such as 8, +2 or -2, not \"", ToAbsl(word), "\""));
  }
  if (word[0] == '-') target.value = -target.value;
  return target;
}

absl::Status ApplyPositionals(const std::vector<std::string_view>& words, CommandLine& line) {
  if (words.empty()) {
    return absl::InvalidArgumentError(
        "what to do? squallctl status shows the pool, squallctl help all commands");
  }
  absl::StatusOr<Verb> verb = ParseVerb(words[0]);
  if (!verb.ok()) return verb.status();
  line.verb = *verb;
  size_t taken = 1;
  if (line.verb == Verb::kResize) {
    if (words.size() < 2) {
      return absl::InvalidArgumentError("resize needs the number of workers: resize 8, resize +2");
    }
    absl::StatusOr<ResizeTarget> target = ParseTarget(words[1]);
    if (!target.ok()) return target.status();
    line.target = *target;
    taken = 2;
  } else if (line.verb == Verb::kDrain || line.verb == Verb::kKill ||
             (line.verb == Verb::kResetBreaker && words.size() > 1)) {
    int slot = 0;
    if (words.size() < 2) {
      return absl::InvalidArgumentError(
          absl::StrCat(ToAbsl(words[0]), " needs the slot of a worker, as status shows it"));
    }
    if (!absl::SimpleAtoi(ToAbsl(words[1]), &slot) || slot < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(ToAbsl(words[0]), " takes the slot of a worker such as 3, not \"",
                       ToAbsl(words[1]), "\""));
    }
    line.slot = slot;
    taken = 2;
  } else if (line.verb == Verb::kWait || line.verb == Verb::kCancel) {
    if (words.size() < 2) {
      return absl::InvalidArgumentError(absl::StrCat(
          ToAbsl(words[0]), " needs the name of an operation; squallctl operations shows them"));
    }
    line.operation = std::string(words[1]);
    if (words[1].substr(0, kOperations.size()) != kOperations) {
      line.operation = absl::StrCat(ToAbsl(kOperations), ToAbsl(words[1]));
    }
    taken = 2;
  } else if (line.verb == Verb::kHelp && words.size() > 1) {
    absl::StatusOr<Verb> topic = ParseVerb(words[1]);
    if (!topic.ok()) return topic.status();
    line.help_on = *topic;
    taken = 2;
  }
  if (words.size() > taken) {
    return absl::InvalidArgumentError(absl::StrCat(ToAbsl(VerbName(line.verb)),
                                                   " does not know what to do with \"",
                                                   ToAbsl(words[taken]), "\""));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string_view>& args) {
  CommandLine line;
  std::vector<std::string_view> words;
  std::vector<const Flag*> used;
  bool help = false;
  bool version = false;
  bool flags_over = false;
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string_view arg = args[i];
    if (flags_over || arg.empty() || arg[0] != '-' || arg == "-" || LooksLikeNumber(arg)) {
      words.push_back(arg);
      continue;
    }
    if (arg == "--") {
      flags_over = true;
      continue;
    }
    if (arg == "--help" || arg == "-h") {
      help = true;
      continue;
    }
    if (arg == "--version") {
      version = true;
      continue;
    }
    const size_t equals = arg.find('=');
    const std::string_view name = arg.substr(0, equals);
    const Flag* const flag =
        std::find_if(std::begin(kFlags), std::end(kFlags),
                     [name](const Flag& candidate) { return candidate.name == name; });
    if (flag == std::end(kFlags)) {
      return absl::InvalidArgumentError(
          absl::StrCat("there is no flag \"", ToAbsl(name), "\"",
                       Suggest(name, kFlags, [](const Flag& known) { return known.name; })));
    }
    std::string_view value;
    if (flag->takes_value) {
      if (equals != std::string_view::npos) {
        value = arg.substr(equals + 1);
      } else if (i + 1 < args.size()) {
        value = args[++i];
      } else {
        return absl::InvalidArgumentError(absl::StrCat(ToAbsl(name), " needs a value"));
      }
    } else if (equals != std::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrCat(ToAbsl(name), " takes no value"));
    }
    absl::Status status = flag->set(name, value, line);
    if (!status.ok()) return status;
    used.push_back(flag);
  }
  if (version) {
    line.verb = Verb::kVersion;
    return line;
  }
  if (help) {
    line.verb = Verb::kHelp;
    if (!words.empty()) {
      absl::StatusOr<Verb> topic = ParseVerb(words[0]);
      if (topic.ok() && *topic != Verb::kHelp) line.help_on = *topic;
    }
    return line;
  }
  absl::Status status = ApplyPositionals(words, line);
  if (!status.ok()) return status;
  for (const Flag* flag : used) {
    if ((flag->verbs & Bit(line.verb)) == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(ToAbsl(VerbName(line.verb)), " does not take ", ToAbsl(flag->name)));
    }
  }
  return line;
}

std::string HelpText(std::optional<Verb> verb) {
  constexpr char kCommonFlags[] =
      "  --address ADDRESS     where the server listens, unix:/PATH; else SQUALL_CONTROL, else\n"
      "                        unix:$XDG_RUNTIME_DIR/squall/control.sock, /run/squall/… for root,\n"
      "                        /tmp/squall-UID/…\n"
      "  --output FORMAT       table (default), json or yaml\n"
      "  --timeout TIME        how long to wait for an answer: 30s, 2m, 500ms; default 5s\n";
  constexpr char kWaitFlag[] =
      "  --wait                until it is done; --timeout is then 2m if not given. ^C and a\n"
      "                        timeout end the waiting, the operation goes on\n";
  switch (verb.value_or(Verb::kHelp)) {
    case Verb::kStatus:
      return absl::StrCat(
          "squallctl status [--watch] [--interval TIME]\n\n"
          "Shows the pool and each of its workers.\n\n"
          "  --watch               keep showing, until ^C\n"
          "  --interval TIME       with --watch: how often counters change; default 1s\n",
          kCommonFlags);
    case Verb::kResize:
      return absl::StrCat(
          "squallctl resize N|+N|-N [--wait] [--dry-run]\n\n"
          "Sets the number of workers. +N and -N are counted from the number that is wanted now,\n"
          "and hold only if nobody changed it in between.\n\n"
          "  --wait                until N workers are ready and those that had to go have "
          "drained;\n"
          "                        --timeout is then 2m if not given. ^C and a timeout end the\n"
          "                        waiting, the resize goes on\n"
          "  --dry-run             say what would happen, change nothing\n",
          kCommonFlags);
    case Verb::kExplain:
      return absl::StrCat(
          "squallctl explain\n\n"
          "Says why the pool is not as it is wanted, and what to do about it.\n\n",
          kCommonFlags);
    case Verb::kRestart:
      return absl::StrCat(
          "squallctl restart [--wait] [--dry-run] [options]\n\n"
          "Replaces every worker by a new one, a few at a time, and only while the new ones prove\n"
          "to be healthy. The server reads its configuration again first. What is not given is as\n"
          "the server is configured.\n\n",
          kWaitFlag,
          "  --max-surge N         processes beyond the target that may live at a time\n"
          "  --max-unavailable N   workers taken out before their successor is there\n"
          "  --min-healthy N       at least so many stay ready\n"
          "  --ready-timeout TIME  for a new worker to become ready\n"
          "  --soak TIME           how long it must stay so before the old one goes\n"
          "  --max-failures N      the how-manieth loss of a new worker ends the restart\n"
          "  --on-failure WHAT     rollback: the old ones come back; pause: all stay as they are\n"
          "  --dry-run             say what would happen, change nothing\n",
          kCommonFlags);
    case Verb::kDrain:
      return absl::StrCat(
          "squallctl drain SLOT [--wait] [--dry-run]\n\n"
          "Puts a new worker into the slot and has the old one finish what it has.\n\n",
          kWaitFlag, "  --dry-run             say what would happen, change nothing\n",
          kCommonFlags);
    case Verb::kKill:
      return absl::StrCat(
          "squallctl kill SLOT [--wait] [--dry-run]\n\n"
          "Ends the worker by SIGKILL, for one that hangs; what it is at is lost. The slot starts "
          "a\n"
          "new one.\n\n",
          kWaitFlag, "  --dry-run             say what would happen, change nothing\n",
          kCommonFlags);
    case Verb::kResetBreaker:
      return absl::StrCat(
          "squallctl reset-breaker [SLOT] [--dry-run]\n\n"
          "Starts workers that died too often, or wait to be started again, at once. Without SLOT\n"
          "all of them.\n\n"
          "  --dry-run             say what would happen, change nothing\n",
          kCommonFlags);
    case Verb::kOperations:
      return absl::StrCat(
          "squallctl operations\n\n"
          "Shows what was asked for and what became of it, the newest first.\n\n",
          kCommonFlags);
    case Verb::kWait:
      return absl::StrCat(
          "squallctl wait OPERATION\n\n"
          "Waits for the end of an operation. --timeout is 2m if not given.\n\n",
          kCommonFlags);
    case Verb::kCancel:
      return absl::StrCat(
          "squallctl cancel OPERATION\n\n"
          "Takes an operation back: a resize goes to the number before it, a restart is rolled\n"
          "back or pauses as it was asked to, a drain that waits for its turn is forgotten.\n\n",
          kCommonFlags);
    case Verb::kShutdown:
      return absl::StrCat(
          "squallctl shutdown [--fast] [--dry-run]\n\n"
          "Ends the server. Every worker drains first.\n\n"
          "  --fast                SIGTERM to the workers at once\n"
          "  --dry-run             say what would happen, change nothing\n",
          kCommonFlags);
    case Verb::kWorkers:
      return absl::StrCat(
          "squallctl workers\n\n"
          "Shows each worker with all its counters.\n\n",
          kCommonFlags);
    case Verb::kVersion:
      return "squallctl version\n\nShows the release of squallctl, and of the server if one "
             "answers.\n";
    case Verb::kHelp:
      break;
  }
  return absl::StrCat(
      "squallctl: look after a squall server while it serves.\n\n"
      "  squallctl status [--watch]            the pool and its workers\n"
      "  squallctl explain                     why it is not as it is wanted\n"
      "  squallctl workers                     each worker with all its counters\n"
      "  squallctl resize N|+N|-N [--wait]     change the number of workers\n"
      "  squallctl restart [--wait]            replace all workers, a few at a time\n"
      "  squallctl drain SLOT [--wait]         replace one worker\n"
      "  squallctl kill SLOT [--wait]          replace one worker that hangs\n"
      "  squallctl reset-breaker [SLOT]        start workers that died too often\n"
      "  squallctl operations                  what was asked for, and what became of it\n"
      "  squallctl wait OPERATION\n"
      "  squallctl cancel OPERATION\n"
      "  squallctl shutdown [--fast]           end the server\n"
      "  squallctl version\n"
      "  squallctl help [COMMAND]\n\n",
      kCommonFlags,
      "\nExit status: 0 done, 1 other error, 2 wrong usage, 3 no server reachable, 4 out of time,\n"
      "5 refused as things stand (above the maximum, shutting down, changed meanwhile).\n");
}

ExitCode ExitCodeFor(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ExitCode::kDone;
    case absl::StatusCode::kInvalidArgument:
      return ExitCode::kUsage;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kPermissionDenied:  // Somebody else's server.
      return ExitCode::kUnreachable;
    case absl::StatusCode::kDeadlineExceeded:
      return ExitCode::kDeadline;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
      return ExitCode::kPrecondition;
    default:
      return ExitCode::kError;
  }
}

}  // namespace squall::internal
