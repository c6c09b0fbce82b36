#include "squall/control/control_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/config.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/base/logging.h"
#include "squall/base/unique_fd.h"
#include "squall/control/control_loop.h"
#include "squall/control/pool_backend.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/address.h"
#include "squall/netutil/sockets.h"
#include "squall/process/event_log.h"
#include "squall/process/operation.h"
#include "squall/process/operation_board.h"
#include "squall/process/scoreboard.h"
#include "squall/process/sidecar.h"

#ifdef ABSL_HAVE_LEAK_SANITIZER
#include <sanitizer/lsan_interface.h>
#endif

namespace squall {
namespace {

constexpr absl::Duration kShutdownPatience = absl::Milliseconds(500);
constexpr unsigned kShutdownLimitSeconds = 3;

class ScoreboardReader : public PoolReader {
 public:
  explicit ScoreboardReader(const SidecarContext& context)
      : scoreboard_(context.scoreboard), operations_(context.operations), events_(context.events) {}
  PoolSnapshot Read() override { return scoreboard_.Read(Clock::Real().Now()); }
  std::optional<OperationView> FindOperation(uint64_t id) override { return operations_.Find(id); }
  std::vector<OperationView> ListOperations() override { return operations_.List(); }
  const EventLog& events() override { return events_; }

 private:
  const Scoreboard& scoreboard_;
  const OperationBoard& operations_;
  const EventLog& events_;
};

// gRPC's threads may still run; destructors of statics must not run under them.
[[noreturn]] void End(int status) {
#ifdef ABSL_HAVE_LEAK_SANITIZER
  // LeakSanitizer looks in exit(), which is not called here. It may take its time.
  alarm(0);
  __lsan_do_leak_check();
#endif
  _exit(status);
}

int RunControlProcess(SidecarContext& context) {
  CHECK_EQ(context.fds.size(), 1u);
  IOLoop& loop = IOLoop::Current();
  // Before gRPC starts threads, so that they inherit the blocked signal.
  const absl::Status signals = loop.AddSignalHandler(SIGTERM, [&loop](int) { loop.Stop(); });
  if (!signals.ok()) {
    LOG(ERROR) << "control process: " << signals;
    return 1;
  }
  // A copy: the original stays open for the life of the process, whoever closes this one.
  UniqueFd listener(fcntl(context.fds[0], F_DUPFD_CLOEXEC, 0));
  if (!listener.valid()) {
    PLOG(ERROR) << "control process: dup of the listener";
    return 1;
  }
  const absl::StatusOr<SocketAddress> address = SocketAddress::Local(listener.get());
  if (!address.ok()) {
    LOG(ERROR) << "control process: " << address.status();
    return 1;
  }
  ScoreboardReader reader(context);
  internal::ControlLoop control(
      loop, reader, std::move(context.link), ListenSocket(std::move(listener), *address),
      {.roles = internal::DefaultRoles(), .on_master_gone = [](const absl::Status& why) {
         if (!why.ok()) {
           LOG(ERROR) << "control process: " << why;
           End(1);
         }
         // Nothing is left to control, and nothing here needs an orderly end.
         End(0);
       }});
  const absl::Status started = control.Start();
  if (!started.ok()) {
    LOG(ERROR) << "control process: " << started;
    return 1;
  }
  loop.Start();

  // Whatever gRPC does now, the process ends.
  signal(SIGALRM, SIG_DFL);
  alarm(kShutdownLimitSeconds);
  control.Shutdown(kShutdownPatience);
  End(0);
}

// Removes the socket's file, unless somebody else's has taken its place.
void UnlinkIfSame(const std::string& path, const struct stat& bound) {
  struct stat now;
  if (lstat(path.c_str(), &now) == 0 && now.st_dev == bound.st_dev && now.st_ino == bound.st_ino) {
    unlink(path.c_str());
  }
}

}  // namespace

Sidecar MakeControlSidecar(ControlOptions options) {
  CHECK(options.listener.valid()) << "ControlOptions::listener is not set";
  CHECK(options.listener.address().is_unix())
      << "the control listener must be a unix socket, not " << options.listener.address();
  Sidecar sidecar;
  sidecar.name = "control";
  sidecar.main = &RunControlProcess;
  const std::string path(options.listener.address().unix_path());
  struct stat bound;
  // An inherited socket's file belongs to its service manager.
  if (!options.listener.inherited() && !path.empty() && path[0] == '/' &&
      lstat(path.c_str(), &bound) == 0) {
    sidecar.at_exit = [path, bound] { UnlinkIfSame(path, bound); };
  }
  sidecar.fds.push_back(options.listener.Release());
  return sidecar;
}

}  // namespace squall
