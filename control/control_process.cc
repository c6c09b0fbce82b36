#include "squall/control/control_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
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
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/base/logging.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"
#include "squall/base/unique_fd.h"
#include "squall/control/control_core.h"
#include "squall/control/control_limits.h"
#include "squall/control/control_loop.h"
#include "squall/control/control_privileges.h"
#include "squall/control/control_roles.h"
#include "squall/control/control_tls.h"
#include "squall/control/pool_backend.h"
#include "squall/control/status/control_metrics.h"
#include "squall/control/status/status_options.h"
#include "squall/control/status/status_server.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/address.h"
#include "squall/netutil/sockets.h"
#include "squall/process/event_log.h"
#include "squall/process/operation.h"
#include "squall/process/operation_board.h"
#include "squall/process/privilege_drop.h"
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

// What each incarnation of the process is told.
struct ControlSettings {
  ListenSocket listener;
  bool has_status = false;
  ListenSocket status_listener;
  StatusOptions status;
  ControlRoles roles;
  ControlLimits limits;
  std::optional<ControlTls> tls;
  std::optional<Identity> identity;
};

// gRPC's threads may still run; destructors of statics must not run under them.
[[noreturn]] void End(int status) {
#ifdef ABSL_HAVE_LEAK_SANITIZER
  // LeakSanitizer looks in exit(), which is not called here. It may take its time. Where a process may
  // not be traced, it cannot.
  alarm(0);
  if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1) __lsan_do_leak_check();
#endif
  _exit(status);
}

// A copy: the original stays open for the life of the process, whoever closes this one.
absl::StatusOr<ListenSocket> CopyOf(int fd) {
  UniqueFd copy(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return StatusFromErrno(errno, "a copy of the listener");
  ASSIGN_OR_RETURN(const SocketAddress address, SocketAddress::Local(copy.get()));
  return ListenSocket(std::move(copy), address);
}

// In the order of MakeControlSidecar().
absl::Status TakeListeners(const std::vector<int>& fds, ControlSettings& settings) {
  auto fd = fds.begin();
  ASSIGN_OR_RETURN(settings.listener, CopyOf(*fd++));
  if (settings.has_status) {
    ASSIGN_OR_RETURN(settings.status_listener, CopyOf(*fd++));
  }
  for (; fd != fds.end(); ++fd) {
    ASSIGN_OR_RETURN(ListenSocket listener, CopyOf(*fd));
    settings.tls->listeners.push_back(std::move(listener));
  }
  return absl::OkStatus();
}

internal::ControlCounts CountsOf(const internal::ControlCore& core) {
  return {.started_at = core.started_at,
          .refused_connections = core.refused_connections,
          .watches = core.watches,
          .waits = core.waits};
}

int RunControlProcess(SidecarContext& context, ControlSettings& settings) {
  CHECK(!context.fds.empty());
  if (const absl::Status less = internal::GiveUpPrivileges(
          {.identity = settings.identity, .has_secrets = settings.tls.has_value()});
      !less.ok()) {
    LOG(ERROR) << "control process: " << less.message();
    return 1;
  }
  // A change of user clears it.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  IOLoop& loop = IOLoop::Current();
  // Before gRPC starts threads, so that they inherit the blocked signal.
  absl::Status prepared = loop.AddSignalHandler(SIGTERM, [&loop](int) { loop.Stop(); });
  if (prepared.ok()) prepared = TakeListeners(context.fds, settings);
  if (!prepared.ok()) {
    LOG(ERROR) << "control process: " << prepared;
    return 1;
  }
  ScoreboardReader reader(context);
  internal::ControlLoop control(loop, reader, std::move(context.link), std::move(settings.listener),
                                {.roles = settings.roles,
                                 .tls = std::move(settings.tls),
                                 .limits = settings.limits,
                                 .on_master_gone = [](const absl::Status& why) {
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
  std::unique_ptr<internal::StatusServer> status;
  if (settings.has_status) {
    status = std::make_unique<internal::StatusServer>(
        internal::StatusSources{.reader = &reader,
                                .commander = &control.core().commander,
                                .counts = [&control] { return CountsOf(control.core()); }},
        std::move(settings.status_listener), settings.status);
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
  const bool has_status = options.status_listener.valid();
  std::vector<std::pair<std::string, struct stat>> files;
  // The descriptors are in the order that TakeListeners() knows.
  for (ListenSocket* listener : {&options.listener, &options.status_listener}) {
    if (!listener->valid()) continue;
    const std::string path(listener->address().unix_path());
    struct stat bound;
    // An inherited socket's file belongs to its service manager.
    if (!listener->inherited() && !path.empty() && path[0] == '/' &&
        lstat(path.c_str(), &bound) == 0) {
      files.emplace_back(path, bound);
    }
    sidecar.fds.push_back(listener->Release());
  }
  sidecar.at_exit = [files = std::move(files)] {
    for (const auto& [path, bound] : files) UnlinkIfSame(path, bound);
  };
  if (options.tls.has_value()) {
    for (ListenSocket& listener : options.tls->listeners) {
      CHECK(!listener.address().is_unix()) << "ControlTls::listeners has " << listener.address();
      sidecar.fds.push_back(listener.Release());
    }
    options.tls->listeners.clear();
  }
  auto settings =
      std::make_shared<ControlSettings>(ControlSettings{.listener = {},
                                                        .has_status = has_status,
                                                        .status_listener = {},
                                                        .status = std::move(options.status),
                                                        .roles = std::move(options.roles),
                                                        .limits = options.limits,
                                                        .tls = std::move(options.tls),
                                                        .identity = std::move(options.identity)});
  // Each incarnation has its own copy, by the fork.
  sidecar.main = [settings](SidecarContext& context) {
    return RunControlProcess(context, *settings);
  };
  return sidecar;
}

absl::StatusOr<std::optional<Identity>> ResolveControlUser(const std::string& user,
                                                           const std::string& group) {
  return internal::ResolveIdentity(user, group);
}

}  // namespace squall
