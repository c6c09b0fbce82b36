// Misuse that must be loud: another process, another thread, a loop in a loop.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <thread>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/fork_generation.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/sleep.h"

namespace squall {
namespace {

// Runs `action` in a forked child and ends as the child did. Written as functions: gtest's macro
// does not like the commas.
template <typename Action>
void InForkedChild(Action action) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    action();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) {
    ::signal(WTERMSIG(status), SIG_DFL);
    ::raise(WTERMSIG(status));
  }
  ::_exit(WEXITSTATUS(status));
}

constexpr char kForeign[] = "was called in process [0-9]+, but this loop was made before a fork";

void CurrentAfterFork() {
  IOLoop::Current();
  InForkedChild([] { IOLoop::Current(); });
}
void StartAfterFork() {
  IOLoop& loop = IOLoop::Current();
  InForkedChild([&loop] { loop.Start(); });
}
void AddHandlerAfterFork() {
  IOLoop& loop = IOLoop::Current();
  InForkedChild([&loop] { loop.AddHandler(0, IOLoop::kRead, [](uint32_t) {}).IgnoreError(); });
}
void AddCallbackAfterFork() {
  IOLoop& loop = IOLoop::Current();
  InForkedChild([&loop] { loop.AddCallback([] {}); });
}
void CallLaterAfterFork() {
  IOLoop& loop = IOLoop::Current();
  InForkedChild([&loop] { loop.CallLater(absl::Seconds(1), [] {}).Detach(); });
}
Task<> Nothing() { co_return; }
void SpawnAfterFork() {
  IOLoop& loop = IOLoop::Current();
  InForkedChild([&loop] { loop.Spawn(Nothing()); });
}
void ForkInsideACallback() {
  IOLoop& loop = IOLoop::Current();
  loop.AddCallback([&loop] { InForkedChild([&loop] { loop.Stop(); }); });
  loop.Start();
}

TEST(IOLoopDeathTest, UseInAnotherProcessAborts) {
  EXPECT_EXIT(CurrentAfterFork(), testing::KilledBySignal(SIGABRT), kForeign);
  EXPECT_EXIT(StartAfterFork(), testing::KilledBySignal(SIGABRT), kForeign);
  EXPECT_EXIT(AddHandlerAfterFork(), testing::KilledBySignal(SIGABRT), kForeign);
  EXPECT_EXIT(AddCallbackAfterFork(), testing::KilledBySignal(SIGABRT), kForeign);
  EXPECT_EXIT(CallLaterAfterFork(), testing::KilledBySignal(SIGABRT), kForeign);
  EXPECT_EXIT(SpawnAfterFork(), testing::KilledBySignal(SIGABRT), kForeign);
  EXPECT_EXIT(ForkInsideACallback(), testing::KilledBySignal(SIGABRT), kForeign);
}

// A child that has nothing to do with the loop may exit, and with that run destructors that remove
// handlers: the epoll instance is the parent's too and must stay as it is.
void ChildExitsAndTheParentGoesOn() {
  IOLoop& loop = IOLoop::Current();
  int fds[2];
  if (::pipe(fds) != 0) ::_exit(9);
  UniqueFd read_end(fds[0]);
  UniqueFd write_end(fds[1]);
  loop.AddHandler(read_end.get(), IOLoop::kRead, [](uint32_t) { ::_exit(42); }).IgnoreError();
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (IOLoop::IfExists() != nullptr) ::_exit(7);
    if (!IOLoop::Exists()) ::_exit(8);
    loop.RemoveHandler(read_end.get());
    std::exit(0);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (status != 0) ::_exit(WEXITSTATUS(status));
  if (::write(write_end.get(), "x", 1) != 1) ::_exit(10);
  loop.Start();
}

TEST(IOLoopDeathTest, AChildsExitLeavesTheParentsHandlersAlone) {
  EXPECT_EXIT(ChildExitsAndTheParentGoesOn(), testing::ExitedWithCode(42), "");
}

// For clone3 and the like, which run no atfork handlers.
void NotifiedChild() {
  IOLoop& loop = IOLoop::Current();
  internal::NotifyForkedChild();
  loop.Start();
}

TEST(IOLoopDeathTest, NotifyForkedChildDisownsTheLoop) { EXPECT_DEATH(NotifiedChild(), kForeign); }

void LoopMadeInTheChild() {
  InForkedChild([] {
    IOLoop& loop = IOLoop::Current();
    loop.AddCallback([] { ::_exit(43); });
    loop.Start();
  });
}

TEST(IOLoopDeathTest, ALoopMadeAfterTheForkWorks) {
  EXPECT_EXIT(LoopMadeInTheChild(), testing::ExitedWithCode(43), "");
}

void StartInsideStart() {
  IOLoop& loop = IOLoop::Current();
  loop.AddCallback([&loop] { loop.Start(); });
  loop.Start();
}
void RunSyncInsideStart() {
  IOLoop& loop = IOLoop::Current();
  struct Local {
    static Task<> Run() { co_await Sleep(absl::Seconds(1)); }
  };
  loop.AddCallback([&loop] { loop.RunSync(Local::Run()).IgnoreError(); });
  loop.Start();
}
void ClearInsideStart() {
  IOLoop& loop = IOLoop::Current();
  loop.AddCallback([] { IOLoop::ClearCurrent(); });
  loop.Start();
}

// test_reentrant.
TEST(IOLoopDeathTest, LoopsDoNotNest) {
  EXPECT_DEATH(StartInsideStart(), "loops do not nest");
  EXPECT_DEATH(RunSyncInsideStart(), "loops do not nest");
  EXPECT_DEATH(ClearInsideStart(), "ClearCurrent was called inside a callback");
}

void StartInAnotherThread() {
  IOLoop& loop = IOLoop::Current();
  std::thread([&loop] { loop.Start(); }).join();
}

TEST(IOLoopDeathTest, OtherThreadsAreRefused) {
  EXPECT_DEATH(StartInAnotherThread(), "in a thread that does not own the loop");
}

struct Local {
  static Task<> ExitInside() {
    co_await Sleep(absl::ZeroDuration());
    std::exit(44);
  }
};
void ExitInsideATask() {
  IOLoop::Current().Spawn(Local::ExitInside());
  IOLoop::Current().Start();
}

// The loop's frames are on the stack while exit runs the thread's destructors.
TEST(IOLoopDeathTest, ExitInsideATaskIsAnOrdinaryExit) {
  EXPECT_EXIT(ExitInsideATask(), testing::ExitedWithCode(44), "");
}

}  // namespace
}  // namespace squall
