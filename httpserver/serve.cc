#include "squall/httpserver/serve.h"

#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "squall/base/logging.h"
#include "squall/base/status_macros.h"
#include "squall/httpserver/generation_table.h"
#include "squall/httpserver/httpserver.h"
#include "squall/httpserver/pool_listeners.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/accept.h"
#include "squall/netutil/sockets.h"
#include "squall/process/hooks.h"
#include "squall/process/next_worker.h"

namespace squall {
namespace {

// What a rolling restart can change.
struct WorkerConfiguration {
  HttpServerOptions http;
  WorkerSettings worker;
  ResolvedWorkerSettings resolved;
};

// The configuration of the workers in a master that reads it again.
class Reloading {
 public:
  // Hooks itself into `options`, both of which must live as long as the master.
  Reloading(ServeOptions& options, ResolvedWorkerSettings resolved)
      : table_(
            {.http = options.http, .worker = options.fork.worker, .resolved = std::move(resolved)}),
        on_reload_(std::move(options.on_reload)),
        hook_on_reload_(std::exchange(options.fork.hooks.on_reload, [this] { return Reload(); })),
        hook_before_fork_(std::exchange(
            options.fork.hooks.before_fork,
            [this, &options](const WorkerIdentity& next) { BeforeFork(next, options.http); })) {}
  Reloading(const Reloading&) = delete;
  Reloading& operator=(const Reloading&) = delete;

 private:
  absl::Status Reload() {
    if (hook_on_reload_) RETURN_IF_ERROR(hook_on_reload_());
    WorkerConfiguration next = table_.Next();
    RETURN_IF_ERROR(on_reload_(next.http, next.worker));
    RETURN_IF_ERROR(Validate(next.http));
    RETURN_IF_ERROR(CheckSocketsFit(next.http.accept_policy));
    ASSIGN_OR_RETURN(next.resolved, Validate(next.worker));
    table_.SetNext(std::move(next));
    return absl::OkStatus();
  }

  // Nothing is bound any more once the pool runs.
  absl::Status CheckSocketsFit(AcceptPolicy next) const {
    const bool has = table_.Next().http.accept_policy == AcceptPolicy::kReusePort;
    if (has == (next == AcceptPolicy::kReusePort)) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(
        "the accept policy cannot change ", has ? "from" : "to",
        " reuse_port, which has a socket for each worker, while the server runs: start it anew"));
  }

  void BeforeFork(const WorkerIdentity& next, HttpServerOptions& http) {
    const WorkerConfiguration& configuration =
        table_.For(next.generation, internal::ServingGeneration());
    internal::SetWorkerSettings(configuration.resolved);
    http = configuration.http;
    if (hook_before_fork_) hook_before_fork_(next);
  }

  internal::GenerationTable<WorkerConfiguration> table_;
  absl::AnyInvocable<absl::Status(HttpServerOptions&, WorkerSettings&)> on_reload_;
  absl::AnyInvocable<absl::Status()> hook_on_reload_;
  absl::AnyInvocable<void(const WorkerIdentity&)> hook_before_fork_;
};

// Returns in the workers; `options.http` is what the worker gets then.
absl::StatusOr<std::vector<ListenSocket>> Start(ServeOptions& options) {
  RETURN_IF_ERROR(Validate(options));
  std::unique_ptr<Reloading> reloading;
  if (options.on_reload) {
    ASSIGN_OR_RETURN(ResolvedWorkerSettings resolved, Validate(options.fork.worker));
    reloading = std::make_unique<Reloading>(options, std::move(resolved));
  }
  ASSIGN_OR_RETURN(internal::PoolListeners listeners, internal::PoolListeners::Bind(options));
  if (options.on_listening) options.on_listening(listeners.addresses());
  options.fork.listeners = listeners.tcp_fds();
  if (listeners.has_slots()) {
    options.fork.on_serving = [&listeners, then = std::move(options.fork.on_serving)](
                                  absl::Span<const int> slots) mutable {
      listeners.SetServing(slots);
      if (then) then(slots);
    };
  }
  ASSIGN_OR_RETURN(const int task_id, ForkProcesses(WorkerCount(options), std::move(options.fork)));
  return std::move(listeners).TakeSlot(task_id);
}

int Run(HttpServerConnectionDelegate& app, const HttpServerOptions& options,
        std::vector<ListenSocket> sockets) {
  HttpServer server(app, options);
  server.AddSockets(std::move(sockets));
  IOLoop::Current().Start();
  return EXIT_SUCCESS;
}

}  // namespace

absl::StatusOr<int> Serve(HttpServerConnectionDelegate& app, ServeOptions options) {
  ASSIGN_OR_RETURN(std::vector<ListenSocket> sockets, Start(options));
  return Run(app, options.http, std::move(sockets));
}

absl::StatusOr<int> Serve(AppFactory make_app, ServeOptions options) {
  ASSIGN_OR_RETURN(std::vector<ListenSocket> sockets, Start(options));
  const absl::StatusOr<std::unique_ptr<HttpServerConnectionDelegate>> app = make_app();
  if (!app.ok()) {
    LOG(ERROR) << "cannot make the application: " << app.status().message();
    return EXIT_FAILURE;
  }
  CHECK(*app != nullptr) << "the AppFactory made no application and returned no error";
  return Run(**app, options.http, std::move(sockets));
}

}  // namespace squall
