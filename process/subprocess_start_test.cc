// How programs are started: what they are given, what they do not inherit, and what comes of a
// start that fails. Their streams and their end are in subprocess_test.cc.
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/task.h"
#include "squall/netutil/isolated_process.h"
#include "squall/process/exit_status.h"
#include "squall/process/fork.h"
#include "squall/process/subprocess.h"
#include "squall/process/testing/forked_program.h"
#include "squall/process/testing/subprocess_fixture.h"

namespace squall {
namespace {

using ::testing::_;
using ::testing::AllOf;
using testing::Await;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using testing::ExpectNoChildren;
using testing::ForkedProgram;
using ::testing::HasSubstr;
using testing::LineWriter;
using testing::OpenDescriptors;
using testing::OutputOf;
using testing::Start;
using ::testing::StartsWith;
using testing::SubprocessFixture;

using SubprocessStartTest = SubprocessFixture;

absl::Status StatusOfStart(const SubprocessOptions& options) {
  return Subprocess::Start(options).status();
}

// What a program has as its descriptor `fd`: "pipe:[4711]", "/dev/null".
std::string DescriptorOf(const Subprocess& process, int fd) {
  char path[PATH_MAX];
  const ssize_t size =
      readlink(absl::StrCat("/proc/", process.pid(), "/fd/", fd).c_str(), path, sizeof path);
  return size < 0 ? "closed" : std::string(path, static_cast<size_t>(size));
}

// Ends a program that would run on.
void Kill(Subprocess& process) {
  EXPECT_THAT(process.Signal(SIGKILL), IsOk());
  EXPECT_THAT(Await(process.WaitForExit(RaiseError::kNever)), IsOk());
}

std::string MakeFile(const std::string& name, const std::string& text, mode_t mode) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/", name);
  std::ofstream(path) << text;
  EXPECT_EQ(chmod(path.c_str(), mode), 0);
  return path;
}

TEST_F(SubprocessStartTest, ArgumentsPassAsTheyAre) {
  EXPECT_THAT(OutputOf({.argv = {"printf", "%s|", "a b", "", "$HOME", "\xff'\n"}}),
              IsOkAndHolds("a b||$HOME|\xff'\n|"));
}

TEST_F(SubprocessStartTest, EnvironmentIsInheritedOrReplaced) {
  ASSERT_EQ(setenv("SQUALL_TEST", "inherited", 1), 0);
  EXPECT_THAT(OutputOf({.argv = {"printenv", "SQUALL_TEST"}}), IsOkAndHolds("inherited\n"));
  EXPECT_THAT(OutputOf({.argv = {"env"}, .env = {{"PATH=/usr/bin:/bin", "A=b=c"}}}),
              IsOkAndHolds("PATH=/usr/bin:/bin\nA=b=c\n"));
  EXPECT_THAT(OutputOf({.argv = {"/usr/bin/env"}, .env = std::vector<std::string>()}),
              IsOkAndHolds(""));
}

TEST_F(SubprocessStartTest, ProgramsAreLookedUpInThePathTheyGet) {
  const std::string folder = ::testing::TempDir();
  MakeFile("answer", "#!/bin/sh\necho here\n", 0700);
  MakeFile("denied", "#!/bin/sh\n", 0600);
  EXPECT_THAT(StatusOfStart({.argv = {"answer"}}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"answer\", looked up in PATH \"")));
  const std::vector<std::string> env = {absl::StrCat("PATH=/nowhere:", folder, ":/dev/null")};
  EXPECT_THAT(OutputOf({.argv = {"answer"}, .env = env}), IsOkAndHolds("here\n"));
  // An element that is empty, or relative, means the working directory of the program.
  EXPECT_THAT(OutputOf({.argv = {"answer"}, .env = {{"PATH="}}, .working_directory = folder}),
              IsOkAndHolds("here\n"));
  EXPECT_THAT(OutputOf({.argv = {"./answer"}, .working_directory = folder}),
              IsOkAndHolds("here\n"));
  // One that may not be run is the error, however many more are looked at.
  EXPECT_THAT(StatusOfStart({.argv = {"denied"}, .env = env}),
              StatusIs(absl::StatusCode::kPermissionDenied));
  // Without PATH there is the system's.
  EXPECT_THAT(OutputOf({.argv = {"echo", "x"}, .env = std::vector<std::string>()}),
              IsOkAndHolds("x\n"));
}

