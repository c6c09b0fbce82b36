#include "squall/process/backoff.h"

#include <algorithm>
#include <random>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace squall {
namespace {

using ::testing::ElementsAre;

TEST(BackoffTest, TheFirstIsFreeThenDoublingToTheMaximum) {
  std::minstd_rand random(1);
  Backoff backoff({.max = absl::Milliseconds(500), .jitter = 0});
  std::vector<int64_t> ms;
  for (int i = 0; i < 6; ++i) ms.push_back(absl::ToInt64Milliseconds(backoff.Next(random)));
  EXPECT_THAT(ms, ElementsAre(0, 100, 200, 400, 500, 500));
  EXPECT_EQ(backoff.failures(), 6);
  backoff.Reset();
  EXPECT_EQ(backoff.Next(random), absl::ZeroDuration());
}

TEST(BackoffTest, MayBeginWithTheInitialDelay) {
  std::minstd_rand random(1);
  Backoff backoff({.jitter = 0}, Backoff::First::kInitial);
  EXPECT_EQ(backoff.Next(random), absl::Milliseconds(100));
  EXPECT_EQ(backoff.Next(random), absl::Milliseconds(200));
}

TEST(BackoffTest, JitterShortensByAtMostItsFraction) {
  std::minstd_rand random(7);
  Backoff backoff({.initial = absl::Seconds(1), .max = absl::Seconds(1), .jitter = 0.2},
                  Backoff::First::kInitial);
  absl::Duration least = absl::InfiniteDuration();
  absl::Duration most;
  for (int i = 0; i < 1000; ++i) {
    const absl::Duration delay = backoff.Next(random);
    least = std::min(least, delay);
    most = std::max(most, delay);
  }
  EXPECT_GE(least, absl::Milliseconds(800));
  EXPECT_LT(least, absl::Milliseconds(810));
  EXPECT_LE(most, absl::Seconds(1));
  EXPECT_GT(most, absl::Milliseconds(990));
}

TEST(BackoffTest, StaysAtTheMaximumForEver) {
  std::minstd_rand random(1);
  Backoff backoff({.multiplier = 1e300, .jitter = 0});
  for (int i = 0; i < 100000; ++i) backoff.Next(random);
  EXPECT_EQ(backoff.Next(random), absl::Seconds(30));
}

}  // namespace
}  // namespace squall
