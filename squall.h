// Everything a small server needs, in one include. Larger programs include what they use.
//
//   #include "squall/squall.h"
//
//   struct LongHandler : squall::RequestHandler {
//     void Get() {
//       Write(absl::StrCat(getpid()));
//       absl::SleepFor(absl::Seconds(10));  // blocks this worker only
//     }
//   };
//
//   int main() {
//     auto sockets = squall::BindSockets(8090).value();
//     squall::ForkProcesses(2).value();  // returns in the workers
//     squall::Application app{{"/", squall::Handler<LongHandler>()}};
//     squall::HttpServer server(app);
//     server.AddSockets(std::move(sockets));
//     squall::IOLoop::Current().Start();
//   }
//
// httpserver/serve.h does all of main() in one call.
//
// The control plane is not in it: it brings gRPC along. See control/control_process.h.
#ifndef SQUALL_SQUALL_H_
#define SQUALL_SQUALL_H_

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "squall/httpserver/httpserver.h"
#include "squall/httpserver/serve.h"
#include "squall/ioloop/executor.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/periodic_callback.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"
#include "squall/netutil/connect.h"
#include "squall/netutil/sockets.h"
#include "squall/process/cpu_count.h"
#include "squall/process/fork.h"
#include "squall/process/worker.h"
#include "squall/web/access_log.h"
#include "squall/web/application.h"
#include "squall/web/authenticated.h"
#include "squall/web/conditional.h"
#include "squall/web/handler.h"
#include "squall/web/request_handler.h"

#endif  // SQUALL_SQUALL_H_
