// A pool with a control process whose workers do nothing, as a program of its own, so that a test
// may use gRPC itself.
//
//   pool_program SOCKET WORKERS MAX_WORKERS [NOFILE [EXIT_STATUS]]
//
// prints "threads N", counted when main() begins, then runs the pool. NOFILE: RLIMIT_NOFILE.
// With EXIT_STATUS the worker of task 1 exits so at once.
#include <stdlib.h>
#include <sys/resource.h>

#include <cstdio>
#include <filesystem>
#include <iterator>
#include <optional>
#include <utility>

#include "squall/base/logging.h"
#include "squall/control/control_process.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/sockets.h"
#include "squall/process/fork.h"

int main(int argc, char** argv) {
  const std::filesystem::directory_iterator threads("/proc/self/task");
  std::printf("threads %td\n", std::distance(begin(threads), end(threads)));
  std::fflush(stdout);
  CHECK_GE(argc, 4);
  if (argc > 4 && atoi(argv[4]) > 0) {
    const rlim_t limit = static_cast<rlim_t>(atoi(argv[4]));
    const rlimit nofile = {.rlim_cur = limit, .rlim_max = limit};
    PCHECK(setrlimit(RLIMIT_NOFILE, &nofile) == 0);
  }
  auto listener = squall::BindUnixSocket(argv[1]);
  if (!listener.ok()) {
    LOG(ERROR) << listener.status();
    return 1;
  }
  squall::ForkOptions options;
  options.max_workers = atoi(argv[3]);
  options.breaker.deaths = 3;
  options.drain.grace = absl::Seconds(5);
  options.sidecar = squall::MakeControlSidecar({.listener = *std::move(listener)});
  const auto task = squall::ForkProcesses(atoi(argv[2]), std::move(options));
  if (!task.ok()) {
    LOG(ERROR) << task.status();
    return 1;
  }
  if (argc > 5 && *task == 1) return atoi(argv[5]);
  squall::IOLoop::Current().Start();
  return 0;
}
