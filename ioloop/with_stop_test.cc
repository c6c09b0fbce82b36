#include "squall/ioloop/with_stop.h"

#include <sys/socket.h>

#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/group_fixture.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/task.h"

namespace squall {
namespace {

class WithStopTest : public internal::GroupFixture {
 protected:
  std::stop_source stop_;
};

TEST_F(WithStopTest, DestroysTheTaskInTheNextIteration) {
  auto wait = Begin([this] { return WithStop(stop_.get_token(), Wait(1)); });
  stop_.request_stop();
  EXPECT_EQ(alive_, 1);
  RunBriefly();
  EXPECT_THAT(wait.result(), StatusIs(absl::StatusCode::kCancelled,
                                      "WithStop: a stop was requested before the task was done"));
  EXPECT_EQ(alive_, 0);
}

TEST_F(WithStopTest, StoppedBeforeItsStart) {
  stop_.request_stop();
  auto wait = Begin([this] { return WithStop(stop_.get_token(), Wait(1)); });
  EXPECT_THAT(wait.result(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(started_, 0);
}

TEST_F(WithStopTest, DoneBeforeTheStop) {
  auto wait = Begin([this] { return WithStop(stop_.get_token(), Wait(1)); });
  events_[1].Set();
  RunBriefly();  // The task is done; its awaiter is resumed after the stop.
  stop_.request_stop();
  RunBriefly();
  EXPECT_THAT(wait.result(), IsOkAndHolds(1));
}

TEST_F(WithStopTest, ATokenThatNobodyCanStop) {
  auto wait = Begin([this] { return WithStop(std::stop_token(), Wait(1)); });
  events_[1].Set();
  RunBriefly();
  RunBriefly();
  EXPECT_THAT(wait.result(), IsOkAndHolds(1));
}

Task<absl::Status> StopItself(std::stop_source stop) {
  stop.request_stop();
  co_return absl::NotFoundError("none");
}

TEST_F(WithStopTest, ATaskThatStopsItself) {
  auto wait = Begin([this] { return WithStop(stop_.get_token(), StopItself(stop_)); });
  EXPECT_THAT(wait.result(), StatusIs(absl::StatusCode::kNotFound));
  RunBriefly();
}

TEST_F(WithStopTest, AllTasksOfOneSource) {
  std::vector<internal::Future<absl::StatusOr<int>>> waits;
  for (int i = 0; i < 10; ++i) {
    waits.push_back(Begin([this, i] { return WithStop(stop_.get_token(), Wait(i)); }));
  }
  stop_.request_stop();
  RunBriefly();
  EXPECT_EQ(alive_, 0);
  for (auto& wait : waits) EXPECT_THAT(wait.result(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(WithStopTest, DestroyedAfterTheStop) {
  auto wait = Begin([this] { return WithStop(stop_.get_token(), Wait(1)); });
  stop_.request_stop();
  wait.Destroy();
  EXPECT_EQ(alive_, 0);
  RunBriefly();
}

TEST_F(WithStopTest, LoopBeforeTheStop) {
  loop_.Spawn(Discard(WithStop(stop_.get_token(), Wait(1))));
  IOLoop::ClearCurrent();
  EXPECT_EQ(alive_, 0);
  stop_.request_stop();
}

TEST_F(WithStopTest, ReachesAReadOfAStream) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
  IOStream stream{UniqueFd(fds[0])};
  const UniqueFd peer(fds[1]);
  auto line = Begin([&] { return WithStop(stop_.get_token(), stream.ReadUntil("\n")); });
  EXPECT_TRUE(stream.reading());
  stop_.request_stop();
  RunBriefly();
  EXPECT_THAT(line.result(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_FALSE(stream.reading());
}

TEST_F(WithStopTest, FromAnotherThread) {
  auto wait = Begin([this] { return WithStop(stop_.get_token(), Wait(1)); });
  std::thread thread([this] { stop_.request_stop(); });
  while (!wait.done()) RunFor(absl::Milliseconds(1));
  thread.join();
  EXPECT_THAT(wait.result(), StatusIs(absl::StatusCode::kCancelled));
}

// The thread requests the stop while the task is done, destroyed, or lost with its loop.
TEST_F(WithStopTest, AgainstAnotherThread) {
  for (int i = 0; i < 300; ++i) {
    std::stop_source stop;
    events_[1].Clear();
    auto wait = Begin([this, &stop] { return WithStop(stop.get_token(), Wait(1)); });
    std::thread thread([&stop] { stop.request_stop(); });
    if (i % 3 == 0) {
      wait.Destroy();
    } else if (i % 3 == 1) {
      events_[1].Set();
    }
    RunBriefly();
    RunBriefly();
    wait.Destroy();
    thread.join();
    EXPECT_EQ(alive_, 0);
  }
}

Task<absl::Status> StopInThisThread(Task<> task, std::stop_token token) {
  const absl::Status status = co_await WithStop(std::move(token), std::move(task));
  co_return status;
}

Task<> WaitForEver(Event* never) { (void)co_await never->Wait(); }

TEST_F(WithStopTest, AgainstTheEndOfTheLoop) {
  for (int i = 0; i < 100; ++i) {
    std::stop_source stop;
    std::stop_source started;
    std::thread loop_thread([&] {
      Event never;
      IOLoop& loop = IOLoop::Current();
      for (int n = 0; n < 10; ++n) {
        loop.Spawn(Discard(StopInThisThread(WaitForEver(&never), stop.get_token())));
      }
      started.request_stop();
      IOLoop::ClearCurrent();
    });
    while (!started.stop_requested()) std::this_thread::yield();
    stop.request_stop();
    loop_thread.join();
  }
}

}  // namespace
}  // namespace squall