TEST_F(SubprocessStartTest, WorkingDirectory) {
  EXPECT_THAT(OutputOf({.argv = {"pwd", "-P"}, .working_directory = "/usr/bin/.."}),
              IsOkAndHolds("/usr\n"));
}

TEST_F(SubprocessStartTest, WhatCannotRunIsAStatusThatNamesIt) {
  const std::string text = MakeFile("text", "no program", 0700);
  IOLoop::Current();
  const std::set<int> before = OpenDescriptors();
  SubprocessOptions options = {
      .stdin = Stdio::kStream, .stdout = Stdio::kStream, .stderr = Stdio::kStream};
  options.argv = {"/no/such/program"};
  EXPECT_THAT(StatusOfStart(options),
              StatusIs(absl::StatusCode::kNotFound,
                       "running \"/no/such/program\": No such file or directory"));
  options.argv = {"/etc/passwd"};
  EXPECT_THAT(StatusOfStart(options), StatusIs(absl::StatusCode::kPermissionDenied,
                                               "running \"/etc/passwd\": Permission denied"));
  options.argv = {text};
  EXPECT_THAT(StatusOfStart(options),
              StatusIs(_, AllOf(StartsWith("running \""), EndsWith("text\": Exec format error"))));
  options.argv = {"cat"};
  options.working_directory = "/no/such/folder";
  EXPECT_THAT(StatusOfStart(options),
              StatusIs(absl::StatusCode::kNotFound,
                       "working_directory \"/no/such/folder\" of \"cat\": No such file or "
                       "directory"));
  options.working_directory = "/etc/passwd";
  EXPECT_THAT(StatusOfStart(options), StatusIs(_, EndsWith("of \"cat\": Not a directory")));
  ExpectNoChildren();
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(SubprocessStartTest, OptionsThatMakeNoSenseAreNamed) {
  const std::string nul("a\0b", 3);
  const struct {
    SubprocessOptions options;
    const char* message;
  } cases[] = {
      {{}, "argv is empty; its first element names the program"},
      {{.argv = {""}}, "argv[0] is \"\"; it must name the program"},
      {{.argv = {"cat", nul}}, "argv[1] is \"a\\000b\"; an argument cannot have a NUL in it"},
      {{.argv = {"cat"}, .env = {{"A=b", "=c"}}},
       "env[1] is \"=c\"; it must be \"NAME=value\" without a NUL"},
      {{.argv = {"cat"}, .env = {{"A"}}},
       "env[0] is \"A\"; it must be \"NAME=value\" without a NUL"},
      {{.argv = {"cat"}, .env = {{"A=" + nul}}},
       "env[0] is \"A=a\\000b\"; it must be \"NAME=value\" without a NUL"},
      {{.argv = {"cat"}, .working_directory = nul},
       "working_directory is \"a\\000b\"; a path cannot have a NUL in it"},
      {{.argv = {"cat"}, .stdin = Stdio::kStdout},
       "stdin is Stdio::kStdout, which is for stderr alone"},
      {{.argv = {"cat"}, .stdout = Stdio::Fd(12345)},
       "stdout is Stdio::Fd(12345), which is no open descriptor"},
      {{.argv = {"cat"}, .stderr = Stdio::Fd(-1)},
       "stderr is Stdio::Fd(-1), which is no open descriptor"},
      {{.argv = {"cat"}, .stream = {.max_buffer_size = 0}},
       "stream.max_buffer_size is 0 and stream.read_chunk_size 65536; both must be at least 1"},
  };
  for (const auto& [options, message] : cases) {
    EXPECT_THAT(StatusOfStart(options), StatusIs(absl::StatusCode::kInvalidArgument, message));
  }
}

TEST_F(SubprocessStartTest, TheProgramHasDescriptors0To2Alone) {
  std::vector<UniqueFd> others;
  for (int i = 0; i < 30; ++i) others.emplace_back(dup(STDERR_FILENO));
  others.emplace_back(fcntl(STDERR_FILENO, F_DUPFD, 900));
  ASSERT_EQ(others.back().get(), 900);
  for (const Stdio other : {Stdio(Stdio::kStream), Stdio(Stdio::kNull), Stdio(Stdio::kInherit)}) {
    // ls itself opens the folder, with the first free number.
    EXPECT_THAT(OutputOf({.argv = {"ls", "/proc/self/fd"}, .stdin = other, .stderr = other}),
                IsOkAndHolds("0\n1\n2\n3\n"));
  }
}

TEST_F(SubprocessStartTest, DescriptorsAreClosedWithoutCloseRange) {
  const Isolated result = RunIsolated([] {
    const rlimit few = {.rlim_cur = 256, .rlim_max = 256};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    const UniqueFd other(fcntl(STDERR_FILENO, F_DUPFD, 250));
    ASSERT_TRUE(other.valid());
    FailSystemCall(SYS_close_range, ENOSYS);
    EXPECT_THAT(OutputOf({.argv = {"ls", "/proc/self/fd"}}), IsOkAndHolds("0\n1\n2\n3\n"));
  });
  if (result == Isolated::kNotPermitted) GTEST_SKIP() << "no seccomp here";
  EXPECT_EQ(result, Isolated::kPassed);
}

TEST_F(SubprocessStartTest, NullAndADescriptorOfTheCallers) {
  const UniqueFd in(memfd_create("in", MFD_CLOEXEC));
  const UniqueFd out(memfd_create("out", MFD_CLOEXEC));
  const auto process = Start({.argv = {"sleep", "60"},
                              .stdin = Stdio::Fd(in.get()),
                              .stdout = Stdio::Fd(out.get()),
                              .stderr = Stdio::kNull});
  EXPECT_EQ(DescriptorOf(*process, 0), "/memfd:in (deleted)");
  EXPECT_EQ(DescriptorOf(*process, 1), "/memfd:out (deleted)");
  EXPECT_EQ(DescriptorOf(*process, 2), "/dev/null");
  Kill(*process);
  EXPECT_NE(fcntl(in.get(), F_GETFD), -1);
  const auto both =
      Start({.argv = {"sleep", "60"}, .stdout = Stdio::Fd(out.get()), .stderr = Stdio::kStdout});
  EXPECT_EQ(DescriptorOf(*both, 2), "/memfd:out (deleted)");
  Kill(*both);
}

TEST_F(SubprocessStartTest, EveryOrderOfTheCallersOwn0To2) {
  EXPECT_EQ(RunIsolated([] {
              const char* const names[] = {"zero", "one", "two"};
              for (int fd = 0; fd < 3; ++fd) {
                // Close-on-exec, so that only what is asked for gets through.
                const UniqueFd file(memfd_create(names[fd], MFD_CLOEXEC));
                ASSERT_EQ(dup3(file.get(), fd, O_CLOEXEC), fd);
              }
              for (int order = 0; order < 27; ++order) {
                const std::array<int, 3> from = {order % 3, order / 3 % 3, order / 9};
                const auto process = Start({.argv = {"sleep", "60"},
                                            .stdin = Stdio::Fd(from[0]),
                                            .stdout = Stdio::Fd(from[1]),
                                            .stderr = Stdio::Fd(from[2])});
                for (int fd = 0; fd < 3; ++fd) {
                  EXPECT_EQ(DescriptorOf(*process, fd),
                            absl::StrCat("/memfd:", names[from[fd]], " (deleted)"))
                      << "order " << order << ", descriptor " << fd;
                }
                Kill(*process);
              }
            }),
            Isolated::kPassed);
}

// The pipes get the numbers 0 to 2 themselves, and what is closed or not for others is not passed.
TEST_F(SubprocessStartTest, WithoutDescriptors0To2) {
  EXPECT_EQ(RunIsolated([] {
              for (int fd = 0; fd < 3; ++fd) close(fd);
              const auto cat = Start({.argv = {"cat"},
                                      .stdin = Stdio::kStream,
                                      .stdout = Stdio::kStream,
                                      .stderr = Stdio::kStdout});
              EXPECT_THAT(Await(cat->stdin_stream()->Write("x\n")), IsOk());
              EXPECT_THAT(Await(cat->stdout_stream()->ReadUntil("\n")), IsOkAndHolds("x\n"));
              EXPECT_EQ(DescriptorOf(*cat, 1), DescriptorOf(*cat, 2));
              Kill(*cat);
              const auto sleep = Start({.argv = {"sleep", "60"}, .stdin = Stdio::kStream});
              EXPECT_THAT(DescriptorOf(*sleep, 0), StartsWith("pipe:"));
              EXPECT_EQ(DescriptorOf(*sleep, 1), "/dev/null");
              EXPECT_EQ(DescriptorOf(*sleep, 2), "/dev/null");
              Kill(*sleep);
            }),
            Isolated::kPassed);
}

// The lines of /proc/self/status about signals, as the program sees them.
std::vector<std::string> SignalLines() {
  std::vector<std::string> lines;
  const absl::StatusOr<std::string> status = OutputOf({.argv = {"cat", "/proc/self/status"}});
  EXPECT_THAT(status, IsOk());
  for (const absl::string_view line : absl::StrSplit(status.value_or(""), '\n')) {
    if (line.substr(0, 3) == "Sig" && line.substr(0, 4) != "SigQ") lines.emplace_back(line);
  }
  return lines;
}

TEST_F(SubprocessStartTest, SignalsHaveTheirDefaultsInTheProgram) {
  EXPECT_EQ(RunIsolated([] {
              for (int signo = 1; signo < NSIG; ++signo) {
                if (signo != SIGHUP && signo != SIGCHLD) signal(signo, SIG_IGN);
              }
              signal(SIGTERM, [](int) {});
              // glibc keeps 32 and 33 to itself, and a parent may have left them ignored.
              const void* ignore[8] = {reinterpret_cast<void*>(SIG_IGN)};
              for (const int signo : {32, 33}) {
                ASSERT_EQ(syscall(SYS_rt_sigaction, signo, ignore, nullptr, 8), 0);
              }
              sigset_t all;
              sigfillset(&all);
              pthread_sigmask(SIG_SETMASK, &all, nullptr);
              EXPECT_THAT(SignalLines(),
                          ElementsAre("SigPnd:\t0000000000000000", "SigBlk:\t0000000000000000",
                                      "SigIgn:\t0000000000000000", "SigCgt:\t0000000000000000"));
              // This process has what it had.
              sigset_t mask;
              pthread_sigmask(SIG_SETMASK, nullptr, &mask);
              EXPECT_EQ(sigismember(&mask, SIGUSR1), 1);
              EXPECT_EQ(signal(SIGPIPE, SIG_DFL), SIG_IGN);
            }),
            Isolated::kPassed);
}

TEST_F(SubprocessStartTest, WhatNohupIgnoresStaysIgnored) {
  EXPECT_EQ(RunIsolated([] {
              signal(SIGHUP, SIG_IGN);
              EXPECT_THAT(SignalLines(), Contains("SigIgn:\t0000000000000001"));
            }),
            Isolated::kPassed);
}

TEST_F(SubprocessStartTest, ProcessGroups) {
  const struct {
    ProcessGroup group;
    bool own_group;
    bool own_session;
  } cases[] = {
      {ProcessGroup::kInherit, false, false},
      {ProcessGroup::kNew, true, false},
      {ProcessGroup::kNewSession, true, true},
  };
  for (const auto& [group, own_group, own_session] : cases) {
    const auto process = Start({.argv = {"sleep", "60"}, .process_group = group});
    const pid_t pid = process->pid();
    EXPECT_EQ(getpgid(pid), own_group ? pid : getpgid(0));
    EXPECT_EQ(getsid(pid), own_session ? pid : getsid(0));
    Kill(*process);
  }
}

void SetDescriptorLimit(rlim_t limit) {
  rlimit now;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &now), 0);
  now.rlim_cur = limit;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &now), 0);
}

