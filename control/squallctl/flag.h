// squallctl's flags: the one table that the parser, the help texts, the completions of shells and the
// check of the manual page read.
//
//   for (const Flag& flag : Flags()) {
//     if (flag.TakenBy(Verb::kRestart)) std::cout << flag.name << ' ' << flag.value << '\n';
//   }
#ifndef SQUALL_CONTROL_SQUALLCTL_FLAG_H_
#define SQUALL_CONTROL_SQUALLCTL_FLAG_H_

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "squall/control/squallctl/command_line.h"
#include "squall/control/squallctl/verb.h"

namespace squall::internal {

struct Flag {
  std::string_view name;   // with its dashes
  unsigned verbs;          // one bit for each Verb that takes it
  std::string_view value;  // what stands for its value in help, "TIME"; empty: it takes none
  // The values it takes, with blanks between; empty: not a closed list.
  std::string_view choices;
  // What it does.
  std::string_view help;
  // Puts the value into the command line. Errors: InvalidArgument, with one sentence.
  absl::Status (*set)(std::string_view flag, std::string_view value, CommandLine& line);

  bool TakenBy(Verb verb) const { return (verbs >> static_cast<unsigned>(verb) & 1u) != 0; }
  // The help up to its first ';'.
  std::string_view brief() const { return help.substr(0, help.find(';')); }
  // Almost every command takes it.
  bool IsCommon() const;
};

// --help and --version are not among them: they stand for commands.
const std::vector<Flag>& Flags();

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_FLAG_H_
