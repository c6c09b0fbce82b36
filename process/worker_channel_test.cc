#include "squall/process/worker_channel.h"

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/process/drain.h"

namespace squall::internal {
namespace {

constexpr MonotonicTime kAsked = MonotonicTime::FromNanos(1'000'000'000);

TEST(DrainPacket, WhoReadsItLateIsToldWhatIsLeft) {
  const WorkerPacket packet = DrainPacket(
      {.grace = absl::Seconds(30), .idle_close_after = absl::Seconds(24), .pool_ends = true},
      kAsked);
  const DrainRequest at_once = DrainRequestOf(packet, kAsked);
  EXPECT_EQ(at_once.grace, absl::Seconds(30));
  EXPECT_EQ(at_once.idle_close_after, absl::Seconds(24));
  EXPECT_TRUE(at_once.pool_ends);

  const DrainRequest late = DrainRequestOf(packet, kAsked + absl::Seconds(26));
  EXPECT_EQ(late.grace, absl::Seconds(4));
  EXPECT_EQ(late.idle_close_after, absl::ZeroDuration()) << "not below zero";
}

TEST(DrainPacket, ForEverStaysForEver) {
  const WorkerPacket packet = DrainPacket(
      {.grace = absl::InfiniteDuration(), .idle_close_after = absl::InfiniteDuration()}, kAsked);
  const DrainRequest late = DrainRequestOf(packet, kAsked + absl::Hours(1));
  EXPECT_EQ(late.grace, absl::InfiniteDuration());
  EXPECT_EQ(late.idle_close_after, absl::InfiniteDuration());
}

}  // namespace
}  // namespace squall::internal
