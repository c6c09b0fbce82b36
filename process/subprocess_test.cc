// Streams and the end of programs. SubprocessTest of tornado/test/process_test.py, one to one, and
// what it leaves open; how programs are started is in subprocess_start_test.cc.
#include "squall/process/subprocess.h"

#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/task.h"
#include "squall/process/exit_status.h"
#include "squall/process/testing/forked_program.h"
#include "squall/process/testing/subprocess_fixture.h"

namespace squall {
namespace {

using ::testing::AllOf;
using testing::Await;
using ::testing::ElementsAre;
using testing::ExpectNoChildren;
using ::testing::HasSubstr;
using testing::OpenDescriptors;
using testing::OutputOf;
using testing::Start;
using testing::SubprocessFixture;
using testing::Turn;
using testing::WaitFor;

using SubprocessTest = SubprocessFixture;

SubprocessOptions Interpreter() {
  return {.argv = {"python3", "-u", "-i"},
          .stdin = Stdio::kStream,
          .stdout = Stdio::kStream,
          .stderr = Stdio::kStdout};
}

SubprocessOptions Python(const std::string& program) {
  return {.argv = {"python3", "-u", "-c", program}};
}

TEST_F(SubprocessTest, test_subprocess) {
  const auto process = Start(Interpreter());
  IOStream& in = *process->stdin_stream();
  IOStream& out = *process->stdout_stream();
  EXPECT_THAT(Await(out.ReadUntil(">>> ")), IsOk());
  EXPECT_THAT(Await(in.Write("print('hello')\n")), IsOk());
  EXPECT_THAT(Await(out.ReadUntil("\n")), IsOkAndHolds("hello\n"));
  EXPECT_THAT(Await(out.ReadUntil(">>> ")), IsOk());
  EXPECT_THAT(Await(in.Write("raise SystemExit\n")), IsOk());
  EXPECT_THAT(Await(out.ReadUntilClose()), IsOkAndHolds(""));
  EXPECT_THAT(Await(process->WaitForExit()), IsOk());
}

TEST_F(SubprocessTest, test_close_stdin) {
  const auto process = Start(Interpreter());
  EXPECT_THAT(Await(process->stdout_stream()->ReadUntil(">>> ")), IsOk());
  process->stdin_stream()->Close();
  EXPECT_THAT(Await(process->stdout_stream()->ReadUntilClose()), IsOkAndHolds("\n"));
  EXPECT_THAT(Await(process->WaitForExit()), IsOk());
}

TEST_F(SubprocessTest, test_stderr) {
  SubprocessOptions options = Python(R"(import sys; sys.stderr.write('hello\n'))");
  options.stderr = Stdio::kStream;
  const auto process = Start(options);
  EXPECT_EQ(process->stdin_stream(), nullptr);
  EXPECT_EQ(process->stdout_stream(), nullptr);
  EXPECT_THAT(Await(process->stderr_stream()->ReadUntil("\n")), IsOkAndHolds("hello\n"));
  EXPECT_THAT(Await(process->WaitForExit()), IsOk());
}

TEST_F(SubprocessTest, test_sigchild) {
  const auto process = Start(Python("pass"));
  std::vector<ExitStatus> ends;
  process->SetExitCallback([&ends](ExitStatus status) { ends.push_back(status); });
  WaitFor([&] { return !ends.empty(); });
  EXPECT_THAT(ends, ElementsAre(ExitStatus::Exited(0)));
  EXPECT_EQ(process->exit_status(), ExitStatus::Exited(0));
}

TEST_F(SubprocessTest, test_sigchild_future) {
  const auto process = Start(Python("pass"));
  EXPECT_EQ(process->exit_status(), std::nullopt);
  EXPECT_THAT(Await(process->WaitForExit()), IsOkAndHolds(ExitStatus::Exited(0)));
  EXPECT_EQ(process->exit_status(), ExitStatus::Exited(0));
}

TEST_F(SubprocessTest, test_sigchild_signal) {
  const auto process = Start(Python("import time; time.sleep(30)"));
  std::vector<ExitStatus> ends;
  process->SetExitCallback([&ends](ExitStatus status) { ends.push_back(status); });
  ASSERT_EQ(kill(process->pid(), SIGTERM), 0);
  WaitFor([&] { return !ends.empty(); });
  EXPECT_THAT(ends, ElementsAre(ExitStatus::Killed(SIGTERM)));
  EXPECT_EQ(process->exit_status(), ExitStatus::Killed(SIGTERM));
}

TEST_F(SubprocessTest, test_wait_for_exit_raise) {
  const auto process = Start(Python("import sys; sys.exit(1)"));
  EXPECT_THAT(Await(process->WaitForExit()),
              StatusIs(absl::StatusCode::kUnknown, absl::StrCat("\"python3\" (pid ", process->pid(),
                                                                ") exited with status 1")));
  EXPECT_EQ(process->exit_status(), ExitStatus::Exited(1));
}

TEST_F(SubprocessTest, test_wait_for_exit_raise_disabled) {
  const auto process = Start(Python("import sys; sys.exit(1)"));
  EXPECT_THAT(Await(process->WaitForExit(RaiseError::kNever)), IsOkAndHolds(ExitStatus::Exited(1)));
}

// The example of subprocess.h.
Task<absl::StatusOr<std::string>> Sorted(std::string lines) {
  SubprocessOptions options;
  options.argv = {"sort", "-u"};
  options.stdin = Stdio::kStream;
  options.stdout = Stdio::kStream;
  auto sort = Subprocess::Start(options);
  if (!sort.ok()) co_return sort.status();
  absl::Status written = co_await (*sort)->stdin_stream()->Write(std::move(lines));
  if (!written.ok()) co_return written;
  (*sort)->stdin_stream()->Close();  // the end of file for sort
  auto sorted = co_await (*sort)->stdout_stream()->ReadUntilClose();
  auto ended = co_await (*sort)->WaitForExit();
  if (!ended.ok()) co_return ended.status();
  co_return sorted;
}

TEST_F(SubprocessTest, Example) {
  EXPECT_THAT(Await(Sorted("c\na\nb\na\n")), IsOkAndHolds("a\nb\nc\n"));
}

TEST_F(SubprocessTest, TheExitCallbackMayBeSetAfterTheEnd) {
  const auto process = Start({.argv = {"sh", "-c", "exit 3"}});
  EXPECT_THAT(Await(process->WaitForExit(RaiseError::kNever)), IsOk());
  int calls = 0;
  process->SetExitCallback([&calls](ExitStatus status) {
    EXPECT_EQ(status, ExitStatus::Exited(3));
    ++calls;
  });
  EXPECT_EQ(calls, 0);
  for (int i = 0; i < 3; ++i) EXPECT_THAT(Await(Turn()), IsOk());
  EXPECT_EQ(calls, 1);
  // Every wait is answered, too.
  EXPECT_THAT(Await(process->WaitForExit(RaiseError::kNever)), IsOkAndHolds(ExitStatus::Exited(3)));
}

TEST_F(SubprocessTest, ALaterExitCallbackTakesThePlaceOfAnEarlierOne) {
  const auto process = Start({.argv = {"true"}});
  std::vector<std::string> calls;
  process->SetExitCallback([&calls](ExitStatus) { calls.push_back("first"); });
  process->SetExitCallback([&calls](ExitStatus) { calls.push_back("second"); });
  EXPECT_THAT(Await(process->WaitForExit()), IsOk());
  EXPECT_THAT(Await(Turn()), IsOk());
  EXPECT_THAT(calls, ElementsAre("second"));
  process->SetExitCallback([&calls](ExitStatus) { calls.push_back("third"); });
  process->SetExitCallback([&calls](ExitStatus) { calls.push_back("fourth"); });
  for (int i = 0; i < 3; ++i) EXPECT_THAT(Await(Turn()), IsOk());
  EXPECT_THAT(calls, ElementsAre("second", "fourth"));
}

TEST_F(SubprocessTest, TheExitCallbackMayDestroyTheSubprocess) {
  std::unique_ptr<Subprocess> process = Start({.argv = {"true"}});
  process->SetExitCallback([&process](ExitStatus) { process.reset(); });
  WaitFor([&] { return process == nullptr; });
  ExpectNoChildren();
}

Task<> Append(Task<absl::StatusOr<ExitStatus>> wait, std::vector<int>* codes) {
  const absl::StatusOr<ExitStatus> status = co_await std::move(wait);
  codes->push_back(status.ok() ? status->code : -1);
}

TEST_F(SubprocessTest, SeveralMayWaitAndOneMayGiveUp) {
  const auto process = Start({.argv = {"cat"}, .stdin = Stdio::kStream});
  std::vector<int> codes;
  IOLoop::Current().Spawn(Append(process->WaitForExit(), &codes));
  EXPECT_THAT(IOLoop::Current().RunSync(process->WaitForExit(), absl::Milliseconds(1)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  IOLoop::Current().Spawn(Append(process->WaitForExit(), &codes));
  process->stdin_stream()->Close();
  EXPECT_THAT(Await(process->WaitForExit()), IsOk());
  EXPECT_THAT(codes, ElementsAre(0, 0));
}

// The program goes on without its Subprocess, and the loop reaps it.
TEST_F(SubprocessTest, AProgramOutlivesItsSubprocess) {
  auto process = Start({.argv = {"sh", "-c", "read line; exit 4"}, .stdin = Stdio::kStream});
  IOStream in = std::move(*process->stdin_stream());
  process->SetExitCallback([](ExitStatus) { ADD_FAILURE() << "was taken back"; });
  Task<absl::StatusOr<ExitStatus>> wait = process->WaitForExit(RaiseError::kNever);
  process.reset();
  EXPECT_THAT(Await(Turn()), IsOk());
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), 0);  // It lives.
  EXPECT_THAT(Await(in.Write("go\n")), IsOk());
  EXPECT_THAT(Await(std::move(wait)), IsOkAndHolds(ExitStatus::Exited(4)));
  EXPECT_THAT(Await(Turn()), IsOk());
  ExpectNoChildren();
}

TEST_F(SubprocessTest, SignalsReachTheProgramAndNoOtherOne) {
  const auto process = Start({.argv = {"cat"}, .stdin = Stdio::kStream});
  EXPECT_THAT(process->Signal(1000),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr(absl::StrCat("signal 1000 to \"cat\" (pid ", process->pid()))));
  EXPECT_THAT(process->Signal(SIGKILL), IsOk());
  EXPECT_THAT(
      Await(process->WaitForExit()),
      StatusIs(absl::StatusCode::kUnknown, HasSubstr(") was killed by signal 9 (SIGKILL)")));
  EXPECT_THAT(process->Signal(SIGKILL), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(SubprocessTest, ManyAtOnceLeaveNoZombieAndNoDescriptor) {
  IOLoop::Current();
  const std::set<int> before = OpenDescriptors();
  std::vector<int> codes;
  std::vector<std::unique_ptr<Subprocess>> processes;
  for (int i = 0; i < 200; ++i) {
    processes.push_back(Start({.argv = {"cat"},
                               .stdin = Stdio::kStream,
                               .stdout = Stdio::kStream,
                               .stderr = Stdio::kStream}));
    IOLoop::Current().Spawn(Append(processes.back()->WaitForExit(), &codes));
  }
  for (const auto& process : processes) {
    EXPECT_THAT(Await(process->stdin_stream()->Write("x\n")), IsOk());
    EXPECT_THAT(Await(process->stdout_stream()->ReadUntil("\n")), IsOkAndHolds("x\n"));
  }
  for (const auto& process : processes) process->stdin_stream()->Close();
  for (const auto& process : processes) EXPECT_THAT(Await(process->WaitForExit()), IsOk());
  EXPECT_EQ(codes, std::vector<int>(200, 0));
  ExpectNoChildren();
  processes.clear();
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(SubprocessTest, AProgramThatEndedHoldsNoDescriptor) {
  IOLoop::Current();
  const std::set<int> before = OpenDescriptors();
  const auto process = Start({.argv = {"true"}});
  EXPECT_THAT(Await(process->WaitForExit()), IsOk());
  EXPECT_EQ(OpenDescriptors(), before);
}

// Another part of the program has a child of its own, whose status stays its own.
TEST_F(SubprocessTest, OtherChildrenAreNotReaped) {
  const pid_t other = fork();
  if (other == 0) _exit(7);
  for (int i = 0; i < 3; ++i) {
    const auto process = Start({.argv = {"true"}});
    EXPECT_THAT(Await(process->WaitForExit()), IsOk());
  }
  int status = 0;
  ASSERT_EQ(waitpid(other, &status, 0), other);
  EXPECT_EQ(ExitStatus::FromWaitStatus(status), ExitStatus::Exited(7));
}

TEST_F(SubprocessTest, AStatusThatOtherCodeTookIs255) {
  const auto process = Start({.argv = {"sh", "-c", "exit 3"}});
  int calls = 0;
  process->SetExitCallback([&calls](ExitStatus) { ++calls; });
  ASSERT_EQ(waitpid(-1, nullptr, 0), process->pid());
  EXPECT_THAT(Await(process->WaitForExit()),
              StatusIs(absl::StatusCode::kUnknown, HasSubstr("exited with status 255")));
  EXPECT_THAT(Await(Turn()), IsOk());
  EXPECT_EQ(calls, 1);
}

TEST_F(SubprocessTest, WithSigchldIgnoredTheKernelTakesTheStatus) {
  ASSERT_NE(signal(SIGCHLD, SIG_IGN), SIG_ERR);
  const auto process = Start({.argv = {"true"}});
  EXPECT_THAT(Await(process->WaitForExit(RaiseError::kNever)),
              IsOkAndHolds(ExitStatus::Exited(255)));
  ASSERT_NE(signal(SIGCHLD, SIG_DFL), SIG_ERR);
}

// Octets that a process has written, from /proc/PID/io, without those of a write that is under way.
int64_t WrittenBy(pid_t pid) {
  std::ifstream io(absl::StrCat("/proc/", pid, "/io"));
  std::string name;
  int64_t value = 0;
  while (io >> name >> value) {
    if (name == "wchar:") return value;
  }
  return 0;
}

TEST_F(SubprocessTest, AProgramWaitsForAReaderThatComesLate) {
  constexpr int64_t kSize = 8 << 20;
  constexpr int64_t kBuffer = 64 << 10;
  constexpr int64_t kPipe = 64 << 10;  // See pipe(7).
  const auto process = Start({.argv = {"head", "-c", absl::StrCat(kSize), "/dev/zero"},
                              .stdout = Stdio::kStream,
                              .stream = {.max_buffer_size = kBuffer}});
  IOStream& out = *process->stdout_stream();
  out.SetCloseCallback([] {});
  WaitFor([&] { return WrittenBy(process->pid()) >= kPipe; });
  int64_t received = 0;
  int64_t most_in_flight = 0;
  while (received < kSize) {
    for (int i = 0; i < 3 && received < kSize / 8; ++i) EXPECT_THAT(Await(Turn()), IsOk());
    most_in_flight = std::max(most_in_flight, WrittenBy(process->pid()) - received);
    const absl::StatusOr<std::string> part = Await(out.ReadBytes(64 << 10, ReadMode::kPartial));
    ASSERT_THAT(part, IsOk());
    received += static_cast<int64_t>(part->size());
  }
  EXPECT_EQ(received, kSize);
  EXPECT_LE(most_in_flight, kPipe + kBuffer);
  EXPECT_THAT(Await(out.ReadBytes(1)), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Await(process->WaitForExit()), IsOk());
}

Task<absl::Status> WriteAndClose(IOStream* stream, std::string text) {
  const absl::Status written = co_await stream->Write(std::move(text));
  stream->Close();
  co_return written;
}

TEST_F(SubprocessTest, MuchInputPassesThrough) {
  const auto process = Start({.argv = {"cat"},
                              .stdin = Stdio::kStream,
                              .stdout = Stdio::kStream,
                              .stream = {.max_buffer_size = 8 << 20}});
  std::string text(4 << 20, '\0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i * 7 % 23);
  IOLoop::Current().Spawn([](IOStream* in, std::string text) -> Task<> {
    const absl::Status written = co_await WriteAndClose(in, std::move(text));
    EXPECT_THAT(written, IsOk());
  }(process->stdin_stream(), text));
  const absl::StatusOr<std::string> output = Await(process->stdout_stream()->ReadUntilClose());
  ASSERT_THAT(output, IsOk());
  EXPECT_TRUE(*output == text);
  EXPECT_THAT(Await(process->WaitForExit()), IsOk());
}

TEST_F(SubprocessTest, WritingToAProgramThatEndedIsAnError) {
  ASSERT_NE(signal(SIGPIPE, SIG_DFL), SIG_ERR);  // It would end this test.
  const auto process = Start({.argv = {"true"}, .stdin = Stdio::kStream});
  EXPECT_THAT(Await(process->WaitForExit()), IsOk());
  EXPECT_FALSE(Await(process->stdin_stream()->Write(std::string(1 << 20, 'x'))).ok());
}

// The loop ends while the program runs: whoever starts the next one reaps it.
TEST_F(SubprocessTest, AProgramThatOutlivesItsLoopIsReapedByTheNextStart) {
  auto process = Start({.argv = {"sleep", "60"}});
  bool called = false;
  process->SetExitCallback([&called](ExitStatus) { called = true; });
  IOLoop::Current().Spawn([](Task<absl::StatusOr<ExitStatus>> wait) -> Task<> {
    const absl::StatusOr<ExitStatus> never = co_await std::move(wait);
    ADD_FAILURE() << never.status();
  }(process->WaitForExit()));
  IOLoop::ClearCurrent();
  const pid_t pid = process->pid();
  EXPECT_THAT(process->Signal(0), IsOk());
  process.reset();
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  siginfo_t info = {};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);  // A zombie.
  const auto next = Start({.argv = {"true"}});
  EXPECT_THAT(Await(next->WaitForExit()), IsOk());
  ExpectNoChildren();
  EXPECT_FALSE(called);
}

// The loop ends when the program has, but before it saw that.
TEST_F(SubprocessTest, AProgramThatEndedBeforeItsLoopIsReapedWithIt) {
  auto process = Start({.argv = {"true"}});
  siginfo_t info = {};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(process->pid()), &info, WEXITED | WNOWAIT), 0);
  IOLoop::ClearCurrent();
  process.reset();
  ExpectNoChildren();
}

}  // namespace
}  // namespace squall
