#include "squall/control/squallctl/follow_operation.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "squall/control/squallctl/progress.h"
#include "squall/control/squallctl/render.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

// How often the line on the terminal is drawn anew.
constexpr absl::Duration kDrawEvery = absl::Milliseconds(200);
constexpr char kClearLine[] = "\r\x1b[K";

// For the signal handler; ends with a newline.
char interrupted_text[200];

void OnInterruptedWait(int) {
  (void)!write(STDERR_FILENO, interrupted_text, strlen(interrupted_text));
  _exit(128 + SIGINT);
}

class InterruptMessage {
 public:
  explicit InterruptMessage(const v1::Operation& operation) {
    const std::string text =
        absl::StrCat("\nsquallctl: stopped waiting; the ", FormatOperation(operation),
                     " goes on. squallctl wait ", operation.name(), " waits again\n");
    text.copy(interrupted_text, sizeof(interrupted_text) - 1);
    previous_ = signal(SIGINT, &OnInterruptedWait);
  }
  ~InterruptMessage() { signal(SIGINT, previous_); }

 private:
  void (*previous_)(int);
};

size_t Width(int terminal) {
  winsize size = {};
  // The last column stays free, for terminals that wrap when it is written.
  return ioctl(terminal, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1u : 79u;
}

}  // namespace

absl::StatusOr<v1::Operation> FollowOperation(ControlClient& client, v1::Operation operation,
                                              absl::Duration timeout, Console& console) {
  const InterruptMessage interrupt(operation);
  const bool draws = console.terminal >= 0;
  const absl::Time begin = absl::Now();
  const absl::Time end = begin + timeout;
  while (operation.state() == v1::OPERATION_STATE_RUNNING && absl::Now() < end) {
    const absl::Duration left = end - absl::Now();
    if (draws) {
      console.out << kClearLine
                  << ProgressLine(operation, absl::Now() - begin, left, Width(console.terminal))
                  << std::flush;
    }
    absl::StatusOr<v1::Operation> next = client.WaitOperation(
        operation.name(),
        std::max(draws ? std::min(kDrawEvery, left) : left, absl::Milliseconds(1)));
    if (!next.ok()) {
      if (draws) console.out << kClearLine << std::flush;
      return next.status();
    }
    operation = *std::move(next);
  }
  if (draws) console.out << kClearLine << std::flush;
  return operation;
}

}  // namespace squall::internal
