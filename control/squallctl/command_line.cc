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

namespace squall::internal {
namespace {

constexpr unsigned Bit(Verb verb) { return 1u << static_cast<unsigned>(verb); }
constexpr unsigned kReads = Bit(Verb::kStatus) | Bit(Verb::kWorkers);
constexpr unsigned kCalls = kReads | Bit(Verb::kResize);
constexpr unsigned kEverywhere = ~0u;

constexpr std::pair<std::string_view, Verb> kVerbs[] = {
    {"status", Verb::kStatus},   {"resize", Verb::kResize}, {"workers", Verb::kWorkers},
    {"version", Verb::kVersion}, {"help", Verb::kHelp},
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
       if (value != "table" && value != "json") {
         return absl::InvalidArgumentError(
             absl::StrCat("--output takes table or json, not \"", ToAbsl(value), "\""));
       }
       line.output = value == "json" ? OutputFormat::kJson : OutputFormat::kTable;
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
    {"--wait", Bit(Verb::kResize), false,
     [](std::string_view, std::string_view, CommandLine& line) {
       line.wait = true;
       return absl::OkStatus();
     }},
    {"--dry-run", Bit(Verb::kResize), false,
     [](std::string_view, std::string_view, CommandLine& line) {
       line.dry_run = true;
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
  return absl::InvalidArgumentError(absl::StrCat(
      "there is no command \"", ToAbsl(word), "\"",
      hint.empty() ? "; the commands are status, resize, workers, version and help" : hint));
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
        "what to do? The commands are status, resize, workers, version and help");
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
      "  --output table|json   default table\n"
      "  --timeout TIME        how long to wait for an answer: 30s, 2m, 500ms; default 5s\n";
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
      "  squallctl resize N|+N|-N [--wait]     change the number of workers\n"
      "  squallctl workers                     each worker with all its counters\n"
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
