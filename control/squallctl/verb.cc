#include "squall/control/squallctl/verb.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace squall::internal {

const std::vector<VerbSpec>& Verbs() {
  static const auto* const kVerbs = new std::vector<VerbSpec>{
      {"status", Verb::kStatus, Argument::kNone, "the pool and its workers"},
      {"explain", Verb::kExplain, Argument::kNone, "why it is not as it is wanted"},
      {"workers", Verb::kWorkers, Argument::kNone, "each worker with all its counters"},
      {"top", Verb::kTop, Argument::kNone, "the busiest workers, on the whole terminal"},
      {"config", Verb::kConfig, Argument::kNone, "its deadlines, limits and autoscaler"},
      {"resize", Verb::kResize, Argument::kTarget, "change the number of workers"},
      {"restart", Verb::kRestart, Argument::kNone, "replace all workers, a few at a time"},
      {"drain", Verb::kDrain, Argument::kSlot, "replace one worker"},
      {"kill", Verb::kKill, Argument::kSlot, "replace one worker that hangs"},
      {"reset-breaker", Verb::kResetBreaker, Argument::kOptionalSlot,
       "start workers that died too often"},
      {"update", Verb::kUpdate, Argument::kNone, "change its configuration while it serves"},
      {"operations", Verb::kOperations, Argument::kNone,
       "what was asked for, and what became of it"},
      {"events", Verb::kEvents, Argument::kNone, "what happened, and what happens"},
      {"wait", Verb::kWait, Argument::kOperation, "wait for the end of an operation"},
      {"cancel", Verb::kCancel, Argument::kOperation, "take an operation back"},
      {"shutdown", Verb::kShutdown, Argument::kNone, "end the server"},
      {"completion", Verb::kCompletion, Argument::kShell, "completions of commands and flags"},
      {"version", Verb::kVersion, Argument::kNone, "releases of squallctl and of the server"},
      {"help", Verb::kHelp, Argument::kOptionalVerb, "all commands, or one with its flags"},
  };
  return *kVerbs;
}

const VerbSpec* FindVerb(std::string_view name) {
  const auto found = std::find_if(Verbs().begin(), Verbs().end(),
                                  [name](const VerbSpec& spec) { return spec.name == name; });
  return found == Verbs().end() ? nullptr : &*found;
}

const VerbSpec& SpecOf(Verb verb) {
  return *std::find_if(Verbs().begin(), Verbs().end(),
                       [verb](const VerbSpec& spec) { return spec.verb == verb; });
}

std::string_view ArgumentText(Argument argument) {
  switch (argument) {
    case Argument::kNone:
      return "";
    case Argument::kTarget:
      return "N|+N|-N";
    case Argument::kSlot:
      return "SLOT";
    case Argument::kOptionalSlot:
      return "[SLOT]";
    case Argument::kOperation:
      return "OPERATION";
    case Argument::kShell:
      return "bash|zsh|fish";
    case Argument::kOptionalVerb:
      return "[COMMAND]";
  }
  return "";
}

}  // namespace squall::internal
