#include "squall/control/squallctl/watch_screen.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/util/json_util.h"
#include "squall/control/squallctl/render.h"
#include "squall/control/squallctl/table.h"
#include "squall/control/squallctl/watched_pool.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

constexpr char kHideCursor[] = "\x1b[?25l";
constexpr char kShowCursor[] = "\x1b[?25h";

volatile sig_atomic_t drawing_on_terminal = 0;

void OnStopSignal(int) {
  if (drawing_on_terminal != 0) (void)!write(STDOUT_FILENO, kShowCursor, sizeof(kShowCursor) - 1);
  _exit(0);
}

// Draws pictures over one another.
class Screen {
 public:
  explicit Screen(Console& console) : console_(console) {}
  ~Screen() {
    if (drawn_lines_ > 0) console_.out << kShowCursor << std::flush;
    drawing_on_terminal = 0;
  }

  TableStyle style() const {
    TableStyle style{.color = console_.color};
    if (const std::optional<winsize> size = Size()) style.width = size->ws_col;
    return style;
  }

  void Draw(std::vector<std::string> lines) {
    if (console_.terminal < 0) {
      for (const std::string& line : lines) console_.out << line << '\n';
      console_.out << '\n' << std::flush;
      return;
    }
    const std::optional<winsize> size = Size();
    // The last row stays empty: a newline there would scroll what is to be drawn over.
    if (size.has_value() && size->ws_row > 2 && lines.size() >= size->ws_row) {
      const size_t hidden = lines.size() - (size->ws_row - 2u);
      lines.resize(size->ws_row - 2u);
      lines.push_back(absl::StrCat("... ", hidden, " more lines"));
    }
    std::string frame;
    drawing_on_terminal = 1;
    if (drawn_lines_ == 0) {
      frame = kHideCursor;
    } else {
      frame = absl::StrCat("\r\x1b[", drawn_lines_, "A");
    }
    for (const std::string& line : lines) absl::StrAppend(&frame, line, "\x1b[K\n");
    absl::StrAppend(&frame, "\x1b[J");
    drawn_lines_ = lines.size();
    console_.out << frame << std::flush;
  }

 private:
  std::optional<winsize> Size() const {
    winsize size = {};
    if (console_.terminal < 0 || ioctl(console_.terminal, TIOCGWINSZ, &size) != 0 ||
        size.ws_col == 0) {
      return std::nullopt;
    }
    return size;
  }

  Console& console_;
  size_t drawn_lines_ = 0;
};

std::string JsonLine(const WatchedPool::View& view) {
  v1::WatchSnapshot both;
  *both.mutable_pool() = view.pool;
  both.mutable_workers()->Assign(view.workers.begin(), view.workers.end());
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(both, &json, options);
  return status.ok() ? json : status.ToString();
}

}  // namespace

absl::Status WatchOnScreen(ControlClient& client, const CommandLine& line, Console& console) {
  std::mutex mutex;
  std::condition_variable changed;
  WatchedPool watched(line.interval);
  bool fresh = false;
  std::optional<absl::Status> end;

  signal(SIGINT, &OnStopSignal);
  signal(SIGTERM, &OnStopSignal);

  std::thread reader([&] {
    absl::Status status;
    do {
      // Ends when the connection does. WatchPool finds out whether somebody is there again.
      status = client.WatchPool(line.interval, [&](const v1::WatchPoolResponse& response) {
        std::lock_guard lock(mutex);
        watched.Apply(response, absl::Now());
        fresh = true;
        changed.notify_one();
        return true;
      });
      std::lock_guard lock(mutex);
      if (!watched.known()) break;
    } while (status.ok() ||
             (status.code() == absl::StatusCode::kUnavailable && client.GetPool().ok()));
    std::lock_guard lock(mutex);
    end = status.ok() ? client.GetPool().status() : status;
    changed.notify_one();
  });

  {
    Screen screen(console);
    std::unique_lock lock(mutex);
    while (!end.has_value()) {
      changed.wait_for(lock, absl::ToChronoMilliseconds(line.interval),
                       [&] { return fresh || end.has_value(); });
      if (end.has_value() || !watched.known()) continue;
      fresh = false;
      const WatchedPool::View view = watched.At(absl::Now());
      lock.unlock();
      if (line.output == OutputFormat::kJson) {
        console.out << JsonLine(view) << std::endl;
      } else {
        screen.Draw(RenderStatus(view.pool, view.workers, view.rates, screen.style()));
      }
      lock.lock();
    }
  }
  reader.join();
  return *end;
}

}  // namespace squall::internal
