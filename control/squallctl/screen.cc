#include "squall/control/squallctl/screen.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"

namespace squall::internal {
namespace {

constexpr char kHideCursor[] = "\x1b[?25l";
constexpr char kShowCursor[] = "\x1b[?25h";
constexpr char kEnterWhole[] = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J";
constexpr char kLeaveWhole[] = "\x1b[?25h\x1b[?1049l";

// For the signal handler: what puts the terminal right again, nullptr when it is.
const char* volatile restore_text = nullptr;
volatile sig_atomic_t input_changed = 0;
termios input_before;

void Restore() {
  const char* const text = restore_text;
  restore_text = nullptr;
  if (text != nullptr) (void)!write(STDOUT_FILENO, text, strlen(text));
  if (input_changed != 0) tcsetattr(STDIN_FILENO, TCSAFLUSH, &input_before);
  input_changed = 0;
}

void OnStopSignal(int) { Screen::Leave(); }

// The terminal is put right, and the process ends as it would have.
void OnDeadlySignal(int number) {
  Restore();
  signal(number, SIG_DFL);
  raise(number);
}

std::optional<winsize> SizeOf(int terminal) {
  winsize size = {};
  if (terminal < 0 || ioctl(terminal, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
    return std::nullopt;
  }
  return size;
}

void TakeKeys() {
  if (tcgetattr(STDIN_FILENO, &input_before) != 0) return;
  termios keys = input_before;
  keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  keys.c_cc[VMIN] = 1;
  keys.c_cc[VTIME] = 0;
  keys.c_cc[VSUSP] = _POSIX_VDISABLE;
  input_changed = 1;
  tcsetattr(STDIN_FILENO, TCSAFLUSH, &keys);
}

}  // namespace

Screen::Screen(Console& console, ScreenMode mode) : console_(console), mode_(mode) {
  signal(SIGINT, &OnStopSignal);
  signal(SIGTERM, &OnStopSignal);
  for (const int number : {SIGQUIT, SIGHUP}) {
    // Under nohup it stays ignored.
    if (signal(number, &OnDeadlySignal) == SIG_IGN) signal(number, SIG_IGN);
  }
  if (console_.terminal < 0 || mode_ != ScreenMode::kWhole) return;
  restore_text = kLeaveWhole;
  TakeKeys();
  console_.out << kEnterWhole << std::flush;
}

Screen::~Screen() {
  console_.out << std::flush;
  Restore();
}

void Screen::Leave() {
  Restore();
  _exit(0);
}

TableStyle Screen::style() const {
  TableStyle style{.color = console_.color};
  if (const std::optional<winsize> size = SizeOf(console_.terminal)) style.width = size->ws_col;
  return style;
}

void Screen::Draw(std::vector<std::string> lines) {
  if (console_.terminal < 0) {
    for (const std::string& line : lines) console_.out << line << '\n';
    console_.out << '\n' << std::flush;
    return;
  }
  const std::optional<winsize> size = SizeOf(console_.terminal);
  // The last row stays empty: a newline there would scroll what is to be drawn over.
  if (size.has_value() && size->ws_row > 2 && lines.size() >= size->ws_row) {
    const size_t hidden = lines.size() - (size->ws_row - 2u);
    lines.resize(size->ws_row - 2u);
    lines.push_back(absl::StrCat("... ", hidden, " more lines"));
  }
  std::string frame;
  if (mode_ == ScreenMode::kWhole) {
    frame = "\x1b[H";
  } else if (drawn_lines_ == 0) {
    restore_text = kShowCursor;
    frame = kHideCursor;
  } else {
    frame = absl::StrCat("\r\x1b[", drawn_lines_, "A");
  }
  for (const std::string& line : lines) absl::StrAppend(&frame, line, "\x1b[K\n");
  absl::StrAppend(&frame, "\x1b[J");
  drawn_lines_ = lines.size();
  console_.out << frame << std::flush;
}

}  // namespace squall::internal
