// How workers end: asked to by the master, told by a signal, or left alone by a master that died.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/ioloop/ioloop.h"
#include "squall/process/fork.h"
#include "squall/process/testing/announced.h"
#include "squall/process/testing/forked_program.h"

namespace squall {
namespace {

using testing::Announced;
using ::testing::ElementsAre;
using testing::Eventually;
using testing::ForkedProgram;
using testing::IsAlive;
using testing::LineWriter;
using testing::ReadWorker;
using testing::ReadWorkers;
using testing::ServeForever;
using ::testing::UnorderedElementsAre;

TEST(Stop, TermDrainsAndExitsZero) {
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

TEST(Stop, AWorkerThatDoesNotDrainIsTerminatedAfterTheGrace) {
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

TEST(Stop, AWorkerThatIgnoresTermIsKilled) {
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

TEST(Stop, IntEndsWorkersAtOnceThoughTheyCouldDrain) {
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

TEST(Stop, ASecondTermEndsADrainAtOnce) {
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
TEST(Stop, TermToAWorkerDrainsItAndThenCountsAsADeath) {
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

TEST(Stop, ASecondTermEndsAWorkerThatDrains) {
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
TEST(Stop, ABlockedWorkerIsEndedByTheMastersTerm) {
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

TEST(Stop, TheMastersTermWorksThoughTheParentHadBlockedIt) {
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

TEST(Stop, TheMastersSignalsMeanNothingToAWorker) {
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

// A helper thread's loop that starts while the worker serves must not become the worker's.
TEST(Stop, TheLoopOfAnotherThreadIsNotTheWorkers) {
  ForkedProgram program([](LineWriter out) {
    ForkProcesses(1).value();
    IOLoop* other = nullptr;
    std::thread thread;
    const std::thread::id main_thread = std::this_thread::get_id();
    auto drain = Worker::Current()->OnDrain([&](const DrainRequest&, Worker::Done done) {
      out.Write(absl::StrCat("main ", std::this_thread::get_id() == main_thread));
      done();
    });
    IOLoop::Current().AddCallback([&] {
      std::atomic<bool> runs = false;
      thread = std::thread([&] {
        other = &IOLoop::Current();
        other->AddCallback([&] { runs = true; });
        other->Start();
      });
      while (!runs) std::this_thread::yield();
      out.Write("up");
    });
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

TEST(Stop, ASecondLoopOfTheWorkerTakesOver) {
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

// Several workers: if one held the master's end of a sibling's lifeline, the sibling would stay.
TEST(Stop, NobodyOutlivesAKilledMaster) {
  ForkedProgram program([](LineWriter out) { return ServeForever(out, 4); });
  ReadWorkers(program, 4);
  program.Signal(SIGKILL);
  EXPECT_TRUE(program.WaitForEndOfOutput());
}

TEST(Stop, AReplacementSeesTheMastersDeathToo) {
  ForkedProgram program([](LineWriter out) { return ServeForever(out, 2); });
  const std::vector<Announced> workers = ReadWorkers(program, 2);
  kill(workers[0].pid, SIGKILL);
  ReadWorker(program);
  program.Signal(SIGKILL);
  EXPECT_TRUE(program.WaitForEndOfOutput());
}

TEST(Stop, AWorkerWithoutALoopDiesWithTheMaster) {
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

TEST(Stop, ABlockedWorkerDiesWhenTheGraceAfterTheMastersDeathIsOver) {
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

TEST(Stop, WorkersMayOutliveTheMaster) {
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

}  // namespace
}  // namespace squall
