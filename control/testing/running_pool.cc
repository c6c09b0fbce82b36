#include "squall/control/testing/running_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "squall/base/logging.h"
#include "squall/control/testing/socket_path.h"

extern char** environ;

namespace squall::testing {
bool Eventually(const std::function<bool()>& condition) {
  for (const absl::Time end = absl::Now() + kPatience; absl::Now() < end;) {
    if (condition()) return true;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return condition();
}

bool IsAlive(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  std::string stat((std::istreambuf_iterator<char>(file)), {});
  const size_t state = stat.rfind(") ");
  return state != std::string::npos && stat[state + 2] != 'Z';
}

int ThreadsOf(pid_t pid) {
  std::error_code error;
  const std::filesystem::directory_iterator tasks(absl::StrCat("/proc/", pid, "/task"), error);
  return error ? 0 : static_cast<int>(std::distance(begin(tasks), end(tasks)));
}

RunningPool::RunningPool(const RunningPoolOptions& options) : path_(NewSocketPath()) {
  std::vector<std::string> args = {"control/pool_program", path_, absl::StrCat(options.workers),
                                   absl::StrCat(options.max_workers), absl::StrCat(options.nofile)};
  if (options.exit_status_of_task_1 >= 0) {
    args.push_back(absl::StrCat(options.exit_status_of_task_1));
  }
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  int pipe_ends[2];
  PCHECK(pipe2(pipe_ends, O_CLOEXEC) == 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
  const int error = posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  CHECK_EQ(error, 0) << strerror(error) << ": " << argv[0];
  close(pipe_ends[1]);
  FILE* const output = fdopen(pipe_ends[0], "r");
  CHECK_EQ(fscanf(output, "threads %d", &threads_at_start_), 1);
  fclose(output);
}

RunningPool::~RunningPool() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    Wait();
  }
  unlink(path_.c_str());
}

int RunningPool::Wait() {
  int status = -1;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  return status;
}

}  // namespace squall::testing