// Every number of free descriptors that is too small: an error, nothing left behind, no process.
TEST_F(SubprocessStartTest, WithoutDescriptorsLeft) {
  EXPECT_EQ(RunIsolated([] {
              IOLoop::Current();
              const std::set<int> before = OpenDescriptors();
              const auto used = static_cast<rlim_t>(*before.rbegin() + 1);
              rlim_t free = 0;
              while (true) {
                SetDescriptorLimit(used + free);
                const auto process = Subprocess::Start({.argv = {"true"},
                                                        .stdin = Stdio::kStream,
                                                        .stdout = Stdio::kStream,
                                                        .stderr = Stdio::kNull});
                SetDescriptorLimit(1024);
                if (process.ok()) {
                  EXPECT_THAT(Await((*process)->WaitForExit()), IsOk());
                  break;
                }
                EXPECT_THAT(process, StatusIs(absl::StatusCode::kResourceExhausted,
                                              AllOf(HasSubstr("\"true\""),
                                                    EndsWith("Too many open files"))));
                EXPECT_EQ(OpenDescriptors(), before);
                ExpectNoChildren();
                ++free;
              }
              // Two pipes, the null device and the pidfd, less the numbers free below.
              EXPECT_GE(free, 4u);
            }),
            Isolated::kPassed);
}

