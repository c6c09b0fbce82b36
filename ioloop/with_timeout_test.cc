#include "squall/ioloop/with_timeout.h"

#include <sys/socket.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/group_fixture.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/race.h"
#include "squall/ioloop/task.h"

namespace squall {
namespace {

using testing::HasSubstr;
using testing::Pointee;

constexpr absl::Duration kShort = absl::Milliseconds(10);

class WithTimeoutTest : public internal::GroupFixture {};

Task<> Nothing() { co_return; }
Task<absl::Status> Fail() { co_return absl::NotFoundError("none"); }
Task<absl::StatusOr<int>> Five() { co_return 5; }
Task<std::unique_ptr<int>> MakeUnique(int value) { co_return std::make_unique<int>(value); }

TEST_F(WithTimeoutTest, ResultsAsRunSyncGivesThem) {
  auto nothing = Begin([] { return WithTimeout(kShort, Nothing()); });
  EXPECT_THAT(nothing.result(), IsOk());
  auto fail = Begin([] { return WithTimeout(kShort, Fail()); });
  EXPECT_THAT(fail.result(), StatusIs(absl::StatusCode::kNotFound));
  auto five = Begin([] { return WithTimeout(kShort, Five()); });
  EXPECT_THAT(five.result(), IsOkAndHolds(5));
  auto unique = Begin([] { return WithTimeout(kShort, MakeUnique(6)); });
  EXPECT_THAT(unique.result(), IsOkAndHolds(Pointee(6)));
}

TEST_F(WithTimeoutTest, DestroysTheTaskAtTheDeadline) {
  auto wait = Begin([this] { return WithTimeout(kShort, Wait(1)); });
  EXPECT_EQ(alive_, 1);
  while (!wait.done()) RunFor(kShort);
  EXPECT_THAT(wait.result(),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("not done after 10ms")));
  EXPECT_EQ(alive_, 0);
}

TEST_F(WithTimeoutTest, AZeroTimeoutEndsInTheNextIteration) {
  auto at_once = Begin([] { return WithTimeout(absl::ZeroDuration(), Five()); });
  EXPECT_THAT(at_once.result(), IsOkAndHolds(5));
  auto late = Begin([this] { return WithTimeout(-absl::Seconds(1), Wait(1)); });
  EXPECT_FALSE(late.done());
  RunBriefly();
  EXPECT_THAT(late.result(), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(WithTimeoutTest, Infinite) {
  auto wait = Begin([this] { return WithTimeout(absl::InfiniteDuration(), Wait(1)); });
  RunFor(kShort);
  EXPECT_FALSE(wait.done());
  events_[1].Set();
  RunBriefly();
  RunBriefly();
  EXPECT_THAT(wait.result(), IsOkAndHolds(1));
}

TEST_F(WithTimeoutTest, DoneInTimeAndResumedAfterTheDeadline) {
  auto wait = Begin([this] { return WithTimeout(2 * kShort, Wait(1)); });
  events_[1].Set();
  absl::SleepFor(3 * kShort);
  RunBriefly();  // The task is done, and then its timer is due.
  RunBriefly();
  EXPECT_THAT(wait.result(), IsOkAndHolds(1));
}

TEST_F(WithTimeoutTest, Nested) {
  auto wait = Begin(
      [this] { return WithTimeout(absl::Hours(1), WithTimeout(kShort, Race(Wait(1), Wait(2)))); });
  while (!wait.done()) RunFor(kShort);
  EXPECT_THAT(wait.result(), StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("10ms")));
  EXPECT_EQ(alive_, 0);
}

TEST_F(WithTimeoutTest, DestroyedWhileItsTaskIsSuspended) {
  auto wait = Begin([this] { return WithTimeout(kShort, Wait(1)); });
  wait.Destroy();
  EXPECT_EQ(alive_, 0);
  RunFor(2 * kShort);
}

TEST_F(WithTimeoutTest, LoopBeforeSuspendedTask) {
  loop_.Spawn(Discard(WithTimeout(absl::Hours(1), Wait(1))));
  EXPECT_EQ(alive_, 1);
  IOLoop::ClearCurrent();
  EXPECT_EQ(alive_, 0);
}

TEST_F(WithTimeoutTest, ReachesAReadOfAStream) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
  IOStream stream{UniqueFd(fds[0])};
  const UniqueFd peer(fds[1]);
  auto line = Begin([&] { return WithTimeout(kShort, stream.ReadUntil("\n")); });
  EXPECT_TRUE(stream.reading());
  while (!line.done()) RunFor(kShort);
  EXPECT_THAT(line.result(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  // The stream is as fit as before.
  EXPECT_FALSE(stream.reading());
  ASSERT_EQ(::send(peer.get(), "late\n", 5, 0), 5);
  EXPECT_THAT(loop_.RunSync(stream.ReadUntil("\n")), IsOkAndHolds("late\n"));
}

}  // namespace
}  // namespace squall
