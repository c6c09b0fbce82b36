#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/loop_fixture.h"

namespace squall {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

bool IsBlocked(int signo) {
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  return sigismember(&mask, signo) == 1;
}

class SignalTest : public internal::LoopFixture {};

TEST_F(SignalTest, ASignalBecomesACallback) {
  std::vector<int> seen;
  const auto handler = [&](int signo) {
    seen.push_back(signo);
    if (seen.size() == 2) loop_.Stop();
  };
  ASSERT_THAT(loop_.AddSignalHandler(SIGUSR1, handler), IsOk());
  ASSERT_THAT(loop_.AddSignalHandler(SIGTERM, handler), IsOk());
  ::kill(::getpid(), SIGTERM);
  ::kill(::getpid(), SIGUSR1);
  EXPECT_THAT(seen, ElementsAre());  // Not before the loop runs.
  Start();
  EXPECT_THAT(seen, testing::UnorderedElementsAre(SIGTERM, SIGUSR1));
}

TEST_F(SignalTest, ASignalWakesTheLoop) {
  ASSERT_THAT(loop_.AddSignalHandler(SIGALRM, [&](int) { loop_.Stop(); }), IsOk());
  const itimerval soon = {.it_interval = {}, .it_value = {.tv_sec = 0, .tv_usec = 5000}};
  ASSERT_EQ(::setitimer(ITIMER_REAL, &soon, nullptr), 0);
  Start();
}

TEST_F(SignalTest, HandlersMayRemoveThemselvesAndOthers) {
  std::vector<std::string> seen;
  std::string captured = "long enough to live on the heap, where a use after free is seen";
  ASSERT_THAT(loop_.AddSignalHandler(SIGUSR1,
                                     [&, captured](int) {
                                       loop_.RemoveSignalHandler(SIGUSR1);
                                       seen.push_back(captured);
                                       loop_.Stop();
                                     }),
              IsOk());
  ::kill(::getpid(), SIGUSR1);
  Start();
  EXPECT_THAT(seen, ElementsAre(captured));
  EXPECT_FALSE(IsBlocked(SIGUSR1));
}

TEST_F(SignalTest, TheMaskIsGivenBackAsItWas) {
  sigset_t usr2;
  sigemptyset(&usr2);
  sigaddset(&usr2, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &usr2, nullptr);
  ASSERT_THAT(loop_.AddSignalHandler(SIGUSR1, [](int) {}), IsOk());
  ASSERT_THAT(loop_.AddSignalHandler(SIGUSR2, [](int) {}), IsOk());
  EXPECT_TRUE(IsBlocked(SIGUSR1));
  IOLoop::ClearCurrent();
  EXPECT_FALSE(IsBlocked(SIGUSR1));
  EXPECT_TRUE(IsBlocked(SIGUSR2));
  pthread_sigmask(SIG_UNBLOCK, &usr2, nullptr);
}

TEST_F(SignalTest, MistakesAreErrors) {
  for (int signo : {SIGKILL, SIGSTOP, SIGSEGV, 0, -1, 32, 65, 1000}) {
    EXPECT_THAT(loop_.AddSignalHandler(signo, [](int) {}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(std::to_string(signo))));
  }
  ASSERT_THAT(loop_.AddSignalHandler(SIGUSR1, [](int) {}), IsOk());
  EXPECT_THAT(loop_.AddSignalHandler(SIGUSR1, [](int) {}),
              StatusIs(absl::StatusCode::kAlreadyExists));
  loop_.RemoveSignalHandler(SIGUSR1);
  loop_.RemoveSignalHandler(SIGUSR1);
  EXPECT_THAT(loop_.AddSignalHandler(SIGUSR1, [](int) {}), IsOk());
}

TEST_F(SignalTest, ExceptionsAreLogged) {
  LogCapture log;
  ASSERT_THAT(loop_.AddSignalHandler(SIGUSR1,
                                     [&](int) {
                                       loop_.Stop();
                                       throw std::runtime_error("boom");
                                     }),
              IsOk());
  ::kill(::getpid(), SIGUSR1);
  Start();
  EXPECT_THAT(log.messages(), ElementsAre("E Exception in a signal handler: boom"));
}

// EINTR: a classic handler without SA_RESTART interrupts epoll_wait all the time.
volatile sig_atomic_t interruptions = 0;

TEST_F(SignalTest, InterruptedWaitsGoOn) {
  struct sigaction action = {};
  action.sa_handler = [](int) { interruptions = interruptions + 1; };
  struct sigaction old;
  ASSERT_EQ(::sigaction(SIGALRM, &action, &old), 0);
  const itimerval often = {.it_interval = {.tv_sec = 0, .tv_usec = 2000},
                           .it_value = {.tv_sec = 0, .tv_usec = 2000}};
  const itimerval never = {};
  const MonotonicTime start = Clock::Real().Now();
  ASSERT_EQ(::setitimer(ITIMER_REAL, &often, nullptr), 0);
  loop_.CallLater(absl::Milliseconds(100), [&] { loop_.Stop(); }).Detach();
  Start();
  ASSERT_EQ(::setitimer(ITIMER_REAL, &never, nullptr), 0);
  ::sigaction(SIGALRM, &old, nullptr);
  EXPECT_GE(Clock::Real().Now() - start, absl::Milliseconds(100));
  EXPECT_GT(interruptions, 0);
}

// The loop still has a handler for the number that the signals' descriptor gets.
TEST_F(SignalTest, AFailureToWatchLeavesNothingBehind) {
  UniqueFd closed_too_early(::eventfd(0, EFD_CLOEXEC));
  const int fd = closed_too_early.get();
  ASSERT_THAT(loop_.AddHandler(fd, IOLoop::kRead, [](uint32_t) {}), IsOk());
  closed_too_early.reset();
  EXPECT_THAT(loop_.AddSignalHandler(SIGUSR1, [](int) {}),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("has a handler")));
  EXPECT_FALSE(IsBlocked(SIGUSR1));
  loop_.RemoveHandler(fd);

  int got = 0;
  for (const int signo : {SIGUSR1, SIGUSR2}) {
    ASSERT_THAT(loop_.AddSignalHandler(signo,
                                       [&](int) {
                                         if (++got == 2) loop_.Stop();
                                       }),
                IsOk());
    ::raise(signo);
  }
  Start();
  EXPECT_EQ(got, 2);
}

}  // namespace
}  // namespace squall
