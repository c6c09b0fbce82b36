// A server in one call: it binds, forks, supervises and serves.
//
//   struct MainHandler : squall::RequestHandler {
//     void Get() { Write("Hello, world\n"); }
//   };
//
//   int main() {
//     squall::Application app{{"/", squall::Handler<MainHandler>()}};
//     return squall::Serve(app, {.listen = {":8090"}, .workers = 2}).value();
//   }
//
// An application with connections or threads of its own is made in each worker, for neither gets
// over a fork:
//
//   int main() {
//     return squall::Serve([]() -> absl::StatusOr<std::unique_ptr<squall::Application>> {
//              ASSIGN_OR_RETURN(std::shared_ptr<Database> database, Database::Open("main"));
//              return squall::Application::Create(
//                  {{"/", squall::Handler<MainHandler>(database)}});
//            }).value();
//   }
//
// The calling process becomes the master (process/fork.h) and never returns from the call: it
// exits with 0 after SIGTERM, or when all workers are done. Signals, restarts and limits are those
// of ForkProcesses(). A program that wants something between these steps takes them itself, as the
// example of squall.h does.
//
// The control plane comes as ServeOptions::fork.sidecar (control/control_process.h).
#ifndef SQUALL_HTTPSERVER_SERVE_H_
#define SQUALL_HTTPSERVER_SERVE_H_

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "squall/httpserver/http_delegate.h"
#include "squall/httpserver/serve_options.h"

namespace squall {

// Makes the application in a worker: after the hook after_fork, as the worker's user, before the
// worker accepts. It may block, up to ForkOptions::boot_timeout, and start threads. An error is
// logged and ends the worker with status 1, which is a boot failure: the master tries again with
// back-off, and a rolling restart keeps the old workers.
using AppFactory =
    absl::AnyInvocable<absl::StatusOr<std::unique_ptr<HttpServerConnectionDelegate>>()>;

// Returns in each worker when it is done, with the exit status that main() is to return; and
// returns an error in the calling process when nothing was forked: an option that Validate()
// refuses, an address that cannot be bound, what ForkProcesses() says. Call it in the main thread,
// before anything makes threads or an IOLoop.
//
// `app` is used in the workers, in each its own copy, and must outlive the call.
absl::StatusOr<int> Serve(HttpServerConnectionDelegate& app, ServeOptions options = {});
absl::StatusOr<int> Serve(AppFactory make_app, ServeOptions options = {});

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_SERVE_H_
