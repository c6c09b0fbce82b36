// The operator's command; see HelpText() or `squallctl help`.
#include <grpc/support/log.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstring>
#include <iostream>
#include <string_view>
#include <vector>

#include "squall/control/squallctl/squallctl.h"

int main(int argc, char** argv) {
  // What the operator has to know of is said by us.
  gpr_set_log_function([](gpr_log_func_args*) {});
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  const char* const term = getenv("TERM");
  const bool smart = term != nullptr && strcmp(term, "dumb") != 0;
  squall::internal::Console console{.out = std::cout,
                                    .err = std::cerr,
                                    .terminal = terminal && smart ? STDOUT_FILENO : -1,
                                    .color = terminal && smart && getenv("NO_COLOR") == nullptr};
  const std::vector<std::string_view> args(argv + 1, argv + argc);
  const squall::internal::ExitCode code = squall::internal::RunSquallctl(args, console);
  std::cout.flush();
  return static_cast<int>(code);
}
