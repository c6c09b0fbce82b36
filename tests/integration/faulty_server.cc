// The server of the tests that do harm: as //:server without files and access log, with the pool's
// options as flags, handlers that misbehave (fault_handlers.h) and workers that do so at their start
// (boot_fault.h).

#include <grp.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "squall/base/flags.h"
#include "squall/base/log_file.h"
#include "squall/base/logging.h"
#include "squall/control/control_process.h"
#include "squall/httpserver/httpserver.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/accept.h"
#include "squall/netutil/reuse_port_listeners.h"
#include "squall/netutil/sockets.h"
#include "squall/process/fork.h"
#include "squall/tests/integration/boot_fault.h"
#include "squall/tests/integration/fault_handlers.h"
#include "squall/web/application.h"
#include "squall/web/settings.h"

ABSL_FLAG(int, port, 0, "TCP port, 0 for any that is free");
ABSL_FLAG(std::string, address, "127.0.0.1", "address to listen on");
ABSL_FLAG(std::string, control, "", "unix:PATH");
ABSL_FLAG(std::string, accept_policy, "balanced", "shared, exclusive, balanced or reuse_port");
ABSL_FLAG(std::string, boot_fault, "", "file with what goes wrong at a worker's start");
ABSL_FLAG(bool, announce_at_once, false, "before the workers are there, for they may never be");
ABSL_FLAG(std::string, leak_at_reload, "",
          "file: SIGHUP restarts nothing, but forks a process that keeps the master's descriptors, "
          "and writes its pid there");
ABSL_FLAG(std::string, log_file, "", "in the place of standard error");
ABSL_FLAG(int, run_as, 0, "user id that the master takes at its start; 0: none");

// ForkOptions.
ABSL_FLAG(int, workers, 2, "worker processes");
ABSL_FLAG(int, max_workers, 64, "most of them");
ABSL_FLAG(absl::Duration, boot_timeout, absl::Seconds(60), "until READY");
ABSL_FLAG(absl::Duration, grace, absl::Seconds(30), "from the request to stop to SIGTERM");
ABSL_FLAG(absl::Duration, kill_after, absl::Seconds(5), "from SIGTERM to SIGKILL");
ABSL_FLAG(absl::Duration, backoff_initial, absl::Milliseconds(100), "the second delay");
ABSL_FLAG(absl::Duration, backoff_max, absl::Seconds(30), "the longest delay");
ABSL_FLAG(int, breaker_deaths, 10, "more of them inside the window open it");
ABSL_FLAG(absl::Duration, breaker_cool_down, absl::Minutes(5), "until a trial");
ABSL_FLAG(absl::Duration, watchdog_interval, absl::Seconds(1), "");
ABSL_FLAG(absl::Duration, stall_warn, absl::Seconds(10), "");
ABSL_FLAG(absl::Duration, stall_kill, absl::InfiniteDuration(), "");
ABSL_FLAG(absl::Duration, stopped_kill, absl::InfiniteDuration(), "");
ABSL_FLAG(int, oom_score_adj, 0, "of the workers");
ABSL_FLAG(int64_t, max_requests, 0, "of a worker, until it is recycled");
ABSL_FLAG(absl::Duration, max_lifetime, absl::InfiniteDuration(), "likewise");
ABSL_FLAG(absl::Duration, min_lifetime, absl::Seconds(10), "likewise");
ABSL_FLAG(std::string, autoscaler, "static", "static or spare");
ABSL_FLAG(absl::Duration, autoscaler_interval, absl::Seconds(1), "");
ABSL_FLAG(absl::Duration, scale_down_hold, absl::Seconds(30), "");
ABSL_FLAG(int, min_spare, 1, "idle workers at least");
ABSL_FLAG(int, max_spare, 4, "and at most");

