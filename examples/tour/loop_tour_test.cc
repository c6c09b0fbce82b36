// docs/ioloop.md, "The loop": callbacks, timers, descriptors, signals, other threads.
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/loop_stats.h"
#include "squall/ioloop/periodic_callback.h"
#include "squall/ioloop/timeout.h"

namespace {

TEST(LoopTour, CallbacksAndTimers) {
  std::vector<std::string> done;

  squall::IOLoop& loop = squall::IOLoop::Current();
  loop.AddCallback([&] { done.push_back("callback"); });
  squall::Timeout timer = loop.CallLater(absl::Milliseconds(5), [&] {
    done.push_back("timer");
    loop.Stop();
  });
  squall::Timeout never = loop.CallLater(absl::Milliseconds(1), [&] { done.push_back("never"); });
  never.Cancel();  // as its destructor would
  loop.Start();    // until Stop()

  EXPECT_EQ(done, (std::vector<std::string>{"callback", "timer"}));
  squall::IOLoop::ClearCurrent();
}

TEST(LoopTour, Periodically) {
  squall::IOLoop& loop = squall::IOLoop::Current();
  int looks = 0;

  squall::PeriodicCallback look(absl::Milliseconds(5), [&] {
    if (++looks == 3) loop.Stop();
  });
  look.Start();
  loop.Start();

  EXPECT_EQ(looks, 3);
}

TEST(LoopTour, Descriptors) {
  squall::IOLoop& loop = squall::IOLoop::Current();
  uint64_t seen = 0;

  squall::UniqueFd events(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  absl::Status added = loop.AddHandler(events.get(), squall::IOLoop::kRead, [&](uint32_t) {
    uint64_t count = 0;
    if (::read(events.get(), &count, sizeof count) != sizeof count) return;
    seen += count;
    loop.Stop();
  });
  if (!added.ok()) FAIL() << added;

  ASSERT_EQ(::eventfd_write(events.get(), 3), 0);
  loop.Start();
  EXPECT_EQ(seen, 3u);

  loop.RemoveHandler(events.get());  // before the descriptor is closed
  squall::IOLoop::ClearCurrent();
}

TEST(LoopTour, Signals) {
  squall::IOLoop& loop = squall::IOLoop::Current();
  int received = 0;

  absl::Status added = loop.AddSignalHandler(SIGUSR1, [&](int signo) {
    received = signo;  // an ordinary callback: anything may be done here
    loop.Stop();
  });

  ASSERT_TRUE(added.ok()) << added;
  ASSERT_EQ(::kill(::getpid(), SIGUSR1), 0);
  loop.Start();
  EXPECT_EQ(received, SIGUSR1);
  loop.RemoveSignalHandler(SIGUSR1);
  squall::IOLoop::ClearCurrent();
}

TEST(LoopTour, OtherThreads) {
  squall::IOLoop& loop = squall::IOLoop::Current();
  int answer = 0;

  std::thread other([&loop, &answer] {
    const int computed = 6 * 7;
    loop.AddCallback([&loop, &answer, computed] {  // runs in the loop's thread
      answer = computed;
      loop.Stop();
    });
  });
  loop.Start();
  other.join();

  EXPECT_EQ(answer, 42);
  squall::IOLoop::ClearCurrent();
}

TEST(LoopTour, Statistics) {
  squall::IOLoop& loop = squall::IOLoop::Current();

  loop.SetSlowCallbackThreshold(absl::Milliseconds(100));  // one line in the log for each such
  loop.AddCallback([] { absl::SleepFor(absl::Milliseconds(5)); });
  loop.AddCallback([&] { loop.Stop(); });
  loop.Start();
  const squall::LoopStats stats = loop.stats();
  std::cout << stats.longest_callback_name << " took " << stats.longest_callback
            << ", 99 of 100 of " << stats.iterations << " turns less than "
            << stats.turns.Quantile(0.99) << "\n";

  EXPECT_GE(stats.longest_callback, absl::Milliseconds(5));
  EXPECT_NE(stats.longest_callback_name.find("a callback of loop_tour_test.cc:"),
            std::string::npos);
  squall::IOLoop::ClearCurrent();
}

}  // namespace
