#include "squall/control/squallctl/command_line.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/base/string_view.h"
#include "squall/control/squallctl/flag.h"

namespace squall::internal {
namespace {

constexpr char kOperations[] = "operations/";
constexpr absl::Duration kCallTimeout = absl::Seconds(5);
// Whether there is a server is a part of the answer, so nobody should wait long for it.
constexpr absl::Duration kVersionTimeout = absl::Seconds(1);
constexpr absl::Duration kWaitTimeout = absl::Minutes(2);

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

// "; did you mean …?" when something known is close enough to be a slip of the finger.
template <typename Candidate>
std::string Suggest(std::string_view typed, const std::vector<Candidate>& candidates) {
  std::string_view best;
  size_t best_distance = 3;
  for (const Candidate& candidate : candidates) {
    const size_t distance = EditDistance(typed.substr(0, 32), candidate.name);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate.name;
    }
  }
  return best.empty() ? std::string() : absl::StrCat("; did you mean ", ToAbsl(best), "?");
}

absl::StatusOr<Verb> ParseVerb(std::string_view word) {
  const VerbSpec* const spec = FindVerb(word);
  if (spec != nullptr) return spec->verb;
  const std::string hint = Suggest(word, Verbs());
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

absl::Status ParseSlot(std::string_view command, std::string_view word, CommandLine& line) {
  int slot = 0;
  if (!absl::SimpleAtoi(ToAbsl(word), &slot) || slot < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        ToAbsl(command), " takes the slot of a worker such as 3, not \"", ToAbsl(word), "\""));
  }
  line.slot = slot;
  return absl::OkStatus();
}

absl::Status ParseArgument(const VerbSpec& spec, std::string_view word, CommandLine& line) {
  switch (spec.argument) {
    case Argument::kNone:
      break;
    case Argument::kTarget: {
      const absl::StatusOr<ResizeTarget> target = ParseTarget(word);
      if (!target.ok()) return target.status();
      line.target = *target;
      break;
    }
    case Argument::kSlot:
    case Argument::kOptionalSlot:
      return ParseSlot(spec.name, word, line);
    case Argument::kOperation:
      line.operation = absl::StrCat(absl::StartsWith(ToAbsl(word), kOperations) ? "" : kOperations,
                                    ToAbsl(word));
      break;
    case Argument::kShell:
      if (word != "bash" && word != "zsh" && word != "fish") {
        return absl::InvalidArgumentError(
            absl::StrCat("completion takes bash, zsh or fish, not \"", ToAbsl(word), "\""));
      }
      line.shell = word == "bash" ? Shell::kBash : word == "zsh" ? Shell::kZsh : Shell::kFish;
      break;
    case Argument::kOptionalVerb: {
      const absl::StatusOr<Verb> topic = ParseVerb(word);
      if (!topic.ok()) return topic.status();
      line.help_on = *topic;
      break;
    }
  }
  return absl::OkStatus();
}

absl::Status MissingArgument(const VerbSpec& spec) {
  switch (spec.argument) {
    case Argument::kTarget:
      return absl::InvalidArgumentError("resize needs the number of workers: resize 8, resize +2");
    case Argument::kSlot:
      return absl::InvalidArgumentError(
          absl::StrCat(ToAbsl(spec.name), " needs the slot of a worker, as status shows it"));
    case Argument::kOperation:
      return absl::InvalidArgumentError(absl::StrCat(
          ToAbsl(spec.name), " needs the name of an operation; squallctl operations shows them"));
    case Argument::kShell:
      return absl::InvalidArgumentError("completion needs the shell: bash, zsh or fish");
    case Argument::kNone:
    case Argument::kOptionalSlot:
    case Argument::kOptionalVerb:
      break;
  }
  return absl::OkStatus();
}

absl::Status ApplyPositionals(const std::vector<std::string_view>& words, CommandLine& line) {
  if (words.empty()) {
    return absl::InvalidArgumentError(
        "what to do? squallctl status shows the pool, squallctl help all commands");
  }
  const absl::StatusOr<Verb> verb = ParseVerb(words[0]);
  if (!verb.ok()) return verb.status();
  line.verb = *verb;
  const VerbSpec& spec = SpecOf(line.verb);
  if (words.size() < 2) return MissingArgument(spec);
  const size_t most = spec.argument == Argument::kNone ? 1 : 2;
  if (words.size() > most) {
    return absl::InvalidArgumentError(absl::StrCat(
        ToAbsl(spec.name), " does not know what to do with \"", ToAbsl(words[most]), "\""));
  }
  return ParseArgument(spec, words[1], line);
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
    const auto flag = std::find_if(Flags().begin(), Flags().end(), [name](const Flag& candidate) {
      return candidate.name == name;
    });
    if (flag == Flags().end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("there is no flag \"", ToAbsl(name), "\"", Suggest(name, Flags())));
    }
    std::string_view value;
    if (!flag->value.empty()) {
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
    used.push_back(&*flag);
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
    if (!flag->TakenBy(line.verb)) {
      return absl::InvalidArgumentError(
          absl::StrCat(ToAbsl(VerbName(line.verb)), " does not take ", ToAbsl(flag->name)));
    }
  }
  return line;
}

absl::Duration CallTimeout(const CommandLine& line) {
  // With --wait, and for `wait`, --timeout is for the waiting; what begins it is as quick as any call.
  if (line.wait || line.verb == Verb::kWait) return kCallTimeout;
  return line.timeout.value_or(line.verb == Verb::kVersion ? kVersionTimeout : kCallTimeout);
}

absl::Duration WaitTimeout(const CommandLine& line) { return line.timeout.value_or(kWaitTimeout); }

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
