// Pictures on a terminal, drawn over one another line by line, so that nothing flickers; elsewhere
// they follow one another.
//
//   Screen screen(console, ScreenMode::kWhole);
//   screen.Draw(RenderStatus(pool, workers, rates, screen.style()));
#ifndef SQUALL_CONTROL_SQUALLCTL_SCREEN_H_
#define SQUALL_CONTROL_SQUALLCTL_SCREEN_H_

#include <cstddef>
#include <string>
#include <vector>

#include "squall/control/squallctl/console.h"
#include "squall/control/squallctl/table.h"

namespace squall::internal {

enum class ScreenMode {
  // Below what stands there; what was there before stays in the scrollback.
  kBelow,
  // The terminal's alternate screen; keys come one by one and are not shown (^C and ^\ stay what
  // they are, ^Z does nothing). On leaving, all is as it was.
  kWhole,
};

// One at a time. SIGINT and SIGTERM end the process with status 0 from its construction on, the
// terminal as it was.
class Screen {
 public:
  Screen(Console& console, ScreenMode mode);
  // Leaves the terminal as it was.
  ~Screen();

  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // How wide lines may be, and whether they have colours.
  TableStyle style() const;

  // What does not fit into the height is counted in a last line.
  void Draw(std::vector<std::string> lines);

  // What SIGTERM does: the terminal as it was, and _exit(0).
  [[noreturn]] static void Leave();

 private:
  Console& console_;
  const ScreenMode mode_;
  size_t drawn_lines_ = 0;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_SCREEN_H_
