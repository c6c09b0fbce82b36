#include "squall/control/squallctl/help_text.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "squall/base/string_view.h"
#include "squall/control/squallctl/flag.h"

namespace squall::internal {
namespace {

constexpr size_t kColumns = 80;
constexpr size_t kFlagColumn = 24;
constexpr size_t kBriefColumn = 38;
// With more flags of its own than that, the line of usage says [FLAGS].
constexpr int kNamedFlags = 2;

std::string_view Description(Verb verb) {
  switch (verb) {
    case Verb::kStatus:
      return "Shows the pool and each of its workers.";
    case Verb::kExplain:
      return "Says why the pool is not as it is wanted, and what to do about it.";
    case Verb::kWorkers:
      return "Shows each worker with all its counters.";
    case Verb::kTop:
      return "Shows the pool and its workers on the whole terminal, the busiest first. Keys: s "
             "sorts by requests/s, CPU, memory, connections or slot, q quits. CPU and memory are "
             "known "
             "where squallctl runs beside the server.";
    case Verb::kConfig:
      return "Shows the configuration as it is now: what update can change, and what is fixed at "
             "the "
             "start of the server.";
    case Verb::kUpdate:
      return "Changes the configuration while the pool serves, all that is given or nothing. What "
             "has begun keeps the times it began with. It holds until the server ends.";
    case Verb::kResize:
      return "Sets the number of workers. +N and -N are counted from the number that is wanted "
             "now, "
             "and hold only if nobody changed it in between. It is done when so many workers are "
             "ready, and those that had to go have drained.";
    case Verb::kRestart:
      return "Replaces every worker by a new one, a few at a time, and only while the new ones "
             "prove "
             "to be healthy. The server reads its configuration again first. What is not given is "
             "as the server is configured.";
    case Verb::kDrain:
      return "Puts a new worker into the slot and has the old one finish what it has.";
    case Verb::kKill:
      return "Ends the worker by SIGKILL, for one that hangs; what it is at is lost. The slot "
             "starts "
             "a new one.";
    case Verb::kResetBreaker:
      return "Starts workers that died too often, or wait to be started again, at once. Without "
             "SLOT "
             "all of them.";
    case Verb::kOperations:
      return "Shows what was asked for and what became of it, the newest first.";
    case Verb::kEvents:
      return "Shows what happened in the pool, the oldest first: the lives of its workers, what "
             "was "
             "asked for and by whom, what was refused. The server keeps the last 1 MiB of it.";
    case Verb::kWait:
      return "Waits for the end of an operation; --timeout is for the waiting, 2m if not given.";
    case Verb::kCancel:
      return "Takes an operation back: a resize goes to the number before it, a restart is rolled "
             "back or pauses as it was asked to, a drain that waits for its turn is forgotten.";
    case Verb::kShutdown:
      return "Ends the server. Every worker drains first.";
    case Verb::kCompletion:
      return "Prints a script with which the shell completes squallctl's commands, flags and "
             "values. "
             "For bash into a file of /etc/bash_completion.d/, for zsh as _squallctl into a "
             "directory "
             "of $fpath, for fish as squallctl.fish into ~/.config/fish/completions/.";
    case Verb::kVersion:
      return "Shows the release of squallctl, and of the server if one answers.";
    case Verb::kHelp:
      return "Shows all commands, or one with its flags.";
  }
  return "";
}

// Breaks the text between words. Its first line goes on where `out` stands, at column `indent`.
void AppendWrapped(std::string_view text, size_t indent, std::string& out) {
  size_t column = indent;
  bool first = true;
  for (const absl::string_view word : absl::StrSplit(ToAbsl(text), ' ')) {
    if (!first && column + 1 + word.size() > kColumns) {
      absl::StrAppend(&out, "\n", std::string(indent, ' '));
      column = indent;
      first = true;
    }
    absl::StrAppend(&out, first ? "" : " ", word);
    column += word.size() + (first ? 0 : 1);
    first = false;
  }
  out += '\n';
}

// "  left", then the text from `column` on.
void AppendRow(const std::string& left, std::string_view text, size_t column, std::string& out) {
  absl::StrAppend(&out, "  ", left);
  const size_t used = 2 + left.size();
  out += used < column ? std::string(column - used, ' ') : "\n" + std::string(column, ' ');
  AppendWrapped(text, column, out);
}

std::string FlagText(const Flag& flag) {
  return absl::StrCat(ToAbsl(flag.name), flag.value.empty() ? "" : " ", ToAbsl(flag.value));
}

void AppendFlags(Verb verb, std::string& out) {
  for (const Flag& flag : Flags()) {
    if (!flag.TakenBy(verb)) continue;
    AppendRow(FlagText(flag), flag.help, kFlagColumn, out);
  }
}

std::string NameAndArgument(const VerbSpec& spec) {
  const std::string_view argument = ArgumentText(spec.argument);
  return absl::StrCat(ToAbsl(spec.name), argument.empty() ? "" : " ", ToAbsl(argument));
}

// "squallctl resize N|+N|-N [--wait] [--dry-run]"
std::string Usage(const VerbSpec& spec) {
  std::string usage = absl::StrCat("squallctl ", NameAndArgument(spec));
  std::string own;
  int count = 0;
  for (const Flag& flag : Flags()) {
    if (!flag.TakenBy(spec.verb) || flag.IsCommon()) continue;
    absl::StrAppend(&own, " [", FlagText(flag), "]");
    ++count;
  }
  return absl::StrCat(usage, count > kNamedFlags ? " [FLAGS]" : own);
}

}  // namespace

std::string HelpText(std::optional<Verb> verb) {
  if (verb.has_value()) {
    std::string out = absl::StrCat(Usage(SpecOf(*verb)), "\n\n");
    AppendWrapped(Description(*verb), 0, out);
    out += '\n';
    AppendFlags(*verb, out);
    return out;
  }
  std::string out = "squallctl: look after a squall server while it serves.\n\n";
  for (const VerbSpec& spec : Verbs()) {
    AppendRow(absl::StrCat("squallctl ", NameAndArgument(spec)), spec.brief, kBriefColumn, out);
  }
  out += "\nFlags of almost every command; squallctl help COMMAND has all of one:\n";
  for (const Flag& flag : Flags()) {
    if (flag.IsCommon()) AppendRow(FlagText(flag), flag.help, kFlagColumn, out);
  }
  out +=
      "\nExit status: 0 done, 1 other error, 2 wrong usage, 3 no server reachable,\n"
      "4 out of time, 5 refused as things stand (above the maximum, shutting down,\n"
      "changed meanwhile).\n";
  return out;
}

}  // namespace squall::internal
