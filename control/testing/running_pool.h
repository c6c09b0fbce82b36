// testing/pool_program in a process of its own, for the length of a test.
#ifndef SQUALL_CONTROL_TESTING_RUNNING_POOL_H_
#define SQUALL_CONTROL_TESTING_RUNNING_POOL_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace squall::testing {

// How long a test waits for what has to happen.
inline constexpr absl::Duration kPatience = absl::Seconds(30);

// Polls until `condition` holds; false when kPatience is over.
bool Eventually(const std::function<bool()>& condition);

// Is there a process with this pid that is no zombie?
bool IsAlive(pid_t pid);

// How many threads a process has; 0 when there is none such.
int ThreadsOf(pid_t pid);

struct RunningPoolOptions {
  int workers = 2;
  int max_workers = 8;
  int nofile = 0;
  int exit_status_of_task_1 = -1;
};

class RunningPool {
 public:
  explicit RunningPool(const RunningPoolOptions& options = {});
  // Kills the master and waits for what follows it.
  ~RunningPool();

  RunningPool(const RunningPool&) = delete;
  RunningPool& operator=(const RunningPool&) = delete;

  pid_t master_pid() const { return pid_; }
  const std::string& socket_path() const { return path_; }
  std::string address() const { return "unix:" + path_; }
  int threads_at_start() const { return threads_at_start_; }

  // Waits for the master's end; its wait status.
  int Wait();

 private:
  std::string path_;
  pid_t pid_ = 0;
  int threads_at_start_ = 0;
};

}  // namespace squall::testing

#endif  // SQUALL_CONTROL_TESTING_RUNNING_POOL_H_