TEST_F(SubprocessStartTest, WithoutProcessesLeft) {
  const Isolated result = RunIsolated([] {
    IOLoop::Current();
    const std::set<int> before = OpenDescriptors();
    // In the place of RLIMIT_NPROC, which does not hold root back.
    FailSystemCall(SYS_clone, EAGAIN);
    EXPECT_THAT(StatusOfStart({.argv = {"true"}, .stdin = Stdio::kStream}),
                StatusIs(absl::StatusCode::kUnavailable,
                         "a process for \"true\": Resource temporarily unavailable"));
    EXPECT_EQ(OpenDescriptors(), before);
    ExpectNoChildren();
  });
  if (result == Isolated::kNotPermitted) GTEST_SKIP() << "no seccomp here";
  EXPECT_EQ(result, Isolated::kPassed);
}

// A loop that cannot watch the program is an error, too, and the program does not run on.
TEST_F(SubprocessStartTest, WithoutRoomInTheLoop) {
  const Isolated result = RunIsolated([] {
    IOLoop::Current();
    const std::set<int> before = OpenDescriptors();
    FailSystemCall(SYS_epoll_ctl, ENOSPC);
    EXPECT_FALSE(StatusOfStart({.argv = {"sleep", "60"}}).ok());
    EXPECT_EQ(OpenDescriptors(), before);
    ExpectNoChildren();
  });
  if (result == Isolated::kNotPermitted) GTEST_SKIP() << "no seccomp here";
  EXPECT_EQ(result, Isolated::kPassed);
}

