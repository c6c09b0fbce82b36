// What the master does about workers by itself, with real processes: hung ones, old ones, restarts,
// logs, pid file.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/base/log_file.h"
#include "squall/base/logging.h"
#include "squall/ioloop/ioloop.h"
#include "squall/process/broadcast.h"
#include "squall/process/fork.h"
#include "squall/process/testing/forked_program.h"

namespace squall {
namespace {

using ::testing::ElementsAre;
using testing::Eventually;
using testing::ForkedProgram;
using ::testing::HasSubstr;
using testing::IsAlive;
using testing::LineWriter;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Quick to notice, for a test.
WatchdogOptions QuickWatchdog() {
  return {.interval = kLeastWatchdogInterval, .stall_warn = absl::Seconds(2)};
}

std::string Me() {
  const Worker& self = *Worker::Current();
  return absl::StrCat(self.task_id(), " ", self.incarnation(), " ", getpid());
}

pid_t PidOf(const std::string& line) {
  const std::vector<std::string> words = absl::StrSplit(line, ' ');
  int pid = 0;
  EXPECT_TRUE(words.size() == 3 && absl::SimpleAtoi(words[2], &pid)) << line;
  return pid;
}

TEST(Watchdog, EndsAHungWorkerThatIgnoresItsSignalAndReplacesIt) {
  ForkedProgram program([](LineWriter out) {
    ForkOptions options;
    options.watchdog = QuickWatchdog();
    options.watchdog.stall_kill = absl::Seconds(3);
    options.watchdog.abort_grace = absl::Milliseconds(300);
    ForkProcesses(2, std::move(options)).value();
    out.Write(Me());
    const Worker& self = *Worker::Current();
    Timeout hang;
    if (self.task_id() == 0 && self.incarnation() == 1) {
      signal(SIGABRT, SIG_IGN);
      hang = IOLoop::Current().CallLater(absl::Milliseconds(10),
                                         [] { absl::SleepFor(absl::Hours(1)); });
    }
    IOLoop::Current().Start();
    return 0;
  });
  std::vector<std::string> lines = program.ReadLines(2);
  std::sort(lines.begin(), lines.end());
  EXPECT_THAT(program.ReadLine(), HasSubstr("0 2 "));
  EXPECT_FALSE(IsAlive(PidOf(lines[0])));
  EXPECT_TRUE(IsAlive(PidOf(lines[1]))) << "the other one is well";
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

// Found by name in the stack that its process leaves.
__attribute__((noinline)) void BlockForAnHour() {
  absl::SleepFor(absl::Hours(1));
  asm volatile("");  // no tail call
}

TEST(Watchdog, TheLogTellsWhereAHungWorkerWas) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/hung.log");
  ForkedProgram program([&](LineWriter out) {
    EXPECT_TRUE(OpenLogFile(path).ok());
    ForkOptions options;
    options.watchdog = QuickWatchdog();
    options.watchdog.stall_kill = absl::Seconds(3);
    options.watchdog.abort_grace = absl::Seconds(20);
    ForkProcesses(1, std::move(options)).value();
    out.Write(Me());
    Timeout hang;
    if (Worker::Current()->incarnation() == 1) {
      hang = IOLoop::Current().CallLater(absl::Milliseconds(10), [] { BlockForAnHour(); });
    }
    IOLoop::Current().Start();
    return 0;
  });
  program.ReadLine();
  EXPECT_THAT(program.ReadLine(), HasSubstr("0 2 "));
  // Written after the fork.
  EXPECT_TRUE(Eventually([&] { return absl::StrContains(ReadFile(path), "(SIGABRT) (hung)"); }));
  const std::string log = ReadFile(path);
  EXPECT_THAT(log, HasSubstr("stalled for "));
  EXPECT_THAT(log, HasSubstr("left this stack:"));
  EXPECT_THAT(log, HasSubstr("BlockForAnHour"));
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

TEST(Recycle, ReplacesAWorkerThatHasServedItsRequests) {
  ForkedProgram program([](LineWriter out) {
    ForkOptions options;
    options.watchdog.interval = kLeastWatchdogInterval;
    options.recycle.max_requests = 100;
    options.recycle.min_lifetime = absl::ZeroDuration();
    ForkProcesses(2, std::move(options)).value();
    Worker& self = *Worker::Current();
    IOLoop::Current().AddCallback([&self, out] {
      out.Write(Me());
      if (self.incarnation() <= 2) self.row().Add(WorkerCounter::kRequests, 100);
    });
    auto drain = self.OnDrain([](const DrainRequest&, Worker::Done done) { done(); });
    IOLoop::Current().Start();
    return 0;
  });
  // Each slot twice: the counters of a successor begin anew.
  std::vector<std::string> lines = program.ReadLines(6);
  std::vector<std::string> seen;
  for (const std::string& line : lines) seen.push_back(line.substr(0, 3));
  EXPECT_THAT(seen, ::testing::UnorderedElementsAre("0 1", "1 1", "0 2", "1 2", "0 3", "1 3"));
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

TEST(Autoscaler, GrowsWhileAllAreBusyAndShrinksAgain) {
  ForkedProgram program([](LineWriter out) {
    ForkOptions options;
    options.max_workers = 3;
    options.autoscaler = {.mode = AutoscalerMode::kSpare,
                          .min_spare = 1,
                          .max_spare = 2,
                          .interval = absl::Milliseconds(100),
                          .scale_down_hold = absl::Milliseconds(300)};
    options.hooks.on_reload = []() -> absl::Status {
      Broadcast("answer").value();
      return absl::CancelledError("only a message");
    };
    ForkProcesses(1, std::move(options)).value();
    Worker& self = *Worker::Current();
    IOLoop::Current().AddCallback([&self, out] {
      // Workers 0 and 1 have a request each until they are told to answer it.
      if (self.task_id() < 2) self.row().BeginRequest("GET", "/", Clock::Real().Now());
      out.Write(absl::StrCat("up ", self.task_id()));
    });
    self.OnMessage([&self](std::string_view) { self.row().EndRequest(); });
    auto drain = self.OnDrain([&self, out](const DrainRequest&, Worker::Done done) {
      out.Write(absl::StrCat("drains ", self.task_id()));
      done();
    });
    IOLoop::Current().Start();
    return 0;
  });
  EXPECT_THAT(program.ReadLines(3), ElementsAre("up 0", "up 1", "up 2"));
  program.Signal(SIGHUP);
  EXPECT_EQ(program.ReadLine(), "drains 2") << "three are idle, two may be";
  program.Signal(SIGTERM);
  EXPECT_THAT(program.ReadLines(2), ::testing::UnorderedElementsAre("drains 0", "drains 1"));
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

TEST(Restart, KeepsTheOldWorkersWhenTheNewOnesDoNotComeUp) {
  ForkedProgram program([](LineWriter out) {
    ForkOptions options;
    options.backoff.initial = absl::Milliseconds(1);
    options.restart.max_failures = 2;
    options.hooks.after_fork = [](const WorkerIdentity& self) {
      return self.generation == 1 ? absl::OkStatus() : absl::InternalError("a broken build");
    };
    ForkProcesses(2, std::move(options)).value();
    IOLoop::Current().AddCallback([out] { out.Write(Me()); });
    IOLoop::Current().Start();
    return 0;
  });
  std::vector<std::string> lines = program.ReadLines(2);
  std::sort(lines.begin(), lines.end());
  program.Signal(SIGHUP);
  // A worker that dies now is replaced by one of the generation that works.
  kill(PidOf(lines[1]), SIGKILL);
  EXPECT_THAT(program.ReadLine(), ::testing::StartsWith("1 "));
  EXPECT_TRUE(IsAlive(PidOf(lines[0])));
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

// As nginx and gunicorn.
TEST(Restart, HupRestartsUnderNohupToo) {
  ForkedProgram program([](LineWriter out) {
    signal(SIGHUP, SIG_IGN);
    ForkProcesses(1).value();
    IOLoop::Current().AddCallback([out] { out.Write(Me()); });
    IOLoop::Current().Start();
    return 0;
  });
  const pid_t worker = PidOf(program.ReadLine());
  program.Signal(SIGHUP);
  EXPECT_THAT(program.ReadLine(), HasSubstr("0 2 "));
  EXPECT_TRUE(Eventually([worker] { return !IsAlive(worker); }));
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

// As the first process of a container is.
TEST(Reaper, AMasterThatGetsOrphansReapsThemAndNotItsWorkers) {
  static constexpr int kOrphans = 500;
  constexpr absl::Duration kPassMark = absl::Seconds(1);
  ForkedProgram program([](LineWriter out) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    ForkProcesses(2).value();
    IOLoop::Current().AddCallback([out] {
      // A child that leaves children behind, which die later.
      if (Worker::Current()->task_id() == 0 && Worker::Current()->incarnation() == 1) {
        const pid_t middle = fork();
        if (middle == 0) {
          for (int i = 0; i < kOrphans; ++i) {
            if (fork() == 0) {
              out.Write(absl::StrCat("orphan ", i, " ", getpid()));
              _exit(0);
            }
          }
          _exit(0);
        }
        waitpid(middle, nullptr, 0);
      }
      out.Write(Me());
    });
    IOLoop::Current().Start();
    return 0;
  });
  std::vector<pid_t> orphans, workers;
  for (const std::string& line : program.ReadLines(kOrphans + 2)) {
    (absl::StartsWith(line, "orphan") ? orphans : workers).push_back(PidOf(line));
  }
  ASSERT_EQ(orphans.size(), static_cast<size_t>(kOrphans));
  const absl::Time left = absl::Now();
  for (const pid_t orphan : orphans) {
    EXPECT_TRUE(Eventually([orphan] { return kill(orphan, 0) != 0; })) << "a zombie has a pid";
  }
  const absl::Duration took = absl::Now() - left;
  std::cout << kOrphans << " orphans of a subreaper: no zombie after " << took << " (mark "
            << kPassMark << ")\n";
  EXPECT_LT(took, 5 * kPassMark);
  ASSERT_EQ(workers.size(), 2u);
  kill(workers[0], SIGKILL);
  EXPECT_NE(PidOf(program.ReadLine()), workers[0]) << "its death was seen, and was one";
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

// As a library may do it with wait(-1).
TEST(Reaper, ADeathWhoseStatusOtherCodeOfTheMasterTookIsOneAllTheSame) {
  ForkedProgram program([](LineWriter out) {
    ForkOptions options;
    options.hooks.on_reload = [out]() -> absl::Status {
      pid_t first = 0;
      std::ifstream(absl::StrCat("/proc/self/task/", getpid(), "/children")) >> first;
      kill(first, SIGKILL);
      PCHECK(waitpid(first, nullptr, 0) == first);
      out.Write(absl::StrCat("taken 0 ", first));
      return absl::UnavailableError("no restart in this test");
    };
    ForkProcesses(2, std::move(options)).value();
    IOLoop::Current().AddCallback([out] { out.Write(Me()); });
    IOLoop::Current().Start();
    return 0;
  });
  std::vector<std::string> lines = program.ReadLines(2);
  std::sort(lines.begin(), lines.end());
  program.Signal(SIGHUP);
  const pid_t taken = PidOf(program.ReadLine());
  const bool first = taken == PidOf(lines[0]);
  EXPECT_THAT(program.ReadLine(), ::testing::StartsWith(first ? "0 2 " : "1 2 ")) << "replaced";
  EXPECT_TRUE(IsAlive(PidOf(lines[first ? 1 : 0])));
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

TEST(PidFile, NamesTheMasterWhileItRuns) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/pool.pid");
  ForkedProgram program([&](LineWriter out) {
    ForkOptions options;
    options.pid_file = path;
    ForkProcesses(1, std::move(options)).value();
    out.Write(Me());
    IOLoop::Current().Start();
    return 0;
  });
  program.ReadLine();
  EXPECT_EQ(ReadFile(path), absl::StrCat(program.pid(), "\n"));
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
  EXPECT_NE(access(path.c_str(), F_OK), 0) << "gone with its master";
}

// One between the file and the blocking of the signals would leave the file to nobody.
TEST(PidFile, WhoReadsItMaySendSignals) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/early.pid");
  for (int i = 0; i < 20; ++i) {
    ForkedProgram program([&](LineWriter out) {
      ForkOptions options;
      options.pid_file = path;
      ForkProcesses(1, std::move(options)).value();
      out.Write(Me());
      IOLoop::Current().Start();
      return 0;
    });
    const absl::Time deadline = absl::Now() + testing::kPatience;
    while (access(path.c_str(), F_OK) != 0) ASSERT_LT(absl::Now(), deadline);
    program.Signal(SIGUSR2);  // Ends who does not block it, and means nothing to a master.
    program.ReadLine();
    program.Signal(SIGTERM);
    ASSERT_EQ(program.Wait(), ExitStatus::Exited(0));
    ASSERT_NE(access(path.c_str(), F_OK), 0);
  }
}

TEST(PidFile, WithoutItTheSignalsAreAsTheyWere) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/files");
  ForkedProgram program([&](LineWriter out) {
    signal(SIGUSR1, SIG_IGN);
    signal(SIGPIPE, SIG_DFL);
    for (const bool pid_file : {true, false}) {
      ForkOptions options;
      options.pid_file = pid_file ? ::testing::TempDir() : path + ".pid";
      options.log_file = path + "/no/such/directory";
      EXPECT_FALSE(ForkProcesses(1, std::move(options)).ok());
      EXPECT_NE(access((path + ".pid").c_str(), F_OK), 0);
      sigset_t blocked;
      sigprocmask(SIG_SETMASK, nullptr, &blocked);
      EXPECT_FALSE(sigismember(&blocked, SIGTERM));
      EXPECT_EQ(signal(SIGUSR1, SIG_IGN), SIG_IGN);
      EXPECT_EQ(signal(SIGPIPE, SIG_DFL), SIG_DFL);
    }
    out.Write(::testing::Test::HasFailure() ? "failed" : "as before");
    return 0;
  });
  EXPECT_EQ(program.ReadLine(), "as before");
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

TEST(Logs, Usr1ReopensThemInMasterAndWorkers) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/pool.log");
  const std::string rotated = path + ".1";
  ForkedProgram program([&](LineWriter out) {
    EXPECT_TRUE(OpenLogFile(path).ok());
    ForkProcesses(1).value();
    IOLoop::Current().AddCallback([out] { out.Write("up"); });
    auto drain = Worker::Current()->OnDrain([](const DrainRequest&, Worker::Done done) {
      LOG(INFO) << "the worker says good-bye";
      done();
    });
    IOLoop::Current().Start();
    return 0;
  });
  EXPECT_EQ(program.ReadLine(), "up");
  ASSERT_EQ(rename(path.c_str(), rotated.c_str()), 0);
  program.Signal(SIGUSR1);
  EXPECT_TRUE(Eventually([&] { return access(path.c_str(), F_OK) == 0; }));
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
  EXPECT_THAT(ReadFile(rotated), HasSubstr("Starting 1 processes"));
  EXPECT_THAT(ReadFile(path), HasSubstr("shutdown (graceful) requested"));
  EXPECT_THAT(ReadFile(path), HasSubstr("the worker says good-bye"));
}

}  // namespace
}  // namespace squall
