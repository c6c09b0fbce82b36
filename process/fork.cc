#include "squall/process/fork.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "squall/base/log_file.h"
#include "squall/base/logging.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"
#include "squall/base/string_view.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/inherited_sockets.h"
#include "squall/process/cpu_count.h"
#include "squall/process/master.h"
#include "squall/process/master_role.h"
#include "squall/process/orphan_guard.h"
#include "squall/process/pid_file.h"
#include "squall/process/pool_monitor.h"
#include "squall/process/reseed.h"
#include "squall/process/restart_options.h"
#include "squall/process/scoreboard.h"
#include "squall/process/stack_capture.h"
#include "squall/process/threads.h"
#include "squall/process/worker_setup.h"

namespace squall {
namespace {

constexpr int kDefaultMaxWorkers = 64;

absl::Status CheckMayFork() {
  if (TaskId().has_value()) {
    return absl::FailedPreconditionError(
        absl::StrCat("ForkProcesses was called in worker ", *TaskId(),
                     ", which it made itself; call it once, in the program that starts"));
  }
  if (IOLoop::Exists()) {
    return absl::FailedPreconditionError(
        "ForkProcesses was called after an IOLoop was made; its epoll would be shared by all "
        "workers. Make the loop, and servers on it, after ForkProcesses");
  }
  return internal::CheckSingleThreaded();
}

PoolOptions ToPoolOptions(int num_processes, const ForkOptions& options) {
  PoolOptions pool;
  pool.desired = num_processes;
  pool.max_workers = MaxWorkers(num_processes, options);
  pool.boot_timeout = options.boot_timeout;
  pool.drain = options.drain;
  pool.backoff = options.backoff;
  pool.restart = options.restart;
  pool.surge_slots = options.surge_slots;
  pool.breaker = options.breaker;
  pool.max_restarts = options.max_restarts;
  return pool;
}

internal::PoolMonitorOptions ToMonitorOptions(const ForkOptions& options) {
  return {.watchdog = options.watchdog,
          .recycle = options.recycle,
          .autoscaler = options.autoscaler,
          .listeners = options.listeners};
}

// What a thread-local object with a destructor needs, such as each worker's loop, the dynamic linker
// looks up at the first one; here for all workers, not in each.
void BindThreadLocals() {
  thread_local const UniqueFd bound;
  static_cast<void>(bound.valid());
}

// All but the settings of a worker.
absl::Status Check(int num_processes, const ForkOptions& options) {
  const PoolOptions pool = ToPoolOptions(num_processes, options);
  RETURN_IF_ERROR(Validate(pool));
  if (int64_t{pool.max_workers} + pool.surge_slots > Scoreboard::kMaxRows) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_workers is ", pool.max_workers, " and surge_slots is ", pool.surge_slots,
                     "; together they are at most ", Scoreboard::kMaxRows));
  }
  if (pool.restart.max_surge.value_or(0) > pool.surge_slots) {
    return absl::InvalidArgumentError(
        absl::StrCat("restart.max_surge must not be above surge_slots (", pool.surge_slots,
                     "), but is ", *pool.restart.max_surge));
  }
  return Validate(ConfigOf(pool, options.watchdog, options.recycle, options.autoscaler), pool);
}

// For a file that ForkProcesses would make: its directory must be there.
absl::Status CheckDirectoryOf(std::string_view option, const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  struct stat status;
  // With the dot it is an error, too, when it is no directory.
  if (directory.empty() || stat((directory + "/.").c_str(), &status) == 0) return absl::OkStatus();
  return StatusFromErrno(errno, absl::StrCat(ToAbsl(option), " cannot be in \"", directory, "\""));
}