namespace {

squall::AcceptPolicy PolicyByName(const std::string& name) {
  if (name == "shared") return squall::AcceptPolicy::kShared;
  if (name == "exclusive") return squall::AcceptPolicy::kExclusive;
  if (name == "balanced") return squall::AcceptPolicy::kBalanced;
  if (name == "reuse_port") return squall::AcceptPolicy::kReusePort;
  squall::ExitWithUsageError(absl::StrCat("--accept_policy=", name, " is no policy"));
}

squall::AutoscalerMode AutoscalerByName(const std::string& name) {
  if (name == "static") return squall::AutoscalerMode::kStatic;
  if (name == "spare") return squall::AutoscalerMode::kSpare;
  squall::ExitWithUsageError(absl::StrCat("--autoscaler=", name, " is no mode of these tests"));
}

squall::ForkOptions OptionsFromFlags() {
  squall::ForkOptions options;
  options.max_workers = absl::GetFlag(FLAGS_max_workers);
  options.boot_timeout = absl::GetFlag(FLAGS_boot_timeout);
  options.drain.grace = absl::GetFlag(FLAGS_grace);
  options.drain.kill_after = absl::GetFlag(FLAGS_kill_after);
  options.backoff.initial = absl::GetFlag(FLAGS_backoff_initial);
  options.backoff.max = absl::GetFlag(FLAGS_backoff_max);
  options.breaker.deaths = absl::GetFlag(FLAGS_breaker_deaths);
  options.breaker.cool_down = absl::GetFlag(FLAGS_breaker_cool_down);
  options.watchdog.interval = absl::GetFlag(FLAGS_watchdog_interval);
  options.watchdog.stall_warn = absl::GetFlag(FLAGS_stall_warn);
  options.watchdog.stall_kill = absl::GetFlag(FLAGS_stall_kill);
  options.watchdog.stopped_kill = absl::GetFlag(FLAGS_stopped_kill);
  options.recycle.max_requests = absl::GetFlag(FLAGS_max_requests);
  options.recycle.max_lifetime = absl::GetFlag(FLAGS_max_lifetime);
  options.recycle.min_lifetime = absl::GetFlag(FLAGS_min_lifetime);
  options.autoscaler.mode = AutoscalerByName(absl::GetFlag(FLAGS_autoscaler));
  options.autoscaler.interval = absl::GetFlag(FLAGS_autoscaler_interval);
  options.autoscaler.scale_down_hold = absl::GetFlag(FLAGS_scale_down_hold);
  options.autoscaler.min_spare = absl::GetFlag(FLAGS_min_spare);
  options.autoscaler.max_spare = absl::GetFlag(FLAGS_max_spare);
  if (const int adj = absl::GetFlag(FLAGS_oom_score_adj); adj != 0) {
    options.worker.oom_score_adj = adj;
  }
  options.sidecar = squall::MakeControlSidecar(
      {.listener = squall::BindUnixSocket(absl::GetFlag(FLAGS_control).substr(sizeof("unix:") - 1))
                       .value()});
  if (const std::string path = absl::GetFlag(FLAGS_leak_at_reload); !path.empty()) {
    options.hooks.on_reload = [path] {
      FILE* const file = std::fopen(path.c_str(), "w");
      PCHECK(file != nullptr) << path;
      std::fprintf(file, "%d\n", squall::testing::LeakDescriptors());
      std::fclose(file);
      return absl::UnavailableError("descriptors were leaked instead");
    };
  }
  return options;
}

// As harness.py wants to read it.
void Announce(int port, const std::vector<pid_t>& workers) {
  std::string pids;
  for (const pid_t pid : workers) absl::StrAppend(&pids, " ", pid);
  std::printf("serving http://127.0.0.1:%d/\n  workers%s\ntry\n", port,
              pids.empty() ? " 0" : pids.c_str());
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  squall::ParseFlagsOrExit(argc, argv, "faulty_server: a pool that tests do harm to");
  if (const std::string path = absl::GetFlag(FLAGS_log_file); !path.empty()) {
    if (absl::Status opened = squall::OpenLogFile(path); !opened.ok()) LOG(FATAL) << opened;
  }
  if (const auto user = static_cast<uid_t>(absl::GetFlag(FLAGS_run_as)); user != 0) {
    PCHECK(setgroups(0, nullptr) == 0 && setresgid(user, user, user) == 0 &&
           setresuid(user, user, user) == 0)
        << "cannot become user " << user;
  }
  squall::HttpServerOptions http;
  http.accept_policy = PolicyByName(absl::GetFlag(FLAGS_accept_policy));
  squall::ForkOptions options = OptionsFromFlags();
  const auto wanted_port = static_cast<uint16_t>(absl::GetFlag(FLAGS_port));
  const squall::BindOptions bind{.address = absl::GetFlag(FLAGS_address)};
  std::vector<squall::ListenSocket> sockets;
  std::optional<squall::ReusePortListeners> by_slot;
  if (http.accept_policy == squall::AcceptPolicy::kReusePort) {
    by_slot = squall::ReusePortListeners::Bind(wanted_port, options.max_workers, bind).value();
    options.on_serving = [&by_slot](absl::Span<const int> slots) {
      if (absl::Status set = by_slot->SetServing(slots); !set.ok()) LOG(FATAL) << set;
    };
  } else {
    sockets = squall::BindSockets(wanted_port, bind).value();
  }
  const int port = by_slot.has_value() ? by_slot->addresses()[0].port() : sockets[0].port();
  if (absl::GetFlag(FLAGS_announce_at_once)) {
    Announce(port, {});
  } else {
    options.on_ready = [port](const squall::PoolSnapshot& pool) {
      std::vector<pid_t> workers;
      for (const squall::WorkerSnapshot& worker : pool.workers) workers.push_back(worker.slot.pid);
      Announce(port, workers);
    };
  }
  const auto id = squall::ForkProcesses(absl::GetFlag(FLAGS_workers), std::move(options));
  if (!id.ok()) squall::ExitWithUsageError(std::string(id.status().message()));

  squall::testing::ActOutBootFault(absl::GetFlag(FLAGS_boot_fault), *id);
  squall::Application app(squall::testing::FaultRules(), {.log_function = nullptr});
  squall::HttpServer server(app, http);
  server.AddSockets(by_slot.has_value() ? (*std::move(by_slot)).TakeSlot(*id) : std::move(sockets));
  squall::IOLoop::Current().Start();
  return 0;
}
