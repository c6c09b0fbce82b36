// Everything about a server that Serve() runs.
//
//   squall::ServeOptions options{.listen = {"localhost:8888", "unix:/run/app.sock"}};
//   options.workers = 4;
//   options.fork.max_workers = 16;
//   options.http.max_body_size = 8 << 20;
//   if (absl::Status status = Validate(options); !status.ok()) ...
#ifndef SQUALL_HTTPSERVER_SERVE_OPTIONS_H_
#define SQUALL_HTTPSERVER_SERVE_OPTIONS_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "squall/httpserver/http_server_options.h"
#include "squall/netutil/address.h"
#include "squall/process/fork.h"
#include "squall/process/worker_settings.h"

namespace squall {

struct ServeOptions {
  // HOST:PORT, :PORT for every interface, unix:PATH; see netutil/listen_address.h. At least one. The
  // file of a unix socket stays when the server ends and is replaced by the next one.
  std::vector<std::string> listen = {"localhost:8888"};
  // Connections that may wait to be accepted, for each address.
  int backlog = 1024;
  // Permissions of the files of unix sockets.
  mode_t unix_mode = 0600;

  // Processes to begin with, no more than fork.max_workers and what an autoscaler may start. 0: one
  // per CPU, within the same bounds. One worker has a master, too, which replaces it when it dies.
  int workers = 0;
  // How the pool is kept, resized, restarted and stopped. Serve() itself sets fork.listeners. With
  // http.accept_policy kReusePort there are fork.max_workers sockets for each TCP address.
  ForkOptions fork = {};
  // Of the HttpServer in each worker.
  HttpServerOptions http = {};

  // Called once, with the addresses that were bound in the order of `listen`, before the first
  // fork.
  absl::AnyInvocable<void(const std::vector<SocketAddress>&)> on_listening = {};

  // Called in the master at SIGHUP, after fork.hooks.on_reload, with what the newest workers got: it
  // may change both, for the workers of the rolling restart that follows. After an error, or when
  // what it made is not valid, there is no restart and nothing has changed. If the restart fails,
  // the workers that come back are as they were. It is subject to the rules for hooks in the master
  // (process/hooks.h).
  absl::AnyInvocable<absl::Status(HttpServerOptions& http, WorkerSettings& worker)> on_reload = {};
};

// How many workers Serve() starts.
int WorkerCount(const ServeOptions& options);

// OK, or INVALID_ARGUMENT naming the first option that makes no sense, for itself or beside
// another, with its value and what would be right; for fork.worker and files also other codes, as
// Validate(int, const ForkOptions&). Binds nothing and resolves no host names; looks up user, group
// and directories.
absl::Status Validate(const ServeOptions& options);

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_SERVE_OPTIONS_H_
