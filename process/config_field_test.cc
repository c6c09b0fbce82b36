#include "squall/process/config_field.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/process/pool_config.h"

namespace squall {
namespace {

using ::testing::StartsWith;

const ConfigField& Field(std::string_view path) {
  for (const ConfigField& field : ConfigFields()) {
    if (field.path == path) return field;
  }
  ADD_FAILURE() << "there is no field " << path;
  return ConfigFields()[0];
}

TEST(ConfigField, EachOneReadsWhatItWrites) {
  std::set<std::string_view> paths;
  for (const ConfigField& field : ConfigFields()) {
    EXPECT_TRUE(paths.insert(field.path).second) << field.path;
    PoolConfig config;
    const int64_t before = field.get(config);
    const int64_t other = before == 1 ? 2 : 1;
    const int64_t value = field.kind == ConfigKind::kFlag ? 1 : other;
    ASSERT_TRUE(field.set(config, value)) << field.path;
    EXPECT_EQ(field.get(config), value) << field.path;
    for (const ConfigField& another : ConfigFields()) {
      if (another.path == field.path) continue;
      EXPECT_EQ(another.get(config), another.get(PoolConfig())) << field.path << another.path;
    }
    EXPECT_EQ(field.set(config, kNoConfigValue),
              field.optional || field.kind == ConfigKind::kFraction)
        << field.path;
  }
}

TEST(ConfigField, NumbersThatAreNoValueAreRefused) {
  PoolConfig config;
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  EXPECT_FALSE(Field("breaker.deaths").set(config, kMost + 1));
  EXPECT_FALSE(Field("autoscaler.max_workers").set(config, kMost + 1));
  EXPECT_FALSE(Field("autoscaler.dry_run").set(config, 2));
  for (const int64_t mode : {int64_t{-1}, int64_t{4}, int64_t{1} << 32}) {
    EXPECT_FALSE(Field("autoscaler.mode").set(config, mode)) << mode;
  }
  EXPECT_TRUE(Field("recycle.max_rss").set(config, kMost + 1));
}

TEST(ConfigField, ValuesAreWrittenAsPeopleWriteThem) {
  PoolConfig config;
  config.autoscaler.mode = AutoscalerMode::kSpare;
  const auto text = [&](std::string_view path) {
    return FormatConfigValue(Field(path), Field(path).get(config));
  };
  EXPECT_EQ(text("drain.grace"), "30s");
  EXPECT_EQ(text("drain.idle_close_after"), "unset");
  EXPECT_EQ(text("watchdog.stall_kill"), "inf");
  EXPECT_EQ(text("autoscaler.cpu_high"), "0.7");
  EXPECT_EQ(text("autoscaler.mode"), "spare");
  EXPECT_EQ(text("autoscaler.dry_run"), "false");
  EXPECT_EQ(text("autoscaler.max_workers"), "unset");
  EXPECT_EQ(text("recycle.max_requests"), "0");
}

TEST(PoolConfigTest, IsCheckedAsAtTheStartAndTheSentenceBeginsWithTheField) {
  const PoolOptions pool{.desired = 1, .max_workers = 8};
  EXPECT_THAT(Validate(PoolConfig(), pool), IsOk());
  struct Case {
    std::string_view path;
    int64_t value;
  };
  for (const Case& one : {Case{"boot_timeout", 0},
                          {"boot_timeout", kInfiniteDuration},
                          {"drain.grace", -1},
                          {"drain.idle_close_after", -1},
                          {"drain.kill_after", 0},
                          {"backoff.initial", 0},
                          {"backoff.max", 1},
                          {"backoff.healthy_after", -1},
                          {"breaker.deaths", -1},
                          {"breaker.window", 0},
                          {"breaker.cool_down", 0},
                          {"watchdog.interval", 1},
                          {"watchdog.stall_warn", 1},
                          {"watchdog.stall_kill", 1},
                          {"watchdog.abort_grace", -1},
                          {"recycle.max_requests", -1},
                          {"recycle.max_lifetime", 0},
                          {"recycle.max_rss", -1},
                          {"recycle.min_lifetime", -1},
                          {"autoscaler.min_workers", 0},
                          {"autoscaler.min_workers", 9},
                          {"autoscaler.max_workers", 9},
                          {"autoscaler.max_workers", 0},
                          {"autoscaler.min_spare", 0},
                          {"autoscaler.max_spare", 1},
                          {"autoscaler.backlog_target", 0},
                          {"autoscaler.interval", 1},
                          {"autoscaler.scale_down_hold", -1},
                          {"autoscaler.max_spawn_rate", 0}}) {
    PoolConfig config;
    ASSERT_TRUE(Field(one.path).set(config, one.value)) << one.path;
    // Or min_workers would be above it.
    if (one.value == 9) config.autoscaler.max_workers = 9;
    const absl::Status status = Validate(config, pool);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << one.path << " " << one.value;
    EXPECT_THAT(std::string(status.message()), StartsWith(std::string(one.path)));
  }
  PoolConfig config;
  config.backoff.multiplier = std::nan("");
  EXPECT_FALSE(Validate(config, pool).ok());
  config = {};
  config.autoscaler.cpu_high = std::nan("");
  EXPECT_FALSE(Validate(config, pool).ok());
}

}  // namespace
}  // namespace squall