// Closes everything but stdio and `keep`: the sidecar must hold neither the service's listeners,
// which would keep the port alive, nor a lifeline.
void CloseAllBut(std::vector<int> keep) {
  keep.insert(keep.end(), {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO});
  std::sort(keep.begin(), keep.end());
  unsigned int from = 0;
  bool closed = true;
  for (const int fd : keep) {
    const auto kept = static_cast<unsigned int>(fd);
    if (kept > from) closed &= syscall(SYS_close_range, from, kept - 1, 0) == 0;
    from = kept + 1;
  }
  closed &= syscall(SYS_close_range, from, std::numeric_limits<unsigned int>::max(), 0) == 0;
  if (closed) return;
  // A seccomp filter, or a kernel before 5.9.
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  for (int fd = 0; fd < static_cast<int>(std::min<rlim_t>(limit.rlim_max, 1 << 20)); ++fd) {
    if (!std::binary_search(keep.begin(), keep.end(), fd)) close(fd);
  }
}

[[noreturn]] void RunSidecar(std::unique_ptr<internal::Master> master,
                             internal::Master::BecameSidecar role) {
  Sidecar sidecar = std::move(master->sidecar());
  Scoreboard scoreboard = master->TakeScoreboard();
  OperationBoard operations = master->TakeOperations();
  EventLog events = master->TakeEvents();
  master->RestoreSignalsInChild();
  // ^C reaches the whole group; the master decides what it means.
  signal(SIGINT, SIG_IGN);
  // The end of file on the link ends the sidecar; this is for one that does not read it, or that is
  // stopped. It holds nothing that a kill could lose.
  internal::DieWithMaster(master->pid(), SIGKILL);
  master.reset();

  SidecarContext context{.scoreboard = scoreboard,
                         .operations = operations,
                         .events = events,
                         .link = std::move(role.link),
                         .fds = {}};
  std::vector<int> keep = {context.link.get()};
  for (const UniqueFd& fd : sidecar.fds) {
    context.fds.push_back(fd.get());
    keep.push_back(fd.get());
  }
  // The owners of what is closed here stand on the stack of a function that never goes on.
  CloseAllBut(std::move(keep));
  if (absl::Status status = scoreboard.RestrictToReading(); !status.ok()) {
    LOG(FATAL) << "cannot make the scoreboard read-only: " << status.message();
  }
  if (absl::Status status = operations.RestrictToReading(); !status.ok()) LOG(FATAL) << status;
  if (absl::Status status = events.RestrictToReading(); !status.ok()) LOG(FATAL) << status;
  internal::ReseedGenerators();
  prctl(PR_SET_NAME, sidecar.name.c_str());
  SetLogRole(sidecar.name);
  exit(sidecar.main(context));
}

// What does not come up is not worth a thought more: the master hears of it as a boot failure.
[[noreturn]] void FailToBoot(std::string_view what, const absl::Status& status) {
  LOG(ERROR) << ToAbsl(what) << ": " << status.message();
  _exit(EXIT_FAILURE);
}

int BecomeWorker(std::unique_ptr<internal::Master> master, internal::Master::BecameWorker role,
                 ForkOptions& options) {
  WorkerSetup setup;
  setup.task_id = role.slot;
  setup.row = role.row;
  setup.incarnation = role.incarnation;
  setup.generation = role.generation;
  setup.channel = std::move(role.channel);
  setup.scoreboard = master->TakeScoreboard();
  setup.on_supervisor_exit = options.on_supervisor_exit;
  const DrainOptions drain = master->config().drain;
  setup.grace = drain.grace;
  setup.kill_after = drain.kill_after;
  SetLogTaskId(role.slot);
  const ResolvedWorkerSettings settings = master->TakeWorkerSettings();
  const pid_t master_pid = master->pid();
  const auto die_with_master = [&] {
    if (options.on_supervisor_exit == OnSupervisorExit::kKeep) return;
    internal::DieWithMaster(master_pid, SIGTERM);
  };
  die_with_master();
  master->RestoreSignalsInChild();
  // Closes the master's descriptors in this process, the siblings' lifelines among them.
  master.reset();
  internal::ReseedGenerators();
  if (absl::Status status = setup.scoreboard->RestrictToWorker(role.row); !status.ok()) {
    LOG(FATAL) << "cannot protect the other workers' rows: " << status.message();
  }
  if (absl::Status status = Apply(settings, role.slot); !status.ok()) {
    FailToBoot("worker settings", status);
  }
  // A change of user clears it.
  die_with_master();
  WorkerRow& row = setup.scoreboard->worker_row(role.row);
  if (absl::Status status =
          InstallStackCapture({.text = row.stack_area(), .size = row.stack_size()});
      !status.ok()) {
    LOG(WARNING) << "this worker will leave no stack: " << status.message();
  }
  if (options.hooks.after_fork) {
    const WorkerIdentity self = {role.slot, role.incarnation, role.generation};
    if (absl::Status status = options.hooks.after_fork(self); !status.ok()) {
      FailToBoot("after_fork", status);
    }
  }
  setup.hooks = std::move(options.hooks);
  WorkerSetup::BecomeWorker(std::move(setup));
  return role.slot;
}

}  // namespace

