// What the tests of Subprocess share. Tests only.
//
//   TEST_F(SubprocessFixture, ...) {
//     auto process = Start({.argv = {"true"}});
//     EXPECT_THAT(Await(process->WaitForExit()), IsOk());
//     ExpectNoChildren();
//   }
#ifndef SQUALL_PROCESS_TESTING_SUBPROCESS_FIXTURE_H_
#define SQUALL_PROCESS_TESTING_SUBPROCESS_FIXTURE_H_

#include <dirent.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/logging.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"
#include "squall/process/subprocess.h"
#include "squall/process/testing/forked_program.h"

namespace squall::testing {

// The numbers of this process's open descriptors.
inline std::set<int> OpenDescriptors() {
  std::set<int> open;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc/self/fd"), closedir);
  while (const dirent* entry = readdir(folder.get())) {
    int fd;
    if (absl::SimpleAtoi(entry->d_name, &fd) && fd != dirfd(folder.get())) open.insert(fd);
  }
  return open;
}

// This process has no child, neither a living one nor a zombie.
inline void ExpectNoChildren() {
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

// Runs `task` on this thread's loop.
template <TaskLike T>
auto Await(T task) {
  return IOLoop::Current().RunSync(std::move(task), kPatience);
}

inline Task<> Turn() { co_await Sleep(absl::Milliseconds(1)); }

// Turns the loop until `condition` holds, or fails.
inline void WaitFor(absl::FunctionRef<bool()> condition) {
  EXPECT_TRUE(Eventually([&] {
    Await(Turn()).IgnoreError();
    return condition();
  }));
}

inline std::unique_ptr<Subprocess> Start(const SubprocessOptions& options) {
  absl::StatusOr<std::unique_ptr<Subprocess>> process = Subprocess::Start(options);
  CHECK(process.ok()) << process.status();
  return *std::move(process);
}

inline Task<absl::StatusOr<std::string>> ReadOutput(Subprocess* process) {
  absl::StatusOr<std::string> output = co_await process->stdout_stream()->ReadUntilClose();
  const absl::StatusOr<ExitStatus> ended = co_await process->WaitForExit();
  if (!ended.ok()) co_return ended.status();
  co_return output;
}

// What a program writes to its stdout; an error if it does not end with success.
inline absl::StatusOr<std::string> OutputOf(SubprocessOptions options) {
  options.stdout = Stdio::kStream;
  const std::unique_ptr<Subprocess> process = Start(options);
  return Await(ReadOutput(process.get()));
}

class SubprocessFixture : public ::testing::Test {
 protected:
  ~SubprocessFixture() override { IOLoop::ClearCurrent(); }
};

}  // namespace squall::testing

#endif  // SQUALL_PROCESS_TESTING_SUBPROCESS_FIXTURE_H_
