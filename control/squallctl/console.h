// Where squallctl's answers go to.
#ifndef SQUALL_CONTROL_SQUALLCTL_CONSOLE_H_
#define SQUALL_CONTROL_SQUALLCTL_CONSOLE_H_

#include <ostream>

namespace squall::internal {

struct Console {
  std::ostream& out;
  std::ostream& err;
  // Descriptor of the terminal behind `out`; -1: none, so no colours and no redrawing.
  int terminal = -1;
  bool color = false;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_CONSOLE_H_
