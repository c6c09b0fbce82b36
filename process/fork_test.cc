#include "squall/process/fork.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

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
#include "squall/process/testing/forked_program.h"

namespace squall {
namespace {

using ::testing::ElementsAre;
using testing::Eventually;
using testing::ForkedProgram;
using ::testing::HasSubstr;
using testing::IsAlive;
using testing::LineWriter;
using ::testing::UnorderedElementsAre;

// A worker as it announces itself: "0 1 4711" is task id, incarnation, pid.
struct Announced {
  int task_id = -1;
  int incarnation = 0;
  pid_t pid = 0;
};

Announced ReadWorker(ForkedProgram& program) {
  const std::vector<std::string> parts = absl::StrSplit(program.ReadLine(), ' ');
  Announced worker;
  if (parts.size() == 3 && absl::SimpleAtoi(parts[0], &worker.task_id) &&
      absl::SimpleAtoi(parts[1], &worker.incarnation)) {
    EXPECT_TRUE(absl::SimpleAtoi(parts[2], &worker.pid));
  }
  return worker;
}

std::vector<Announced> ReadWorkers(ForkedProgram& program, int count) {
  std::vector<Announced> workers(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    const Announced worker = ReadWorker(program);
    EXPECT_GE(worker.task_id, 0);
    EXPECT_LT(worker.task_id, count);
    if (worker.task_id >= 0 && worker.task_id < count) {
      workers[static_cast<size_t>(worker.task_id)] = worker;
    }
  }
  return workers;
}

// Forks `count` workers that announce themselves and serve until they are stopped.
int ServeForever(LineWriter out, int count, ForkOptions options = {}) {
  const absl::StatusOr<int> id = ForkProcesses(count, std::move(options));
  if (!id.ok()) {
    out.Write(id.status().ToString());
    return 99;
  }
  out.Write(absl::StrCat(*id, " ", Worker::Current()->incarnation(), " ", getpid()));
  IOLoop::Current().Start();
  return 0;
}

// TCPServer's TestMultiprocess (tornado/test/tcpserver_test.py): every task id once, and a master
// that exits 0 when all workers did.
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

TEST(ForkProcesses, TermDrainsAndExitsZero) {
  ForkedProgram program([](LineWriter out) {
    const int id = ForkProcesses(2).value();
    auto drain = Worker::Current()->OnDrain([&](const DrainRequest&, Worker::Done done) {
      out.Write(absl::StrCat("drain ", id));
      done();
    });
    out.Write("up");
    IOLoop::Current().Start();
    return 0;
  });
  EXPECT_THAT(program.ReadLines(2), ElementsAre("up", "up"));
  program.Signal(SIGTERM);
  EXPECT_THAT(program.ReadLines(2), UnorderedElementsAre("drain 0", "drain 1"));
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
  EXPECT_TRUE(program.WaitForEndOfOutput());
}

TEST(ForkProcesses, AWorkerThatDoesNotDrainIsTerminatedAfterTheGrace) {
  ForkedProgram program([](LineWriter out) {
    ForkProcesses(1, {.drain = {.grace = absl::Milliseconds(50)}}).value();
    auto drain = Worker::Current()->OnDrain([](const DrainRequest&, Worker::Done) {});
    IOLoop::Current().AddCallback([out] { out.Write("running"); });
    IOLoop::Current().Start();
    return 0;
  });
  program.ReadLine();
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
  EXPECT_TRUE(program.WaitForEndOfOutput());
}

TEST(ForkProcesses, AWorkerThatIgnoresTermIsKilled) {
  ForkedProgram program([](LineWriter out) {
    ForkProcesses(
        1, {.drain = {.grace = absl::Milliseconds(20), .kill_after = absl::Milliseconds(20)}})
        .value();
    signal(SIGTERM, SIG_IGN);
    IOLoop::Current().AddCallback([out] {
      out.Write("blocked");
      absl::SleepFor(absl::Hours(1));
    });
    IOLoop::Current().Start();
    return 0;
  });
  program.ReadLine();
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
  EXPECT_TRUE(program.WaitForEndOfOutput());
}

TEST(ForkProcesses, IntEndsWorkersAtOnceThoughTheyCouldDrain) {
  ForkedProgram program([](LineWriter out) {
    ForkProcesses(2, {.drain = {.grace = absl::Hours(1)}}).value();
    auto drain = Worker::Current()->OnDrain([](const DrainRequest&, Worker::Done) {});
    IOLoop::Current().AddCallback([out] { out.Write("running"); });
    IOLoop::Current().Start();
    return 0;
  });
  program.ReadLines(2);
  program.Signal(SIGINT);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
  EXPECT_TRUE(program.WaitForEndOfOutput());
}

TEST(ForkProcesses, ASecondTermEndsADrainAtOnce) {
  ForkedProgram program([](LineWriter out) {
    ForkProcesses(1, {.drain = {.grace = absl::Hours(1)}}).value();
    auto drain = Worker::Current()->OnDrain(
        [out](const DrainRequest&, Worker::Done) { out.Write("draining"); });
    IOLoop::Current().AddCallback([out] { out.Write("running"); });
    IOLoop::Current().Start();
    return 0;
  });
  program.ReadLine();
  program.Signal(SIGTERM);
  EXPECT_EQ(program.ReadLine(), "draining");
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
  EXPECT_TRUE(program.WaitForEndOfOutput());
}

// A TERM to the process group, as systemd and timeout(1) send it, must not cut what is in flight.
TEST(ForkProcesses, TermToAWorkerDrainsItAndThenCountsAsADeath) {
  ForkedProgram program([](LineWriter out) {
    const int id = ForkProcesses(1).value();
    Worker& worker = *Worker::Current();
    auto drain = worker.OnDrain([&](const DrainRequest& request, Worker::Done done) {
      out.Write(absl::StrCat("drain ", request.pool_ends));
      done();
    });
    IOLoop::Current().AddCallback(
        [&] { out.Write(absl::StrCat(id, " ", worker.incarnation(), " ", getpid())); });
    IOLoop::Current().Start();
    return 0;
  });
  const Announced worker = ReadWorker(program);
  kill(worker.pid, SIGTERM);
  EXPECT_EQ(program.ReadLine(), "drain 0");
  const Announced replacement = ReadWorker(program);
  EXPECT_EQ(replacement.task_id, 0);
  EXPECT_EQ(replacement.incarnation, 2);
  program.Signal(SIGTERM);
  EXPECT_EQ(program.ReadLine(), "drain 1");
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

TEST(ForkProcesses, ASecondTermEndsAWorkerThatDrains) {
  ForkedProgram program([](LineWriter out) {
    ForkProcesses(1, {.drain = {.grace = absl::Hours(1)}}).value();
    auto drain = Worker::Current()->OnDrain(
        [out](const DrainRequest&, Worker::Done) { out.Write("draining"); });
    IOLoop::Current().AddCallback([out] { out.Write(absl::StrCat("0 1 ", getpid())); });
    IOLoop::Current().Start();
    return 0;
  });
  const Announced worker = ReadWorker(program);
  kill(worker.pid, SIGTERM);
  EXPECT_EQ(program.ReadLine(), "draining");
  kill(worker.pid, SIGTERM);
  EXPECT_TRUE(Eventually([&] { return !IsAlive(worker.pid); }));
}

// The master's TERM must end it, though it is the first one that the worker sees.
TEST(ForkProcesses, ABlockedWorkerIsEndedByTheMastersTerm) {
  ForkedProgram program([](LineWriter out) {
    ForkProcesses(1, {.drain = {.grace = absl::Milliseconds(20), .kill_after = absl::Hours(1)}})
        .value();
    IOLoop::Current().AddCallback([out] {
      out.Write("blocked");
      absl::SleepFor(absl::Hours(1));
    });
    IOLoop::Current().Start();
    return 0;
  });
  program.ReadLine();
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

TEST(ForkProcesses, TheMastersTermWorksThoughTheParentHadBlockedIt) {
  ForkedProgram program([](LineWriter out) {
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, nullptr);
    ForkProcesses(1, {.drain = {.grace = absl::Milliseconds(20), .kill_after = absl::Hours(1)}})
        .value();
    auto drain = Worker::Current()->OnDrain([](const DrainRequest&, Worker::Done) {});
    IOLoop::Current().AddCallback([out] { out.Write("up"); });
    IOLoop::Current().Start();
    return 0;
  });
  program.ReadLine();
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

TEST(ForkProcesses, TheMastersSignalsMeanNothingToAWorker) {
  ForkedProgram program([](LineWriter out) { return ServeForever(out, 1); });
  const Announced worker = ReadWorker(program);
  for (const int signo : {SIGHUP, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU, SIGQUIT}) {
    kill(worker.pid, signo);
  }
  // By the time that the master has grown the pool, the signals have been delivered.
  program.Signal(SIGTTIN);
  EXPECT_EQ(ReadWorker(program).task_id, 1);
  EXPECT_TRUE(IsAlive(worker.pid));
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

// A helper thread's loop that starts first must not become the worker's.
TEST(ForkProcesses, TheLoopOfAnotherThreadIsNotTheWorkers) {
  ForkedProgram program([](LineWriter out) {
    ForkProcesses(1).value();
    IOLoop* other = nullptr;
    std::atomic<bool> runs = false;
    std::thread thread([&] {
      other = &IOLoop::Current();
      other->AddCallback([&] { runs = true; });
      other->Start();
    });
    while (!runs) std::this_thread::yield();
    const std::thread::id main_thread = std::this_thread::get_id();
    auto drain = Worker::Current()->OnDrain([&](const DrainRequest&, Worker::Done done) {
      out.Write(absl::StrCat("main ", std::this_thread::get_id() == main_thread));
      done();
    });
    IOLoop::Current().AddCallback([out] { out.Write("up"); });
    IOLoop::Current().Start();
    other->AddCallback([other] { other->Stop(); });
    thread.join();
    return 0;
  });
  EXPECT_EQ(program.ReadLine(), "up");
  program.Signal(SIGTERM);
  EXPECT_EQ(program.ReadLine(), "main 1");
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

TEST(ForkProcesses, ASecondLoopOfTheWorkerTakesOver) {
  ForkedProgram program([](LineWriter out) {
    ForkProcesses(1).value();
    IOLoop::Current().AddCallback([] { IOLoop::Current().Stop(); });
    IOLoop::Current().Start();
    IOLoop::ClearCurrent();
    auto drain = Worker::Current()->OnDrain([&](const DrainRequest&, Worker::Done done) {
      out.Write("drain");
      done();
    });
    IOLoop::Current().AddCallback([out] { out.Write("up"); });
    IOLoop::Current().Start();
    return 0;
  });
  EXPECT_EQ(program.ReadLine(), "up");
  program.Signal(SIGTERM);
  EXPECT_EQ(program.ReadLine(), "drain");
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
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

// Several workers: if one held the master's end of a sibling's lifeline, the sibling would stay.
TEST(ForkProcesses, NobodyOutlivesAKilledMaster) {
  ForkedProgram program([](LineWriter out) { return ServeForever(out, 4); });
  ReadWorkers(program, 4);
  program.Signal(SIGKILL);
  EXPECT_TRUE(program.WaitForEndOfOutput());
}

TEST(ForkProcesses, AReplacementSeesTheMastersDeathToo) {
  ForkedProgram program([](LineWriter out) { return ServeForever(out, 2); });
  const std::vector<Announced> workers = ReadWorkers(program, 2);
  kill(workers[0].pid, SIGKILL);
  ReadWorker(program);
  program.Signal(SIGKILL);
  EXPECT_TRUE(program.WaitForEndOfOutput());
}

TEST(ForkProcesses, AWorkerWithoutALoopDiesWithTheMaster) {
  ForkedProgram program([](LineWriter out) {
    ForkProcesses(1).value();
    Worker::Current()->NotifyReady();
    out.Write("computing");
    absl::SleepFor(absl::Hours(1));
    return 0;
  });
  program.ReadLine();
  program.Signal(SIGKILL);
  EXPECT_TRUE(program.WaitForEndOfOutput());
}

TEST(ForkProcesses, ABlockedWorkerDiesWhenTheGraceAfterTheMastersDeathIsOver) {
  ForkedProgram program([](LineWriter out) {
    ForkProcesses(
        1, {.drain = {.grace = absl::Milliseconds(100), .kill_after = absl::Milliseconds(100)}})
        .value();
    IOLoop::Current().AddCallback([out] {
      out.Write("blocked");
      absl::SleepFor(absl::Hours(1));
    });
    IOLoop::Current().Start();
    return 0;
  });
  program.ReadLine();
  program.Signal(SIGKILL);
  EXPECT_TRUE(program.WaitForEndOfOutput());
}

TEST(ForkProcesses, WorkersMayOutliveTheMaster) {
  ForkedProgram program([](LineWriter out) {
    return ServeForever(out, 1, {.on_supervisor_exit = OnSupervisorExit::kKeep});
  });
  const Announced worker = ReadWorker(program);
  program.Signal(SIGKILL);
  program.Wait();
  // The worker now belongs to someone else and still runs.
  EXPECT_TRUE(IsAlive(worker.pid));
  kill(worker.pid, SIGKILL);
  EXPECT_TRUE(program.WaitForEndOfOutput());
}

TEST(ForkProcesses, AWorkerThatIsNeverReadyIsReplaced) {
  ForkedProgram program([](LineWriter out) {
    ForkProcesses(1, {.boot_timeout = absl::Milliseconds(50)}).value();
    out.Write(absl::StrCat(Worker::Current()->incarnation()));
    if (Worker::Current()->incarnation() == 1) absl::SleepFor(absl::Hours(1));
    IOLoop::Current().Start();
    return 0;
  });
  EXPECT_THAT(program.ReadLines(2), ElementsAre("1", "2"));
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

// RunSync before Start() is how a program sets itself up; it serves only after that.
TEST(ForkProcesses, RunSyncSaysNotReady) {
  ForkedProgram program([](LineWriter out) {
    ForkProcesses(1, {.boot_timeout = absl::Milliseconds(50)}).value();
    out.Write(absl::StrCat(Worker::Current()->incarnation()));
    if (Worker::Current()->incarnation() == 1) {
      IOLoop::Current().RunSync([]() -> Task<> { co_await Sleep(absl::Hours(1)); }()).IgnoreError();
    }
    IOLoop::Current().Start();
    return 0;
  });
  EXPECT_THAT(program.ReadLines(2), ElementsAre("1", "2"));
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
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
