// The server that load is put on: fixed answers as text/plain, nothing else in the way.
//
//   bench_server --port=8000 --workers=2
//
// GET `/` answers 13 octets `hello, world\n`, `/1k` and `/100k` 1,024 and 102,400 times `x`; POST
// `/post` reads the body and answers as `/`; `/slow` blocks its worker for 200 ms; `/pid` answers
// with the worker's pid; what is in --static_root is on `/static/`. No access log and no Etag. Prints
// `READY ADDRESS` once the sockets listen.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "squall/base/flags.h"
#include "squall/base/logging.h"
#include "squall/httpserver/httpserver.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/sockets.h"
#include "squall/netutil/tcp_options.h"
#include "squall/process/fork.h"
#include "squall/web/application.h"
#include "squall/web/handler.h"
#include "squall/web/request_handler.h"
#include "squall/web/settings.h"

ABSL_FLAG(uint16_t, port, 0, "TCP port on 127.0.0.1; 0 takes any");
ABSL_FLAG(int, workers, 1, "worker processes; 0: one per CPU");
ABSL_FLAG(bool, fork, true,
          "false: no pool, this process alone serves, for valgrind, which knows no pidfds");
ABSL_FLAG(
    absl::Duration, defer_accept, absl::Seconds(1),
    "TcpOptions::defer_accept; 0: connections are accepted before their first request is there");
ABSL_FLAG(std::string, static_root, "", "a folder that is served on /static/");
ABSL_FLAG(int, touch_mib, 0, "memory that the master has written to before it forks, in MiB");
ABSL_FLAG(std::string, touch_as, "private",
          "what that memory is: private, huge (private, in transparent huge pages) or shared");
ABSL_FLAG(absl::Duration, healthy_after, absl::Minutes(1),
          "a worker that was ready this long before it died is replaced without delay");
ABSL_FLAG(absl::Duration, watchdog_interval, absl::Seconds(1), "how often the master looks");

namespace {

struct Plain : squall::RequestHandler {
  void SetDefaultHeaders() override {
    SetHeader("Content-Type", "text/plain");
    DisableAutomaticEtag();
  }
};

struct HelloWorld : Plain {
  void Get() { Write("hello, world\n"); }
};

struct Filler : Plain {
  explicit Filler(const std::string* text) : text(text) {}
  void Get() { Write(*text); }
  const std::string* text;  // not owned
};

struct Pid : Plain {
  void Get() { Write(absl::StrCat(getpid())); }
};

struct ReadPost : Plain {
  void Post() { Write("hello, world\n"); }
};

struct Slow : Plain {
  void Get() {
    absl::SleepFor(absl::Milliseconds(200));
    Write("hello, world\n");
  }
};

// Kept to the end of the process.
void TouchMemory() {
  const size_t size = static_cast<size_t>(absl::GetFlag(FLAGS_touch_mib)) << 20;
  if (size == 0) return;
  const std::string kind = absl::GetFlag(FLAGS_touch_as);
  if (kind != "private" && kind != "huge" && kind != "shared") {
    squall::ExitWithUsageError(
        absl::StrCat("--touch_as=", kind, ": private, huge or shared are possible"));
  }
  void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                            MAP_ANONYMOUS | (kind == "shared" ? MAP_SHARED : MAP_PRIVATE), -1, 0);
  PCHECK(memory != MAP_FAILED) << "mmap of " << size << " octets";
  if (kind == "huge") PCHECK(madvise(memory, size, MADV_HUGEPAGE) == 0) << "MADV_HUGEPAGE";
  std::memset(memory, 'x', size);
}

// True in each worker.
bool Fork() {
  squall::ForkOptions options;
  options.backoff.healthy_after = absl::GetFlag(FLAGS_healthy_after);
  options.watchdog.interval = absl::GetFlag(FLAGS_watchdog_interval);
  const absl::StatusOr<int> task =
      squall::ForkProcesses(absl::GetFlag(FLAGS_workers), std::move(options));
  if (!task.ok()) std::cerr << "bench_server: " << task.status().message() << std::endl;
  return task.ok();
}

int Serve() {
  if (absl::GetFlag(FLAGS_workers) < 0) {
    squall::ExitWithUsageError(
        absl::StrCat("--workers=", absl::GetFlag(FLAGS_workers), ": 0 or more are possible"));
  }
  squall::TcpOptions tcp;
  tcp.defer_accept = absl::GetFlag(FLAGS_defer_accept);
  absl::StatusOr<std::vector<squall::ListenSocket>> sockets =
      squall::BindSockets(absl::GetFlag(FLAGS_port), {.address = "127.0.0.1", .tcp = tcp});
  if (!sockets.ok()) {
    std::cerr << "bench_server: " << sockets.status().message() << std::endl;
    return EXIT_FAILURE;
  }
  std::cout << "READY " << sockets->front().address().ToString() << std::endl;
  const std::string text_1k(1024, 'x');
  const std::string text_100k(102400, 'x');
  squall::Settings settings;
  settings.log_function = nullptr;
  settings.static_path = absl::GetFlag(FLAGS_static_root);
  // Before the fork, as in Tornado's start(0): the workers find it ready.
  squall::Application app(
      {
          {"/", squall::Handler<HelloWorld>()},
          {"/1k", squall::Handler<Filler>(&text_1k)},
          {"/100k", squall::Handler<Filler>(&text_100k)},
          {"/post", squall::Handler<ReadPost>()},
          {"/slow", squall::Handler<Slow>()},
          {"/pid", squall::Handler<Pid>()},
      },
      settings);
  TouchMemory();
  if (absl::GetFlag(FLAGS_fork) && !Fork()) return EXIT_FAILURE;

  squall::HttpServer server(app);
  server.AddSockets(*std::move(sockets));
  squall::IOLoop::Current().Start();
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  squall::ParseFlagsOrExit(argc, argv, "bench_server: fixed answers to put load on");
  return Serve();
}
