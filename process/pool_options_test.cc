#include "squall/process/pool_options.h"

#include <string>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/process/restart_options.h"

namespace squall {
namespace {

using ::testing::HasSubstr;

TEST(PoolOptionsTest, TheDefaultsAreValid) {
  EXPECT_TRUE(Validate(PoolOptions{}).ok());
  EXPECT_TRUE(Validate(RestartOptions{}).ok());
}

TEST(PoolOptionsTest, NamesWhatMakesNoSense) {
  const struct {
    PoolOptions options;
    const char* message;
  } kCases[] = {
      {{.desired = 65}, "between 0 and max_workers (64), not 65"},
      {{.desired = -3}, "between 0 and max_workers (64), not -3"},
      {{.max_workers = 0}, "max_workers must be at least 1, not 0"},
      {{.surge_slots = -1}, "surge_slots must not be negative: -1"},
      {{.surge_slots = 0}, "surge_slots is 0, so that a restart needs restart.max_unavailable"},
      {{.boot_timeout = absl::InfiniteDuration()},
       "boot_timeout must be positive and finite, not inf"},
      {{.drain = {.grace = -absl::Seconds(1)}}, "drain.grace must be finite and not negative: -1s"},
      {{.drain = {.grace = absl::InfiniteDuration()}}, "drain.grace must be finite"},
      {{.drain = {.idle_close_after = -absl::Seconds(1)}}, "drain.idle_close_after"},
      {{.drain = {.kill_after = absl::ZeroDuration()}}, "drain.kill_after must be positive"},
      {{.backoff = {.multiplier = 0.5}}, "backoff.multiplier must be at least 1, not 0.5"},
      {{.breaker = {.deaths = -1}}, "breaker.deaths must not be negative: -1"},
      {{.breaker = {.window = absl::ZeroDuration()}}, "breaker.window must be positive"},
      {{.breaker = {.cool_down = absl::InfiniteDuration()}}, "breaker.cool_down must be positive"},
      {{.restart = {.max_failures = 0}}, "restart.max_failures must be at least 1, not 0"},
      {{.max_restarts = -1}, "max_restarts must not be negative: -1"},
  };
  for (const auto& c : kCases) {
    EXPECT_THAT(std::string(Validate(c.options).message()), HasSubstr(c.message));
  }
}

TEST(RestartOptionsTest, NamesWhatMakesNoSense) {
  const struct {
    RestartOptions options;
    const char* message;
  } kCases[] = {
      {{.max_surge = -1}, "restart.max_surge must not be negative: -1"},
      {{.max_unavailable = -1}, "restart.max_unavailable must not be negative: -1"},
      {{.max_surge = 0}, "restart.max_surge and restart.max_unavailable are both 0"},
      {{.ready_timeout = absl::ZeroDuration()},
       "restart.ready_timeout must be positive and finite, not 0"},
      {{.ready_timeout = absl::InfiniteDuration()},
       "restart.ready_timeout must be positive and finite"},
      {{.min_healthy = -1}, "restart.min_healthy must not be negative: -1"},
      {{.soak = -absl::Seconds(1)}, "restart.soak must be finite and not negative: -1s"},
      {{.soak = absl::InfiniteDuration()}, "restart.soak must be finite"},
      {{.max_failures = 0}, "restart.max_failures must be at least 1, not 0"},
  };
  for (const auto& c : kCases) {
    EXPECT_THAT(std::string(Validate(c.options).message()), HasSubstr(c.message));
  }
}

}  // namespace
}  // namespace squall
