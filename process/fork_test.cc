#include "squall/process/fork.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/logging.h"
#include "squall/base/status_matchers.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"
#include "squall/process/reseed.h"
#include "squall/process/testing/announced.h"
#include "squall/process/testing/forked_program.h"

namespace squall {
namespace {

using testing::Announced;
using ::testing::ElementsAre;
using testing::Eventually;
using testing::ForkedProgram;
using ::testing::HasSubstr;
using testing::IsAlive;
using testing::LineWriter;
using testing::ReadWorker;
using testing::ReadWorkers;
using testing::ServeForever;
using ::testing::UnorderedElementsAre;

// The fork alone of TestMultiprocess (tornado/test/tcpserver_test.py); the whole of it is in
// tests/integration/process_test.cc.
TEST(TestMultiprocess, EveryTaskIdOnce) {
  ForkedProgram program([](LineWriter out) {
    const int id = ForkProcesses(3).value();
    out.Write(absl::StrCat(id, " ", TaskId().value()));
    return 0;
  });
  EXPECT_THAT(program.ReadLines(3), UnorderedElementsAre("0 0", "1 1", "2 2"));
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

TEST(ForkProcesses, TheMasterHasNoTaskId) {
  EXPECT_EQ(TaskId(), std::nullopt);
  EXPECT_EQ(Worker::Current(), nullptr);
}

TEST(ForkProcesses, AbnormalExitIsRestartedWithTheSameTaskId) {
  ForkedProgram program([](LineWriter out) {
    const int id = ForkProcesses(2).value();
    const uint64_t life = Worker::Current()->incarnation();
    out.Write(absl::StrCat(id, " ", life));
    // Worker 0 is done at once; worker 1 needs three lives.
    if (id == 0) return 0;
    return life < 3 ? static_cast<int>(life) : 0;
  });
  EXPECT_THAT(program.ReadLines(4), UnorderedElementsAre("0 1", "1 1", "1 2", "1 3"));
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

TEST(ForkProcesses, KilledWorkerIsReplacedAndTheOthersStay) {
  ForkedProgram program([](LineWriter out) { return ServeForever(out, 3); });
  const std::vector<Announced> workers = ReadWorkers(program, 3);
  kill(workers[1].pid, SIGKILL);
  const Announced replacement = ReadWorker(program);
  EXPECT_EQ(replacement.task_id, 1);
  EXPECT_EQ(replacement.incarnation, 2);
  EXPECT_NE(replacement.pid, workers[1].pid);
  EXPECT_TRUE(IsAlive(workers[0].pid));
  EXPECT_TRUE(IsAlive(workers[2].pid));
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
  EXPECT_TRUE(program.WaitForEndOfOutput());
}

TEST(ForkProcesses, SeesDeathsThoughItsParentIgnoredSigchld) {
  ForkedProgram program([](LineWriter out) {
    signal(SIGCHLD, SIG_IGN);
    return ServeForever(out, 1);
  });
  kill(ReadWorker(program).pid, SIGKILL);
  EXPECT_EQ(ReadWorker(program).incarnation, 2);
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

TEST(ForkProcesses, GivesUpAfterMaxRestartsAndLeavesNobody) {
  ForkedProgram program([](LineWriter out) {
    const int id = ForkProcesses(2, {.max_restarts = 2}).value();
    out.Write(absl::StrCat(id));
    if (id == 1) return 7;
    IOLoop::Current().Start();
    return 0;
  });
  EXPECT_THAT(program.ReadLines(4), UnorderedElementsAre("0", "1", "1", "1"));
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(1));
  EXPECT_TRUE(program.WaitForEndOfOutput()) << "a healthy worker outlived the give-up";
}

TEST(ForkProcesses, RefusesASecondCallInAWorker) {
  ForkedProgram program([](LineWriter out) {
    ForkProcesses(1).value();
    out.Write(ForkProcesses(1).status().ToString());
    return 0;
  });
  EXPECT_THAT(program.ReadLine(), HasSubstr("FAILED_PRECONDITION: ForkProcesses was called in"));
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

TEST(ForkProcesses, RefusesAProcessWithThreads) {
  ForkedProgram program([](LineWriter out) {
    std::thread other([] { absl::SleepFor(absl::Hours(1)); });
    out.Write(ForkProcesses(1).status().ToString());
    _exit(0);
    return 0;
  });
  EXPECT_THAT(program.ReadLine(), HasSubstr("this process has 2 threads"));
}

TEST(ForkProcesses, RefusesAProcessWithALoop) {
  ForkedProgram program([](LineWriter out) {
    IOLoop::Current();
    out.Write(ForkProcesses(1).status().ToString());
    return 0;
  });
  EXPECT_THAT(program.ReadLine(), HasSubstr("after an IOLoop was made"));
}

TEST(ForkProcesses, RefusesOptionsOutOfRange) {
  EXPECT_THAT(ForkProcesses(3, {.max_workers = 2}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("2")));
  EXPECT_THAT(ForkProcesses(1, {.max_workers = -1}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("-1")));
}

TEST(ForkProcesses, KeepsTheLogOptionsOfTheProgram) {
  ForkedProgram program([](LineWriter out) {
    dup2(out.fd(), STDERR_FILENO);
    InitLogging({.min_level = LogLevel::kError});
    ForkProcesses(1).value();
    out.Write("only line");
    return 0;
  });
  EXPECT_EQ(program.ReadLine(), "only line");
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
  EXPECT_TRUE(program.WaitForEndOfOutput());
  EXPECT_EQ(program.rest(), "");
}

TEST(ForkProcesses, WhatStandsInTheBufferOfStdoutIsWrittenOnce) {
  ForkedProgram program([](LineWriter out) {
    dup2(out.fd(), STDOUT_FILENO);
    setvbuf(stdout, nullptr, _IOFBF, BUFSIZ);
    printf("before the fork\n");
    ForkProcesses(3).value();
    return 0;
  });
  EXPECT_EQ(program.ReadLine(), "before the fork");
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
  EXPECT_TRUE(program.WaitForEndOfOutput());
  EXPECT_EQ(program.rest(), "");
}

TEST(ForkProcesses, TtinGrowsAndTtouShrinks) {
  ForkedProgram program([](LineWriter out) { return ServeForever(out, 1); });
  const Announced first = ReadWorker(program);
  program.Signal(SIGTTIN);
  const Announced second = ReadWorker(program);
  EXPECT_EQ(second.task_id, 1);
  program.Signal(SIGTTOU);
  EXPECT_TRUE(Eventually([&] { return !IsAlive(second.pid); }));
  EXPECT_TRUE(IsAlive(first.pid));
  // One worker always stays.
  program.Signal(SIGTTOU);
  program.Signal(SIGTTIN);
  EXPECT_GE(ReadWorker(program).task_id, 1);
  EXPECT_TRUE(IsAlive(first.pid));
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

// The boot timeout is every worker's. Who needs longer than that on a busy machine is replaced as
// well, so a later life than the second one may be the first to serve.
constexpr absl::Duration kBootTimeout = absl::Milliseconds(300);

// Worker 0's first life calls `hang` and never serves. Returns which life does.
int FirstLifeThatServes(absl::FunctionRef<void()> hang) {
  ForkedProgram program([hang](LineWriter out) {
    ForkProcesses(1, {.boot_timeout = kBootTimeout, .breaker = {.deaths = 1000}}).value();
    const uint64_t life = Worker::Current()->incarnation();
    if (life == 1) hang();
    IOLoop::Current().AddCallback([out, life] { out.Write(absl::StrCat(life)); });
    IOLoop::Current().Start();
    return 0;
  });
  int life = 0;
  EXPECT_TRUE(absl::SimpleAtoi(program.ReadLine(), &life));
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
  return life;
}

TEST(ForkProcesses, AWorkerThatIsNeverReadyIsReplaced) {
  EXPECT_GE(FirstLifeThatServes([] { absl::SleepFor(absl::Hours(1)); }), 2);
}

// RunSync before Start() is how a program sets itself up; it serves only after that.
TEST(ForkProcesses, RunSyncSaysNotReady) {
  EXPECT_GE(FirstLifeThatServes([] {
              IOLoop::Current()
                  .RunSync([]() -> Task<> { co_await Sleep(absl::Hours(1)); }())
                  .IgnoreError();
            }),
            2);
}

TEST(ForkProcesses, OnReadyIsCalledOnceInTheMaster) {
  ForkedProgram program([](LineWriter out) {
    const pid_t master = getpid();
    ForkOptions options;
    options.on_ready = [out, master](const PoolSnapshot& snapshot) {
      out.Write(absl::StrCat("ready ", snapshot.ready(), " ", getpid() == master));
    };
    ForkProcesses(2, std::move(options)).value();
    const bool again = Worker::Current()->incarnation() == 2;
    IOLoop::Current().AddCallback([out, again] {
      if (again) out.Write("again");
    });
    IOLoop::Current().Start();
    return 0;
  });
  EXPECT_EQ(program.ReadLine(), "ready 2 1");
  program.Signal(SIGTTIN);
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
  EXPECT_TRUE(program.WaitForEndOfOutput());
}

TEST(ForkProcesses, AFullDescriptorTableDelaysAReplacementAndNoMore) {
  ForkedProgram program([](LineWriter out) {
    ForkOptions options;
    options.on_ready = [out](const PoolSnapshot& snapshot) {
      out.Write(absl::StrCat(snapshot.workers[0].slot.pid, " ", snapshot.workers[1].slot.pid));
    };
    const int id = ForkProcesses(2, std::move(options)).value();
    const Worker& worker = *Worker::Current();
    if (id == 2 || worker.incarnation() >= 2) out.Write(absl::StrCat(id));
    IOLoop::Current().Start();
    return 0;
  });
  const std::vector<std::string> pids = absl::StrSplit(program.ReadLine(), ' ');
  ASSERT_EQ(pids.size(), 2u);
  pid_t killed, sibling;
  ASSERT_TRUE(absl::SimpleAtoi(pids[0], &killed) && absl::SimpleAtoi(pids[1], &sibling));
  rlimit before;
  ASSERT_EQ(prlimit(program.pid(), RLIMIT_NOFILE, nullptr, &before), 0);
  const rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
  ASSERT_EQ(prlimit(program.pid(), RLIMIT_NOFILE, &none, nullptr), 0);
  kill(killed, SIGKILL);
  ASSERT_TRUE(Eventually([&] { return !IsAlive(killed); }));
  // The master went on: it still takes signals.
  program.Signal(SIGTTIN);
  EXPECT_TRUE(IsAlive(program.pid()));
  EXPECT_TRUE(IsAlive(sibling));
  ASSERT_EQ(prlimit(program.pid(), RLIMIT_NOFILE, &before, nullptr), 0);
  EXPECT_THAT(program.ReadLines(2), UnorderedElementsAre("0", "2"));
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

TEST(ForkProcesses, SiblingsDrawDifferentRandomNumbers) {
  ForkedProgram program([](LineWriter out) {
    srandom(1);
    OnReseed([](uint64_t seed) { srand48(static_cast<long>(seed)); });
    ForkProcesses(2).value();
    out.Write(absl::StrCat(random()));
    return 0;
  });
  EXPECT_NE(program.ReadLine(), program.ReadLine());
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

TEST(ForkProcesses, WorkersHaveTheSignalMaskOfTheProgram) {
  ForkedProgram program([](LineWriter out) {
    ForkProcesses(1).value();
    sigset_t mask;
    sigprocmask(SIG_BLOCK, nullptr, &mask);
    out.Write(absl::StrCat(sigismember(&mask, SIGTERM), sigismember(&mask, SIGINT),
                           sigismember(&mask, SIGTTIN)));
    return 0;
  });
  EXPECT_EQ(program.ReadLine(), "000");
}

}  // namespace
}  // namespace squall