int MaxWorkers(int num_processes, const ForkOptions& options) {
  if (options.max_workers != 0) return options.max_workers;
  return std::max(kDefaultMaxWorkers, num_processes);
}

absl::Status Validate(int num_processes, const ForkOptions& options) {
  RETURN_IF_ERROR(Check(num_processes > 0 ? num_processes : CpuCount(), options));
  RETURN_IF_ERROR(CheckDirectoryOf("pid_file", options.pid_file));
  RETURN_IF_ERROR(CheckDirectoryOf("log_file", options.log_file));
  return Validate(options.worker).status();
}

absl::StatusOr<int> ForkProcesses(int num_processes, ForkOptions options) {
  internal::EnsureLogging();
  RETURN_IF_ERROR(CheckMayFork());
  if (num_processes <= 0) num_processes = CpuCount();
  RETURN_IF_ERROR(Check(num_processes, options));
  ASSIGN_OR_RETURN(ResolvedWorkerSettings settings, Validate(options.worker));
  LogFileOptions log_options;
  if (settings.identity.has_value()) log_options.owner = settings.identity->uid;
  ASSIGN_OR_RETURN(auto master,
                   internal::Master::Create({.pool = ToPoolOptions(num_processes, options),
                                             .monitor = ToMonitorOptions(options),
                                             .hooks = &options.hooks,
                                             .worker = std::move(settings),
                                             .sidecar = std::move(options.sidecar),
                                             .on_ready = std::move(options.on_ready),
                                             .on_serving = std::move(options.on_serving)}));
  options.sidecar.reset();
  // Behind the blocking of the signals: one that ended this process would leave the pid file there.
  std::optional<PidFile> pid_file;
  const auto open_files = [&]() -> absl::Status {
    if (!options.pid_file.empty()) {
      ASSIGN_OR_RETURN(pid_file, PidFile::Create(options.pid_file));
    }
    return options.log_file.empty() ? absl::OkStatus() : OpenLogFile(options.log_file, log_options);
  };
  if (absl::Status opened = open_files(); !opened.ok()) {
    pid_file.reset();
    master->UndoSignals();
    return opened;
  }
  SetLogRole("master");
  internal::BecomeMaster();
  CloseUnusedInheritedSockets();

  PrepareStackCapture();
  BindThreadLocals();
  internal::Master::Outcome outcome = master->Run();
  if (auto* ended = std::get_if<internal::Master::Ended>(&outcome)) {
    if (pid_file.has_value()) pid_file->Remove();
    // Static destructors run, those of the caller's objects do not: Tornado's SystemExit.
    exit(ended->exit_code);
  }
  if (auto* sidecar = std::get_if<internal::Master::BecameSidecar>(&outcome)) {
    RunSidecar(std::move(master), std::move(*sidecar));
  }
  return BecomeWorker(std::move(master),
                      std::move(std::get<internal::Master::BecameWorker>(outcome)), options);
}

std::optional<int> TaskId() {
  const Worker* worker = Worker::Current();
  if (worker == nullptr) return std::nullopt;
  return worker->task_id();
}

}  // namespace squall
