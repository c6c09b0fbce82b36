// squallctl's commands: the one table that the parser, the help texts, the completions of shells and
// the check of the manual page read.
//
//   const VerbSpec* const spec = FindVerb("resize");
//   // spec->verb == Verb::kResize, ArgumentText(spec->argument) == "N|+N|-N"
//
// A new command is a Verb, a row here, its paragraph in help_text.cc and its case in squallctl.cc.
#ifndef SQUALL_CONTROL_SQUALLCTL_VERB_H_
#define SQUALL_CONTROL_SQUALLCTL_VERB_H_

#include <string_view>
#include <vector>

namespace squall::internal {

enum class Verb {
  kStatus,
  kExplain,
  kWorkers,
  kTop,
  kConfig,
  kResize,
  kRestart,
  kDrain,
  kKill,
  kResetBreaker,
  kUpdate,
  kOperations,
  kEvents,
  kWait,
  kCancel,
  kShutdown,
  kCompletion,
  kVersion,
  kHelp,
};

// The word that a command takes behind its name.
enum class Argument { kNone, kTarget, kSlot, kOptionalSlot, kOperation, kShell, kOptionalVerb };

struct VerbSpec {
  std::string_view name;
  Verb verb;
  Argument argument;
  std::string_view brief;  // a few words for lists
};

// In the order in which help shows them.
const std::vector<VerbSpec>& Verbs();

// Null when there is none of this name.
const VerbSpec* FindVerb(std::string_view name);
const VerbSpec& SpecOf(Verb verb);
inline std::string_view VerbName(Verb verb) { return SpecOf(verb).name; }

// "SLOT", "[SLOT]"; "" for none.
std::string_view ArgumentText(Argument argument);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_VERB_H_
