// A program of a test's own, run in a forked child, which may become a master with workers. The
// test talks to it by lines on a pipe and by signals, and sees its end.
//
//   ForkedProgram program([](LineWriter out) {
//     const int id = squall::ForkProcesses(2).value();
//     out.Write(absl::StrCat("worker ", id));
//     squall::IOLoop::Current().Start();
//     return 0;
//   });
//   EXPECT_THAT(program.ReadLines(2), UnorderedElementsAre("worker 0", "worker 1"));
//   program.Signal(SIGTERM);
//   EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
//
// The destructor kills the program and then everything that holds the pipe, so that a failed test
// leaves no process behind. Every wait has a deadline; past it the test fails.
#ifndef SQUALL_PROCESS_TESTING_FORKED_PROGRAM_H_
#define SQUALL_PROCESS_TESTING_FORKED_PROGRAM_H_

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "squall/base/unique_fd.h"
#include "squall/process/child_process.h"
#include "squall/process/exit_status.h"

namespace squall::testing {

// How long a test waits for what has to happen; generous, for a busy machine with sanitizers.
inline constexpr absl::Duration kPatience = absl::Seconds(30);

// Polls `condition` until it holds; false when kPatience is over.
bool Eventually(absl::FunctionRef<bool()> condition);

// Does a process with this pid exist and is it no zombie?
bool IsAlive(pid_t pid);

// The write end of the program's pipe; inherited by its workers. One write(2) per line.
class LineWriter {
 public:
  explicit LineWriter(int fd) : fd_(fd) {}
  void Write(std::string_view line) const;
  int fd() const { return fd_; }

 private:
  int fd_;
};

class ForkedProgram {
 public:
  explicit ForkedProgram(absl::FunctionRef<int(LineWriter)> main);
  ~ForkedProgram();

  pid_t pid() const { return process_.pid; }
  void Signal(int signo) { internal::Signal(process_.pidfd, signo); }

  // The next line; "" with a test failure when none comes in time.
  std::string ReadLine();
  std::vector<std::string> ReadLines(int count);
  // True when every process that held the pipe is gone, i.e. the whole pool; reads what is left.
  bool WaitForEndOfOutput();
  // What it wrote and ReadLine did not take yet; whole after WaitForEndOfOutput.
  const std::string& rest() const { return buffer_; }
  // The end of the program itself.
  ExitStatus Wait();

 private:
  internal::ChildProcess process_;
  UniqueFd output_;
  std::string buffer_;
};

}  // namespace squall::testing

#endif  // SQUALL_PROCESS_TESTING_FORKED_PROGRAM_H_