TEST_F(SubprocessStartTest, BesideThreads) {
  std::atomic<bool> stop = false;
  // Holds the allocator's locks as often as it can.
  std::thread busy([&stop] {
    while (!stop) std::make_unique<std::string>(100'000, 'x')->append("y");
  });
  std::vector<std::thread> starters;
  std::atomic<int> done = 0;
  for (int i = 0; i < 4; ++i) {
    starters.emplace_back([&done] {
      for (int j = 0; j < 25; ++j) {
        const std::string text = absl::StrCat(j, "\n");
        if (OutputOf({.argv = {"echo", absl::StrCat(j)}}).value_or("") == text) ++done;
      }
      IOLoop::ClearCurrent();
    });
  }
  for (std::thread& starter : starters) starter.join();
  stop = true;
  busy.join();
  EXPECT_EQ(done, 100);
  ExpectNoChildren();
}

Task<> ReportFromWorker(LineWriter out) {
  const auto process =
      Start({.argv = {"sh", "-c", "ls /proc/self/fd; grep SigIgn /proc/self/status"},
             .stdout = Stdio::kStream});
  const absl::StatusOr<std::string> output = co_await testing::ReadOutput(process.get());
  out.Write(output.value_or("error"));
  IOLoop::Current().Stop();
}

TEST_F(SubprocessStartTest, InAWorker) {
  ForkedProgram program([](LineWriter out) {
    ForkProcesses(1).value();
    IOLoop::Current().Spawn(ReportFromWorker(out));
    IOLoop::Current().Start();
    return 0;
  });
  EXPECT_THAT(program.ReadLines(5), ElementsAre("0", "1", "2", "3", "SigIgn:\t0000000000000000"));
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

TEST_F(SubprocessStartTest, InTheMasterItIsRefused) {
  ForkedProgram program([](LineWriter out) {
    ForkOptions options;
    options.on_ready = [out](const PoolSnapshot&) {
      out.Write(StatusOfStart({.argv = {"true"}}).ToString());
    };
    ForkProcesses(1, std::move(options)).value();
    IOLoop::Current().Start();
    return 0;
  });
  EXPECT_EQ(program.ReadLine(),
            "FAILED_PRECONDITION: Subprocess::Start of \"true\" was called in the master of a "
            "pool, which has no IOLoop; start programs in a worker");
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

}  // namespace
}  // namespace squall
