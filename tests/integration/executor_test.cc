// An executor made before ForkProcesses: every worker has threads of its own, the master has none.
#include "squall/ioloop/executor.h"

#include <dirent.h>
#include <unistd.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/task.h"
#include "squall/process/fork.h"
#include "squall/process/testing/forked_program.h"

namespace squall {
namespace {

using testing::ForkedProgram;
using testing::LineWriter;
using ::testing::UnorderedElementsAre;

int ThreadsOf(pid_t pid) {
  DIR* const tasks = ::opendir(absl::StrCat("/proc/", pid, "/task").c_str());
  if (tasks == nullptr) return -1;
  int count = -2;  // "." and ".."
  while (::readdir(tasks) != nullptr) ++count;
  ::closedir(tasks);
  return count;
}

Task<> Report(Executor* executor, int task_id, LineWriter out) {
  const absl::StatusOr<bool> there =
      co_await executor->Run([] { return ::gettid() != ::getpid(); });
  const absl::StatusOr<pid_t> pid = co_await RunInExecutor([] { return ::getpid(); });
  out.Write(absl::StrCat("worker ", task_id, there.value_or(false) ? " in a thread" : " failed",
                         pid.value_or(0) == ::getpid() ? " of its own" : " of another"));
}

TEST(ExecutorTest, MadeBeforeForkProcesses) {
  ForkedProgram program([](LineWriter out) {
    Executor executor;
    Executor::Default();
    const int task_id = ForkProcesses(2).value();
    IOLoop::Current().Spawn(Report(&executor, task_id, out));
    IOLoop::Current().Start();
    return 0;
  });
  EXPECT_THAT(program.ReadLines(2), UnorderedElementsAre("worker 0 in a thread of its own",
                                                         "worker 1 in a thread of its own"));
  EXPECT_EQ(ThreadsOf(program.pid()), 1);
  program.Signal(SIGTERM);
  EXPECT_TRUE(program.WaitForEndOfOutput());
}

// One that was used before keeps the master from forking, and its destructor makes that good.
TEST(ExecutorTest, UsedBeforeForkProcesses) {
  ForkedProgram program([](LineWriter out) {
    {
      Executor executor;
      out.Write(absl::StrCat(IOLoop::Current().RunSync(executor.Run([] { return 1; })).value()));
      IOLoop::ClearCurrent();
      out.Write(ForkProcesses(2).status().ToString());
    }
    out.Write(absl::StrCat("worker ", ForkProcesses(1).value()));
    return 0;
  });
  EXPECT_EQ(program.ReadLine(), "1");
  EXPECT_THAT(program.ReadLine(), ::testing::StartsWith("FAILED_PRECONDITION: "));
  EXPECT_EQ(program.ReadLine(), "worker 0");
  EXPECT_TRUE(program.WaitForEndOfOutput());
}

}  // namespace
}  // namespace squall
