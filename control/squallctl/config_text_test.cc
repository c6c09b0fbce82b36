#include "squall/control/squallctl/config_text.h"

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/control/squallctl/command_line.h"
#include "squall/control/squallctl/verb.h"
#include "squall/control/v1/control.pb.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(ConfigText, EachKindOfValueIsSetAndShown) {
  v1::UpdatePoolRequest request;
  const std::vector<std::pair<std::string, std::string>> fields = {
      {"boot_timeout", "1m30s"},         {"drain.grace", "0"},
      {"backoff.multiplier", "1.5"},     {"breaker.deaths", "7"},
      {"recycle.max_rss", "3000000000"}, {"autoscaler.mode", "spare"},
      {"autoscaler.dry_run", "true"}};
  for (const auto& [path, value] : fields) {
    EXPECT_TRUE(SetConfigField(path, value, request).ok()) << path;
  }
  const auto lines = ConfigLines(request.config());
  for (const auto& [path, value] : fields) EXPECT_THAT(lines, Contains(Pair(path, value)));
  EXPECT_THAT(lines, Contains(Pair("watchdog.stall_kill", "unset")));
  EXPECT_EQ(static_cast<size_t>(request.update_mask().paths_size()), fields.size());
}

TEST(ConfigText, UnsetIsNamedInTheMaskAlone) {
  v1::UpdatePoolRequest request;
  ASSERT_TRUE(SetConfigField("watchdog.stall_kill", "unset", request).ok());
  EXPECT_FALSE(request.config().watchdog().has_stall_kill());
  EXPECT_THAT(request.update_mask().paths(), ElementsAre("watchdog.stall_kill"));
}

TEST(ConfigText, WhatIsWrongIsSaid) {
  struct Case {
    std::string_view path, value, message;
  };
  for (const Case& one :
       {Case{"color", "red", "there is no field \"color\"; squallctl config shows them all"},
        {"drain", "1s", "there is no field \"drain\""},
        {"drain.grace.seconds", "1", "there is no field"},
        {"", "1", "there is no field"},
        {"drain.grace", "soon",
         "drain.grace takes a time such as 30s, 500ms or 1h30m, not \"soon\""},
        {"drain.grace", "inf", "takes a time"},
        {"breaker.deaths", "1.5", "takes a whole number, not \"1.5\""},
        {"recycle.max_rss", "1GiB", "takes a whole number"},
        {"backoff.jitter", "x", "takes a number"},
        {"autoscaler.dry_run", "yes", "takes true or false"},
        {"autoscaler.mode", "on", "takes static, spare, backlog, cpu, not \"on\""}}) {
    v1::UpdatePoolRequest request;
    const absl::Status status = SetConfigField(one.path, one.value, request);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << one.path;
    EXPECT_THAT(std::string(status.message()), HasSubstr(std::string(one.message)));
  }
}

TEST(ConfigText, FlagsOfUpdateAreFields) {
  const absl::StatusOr<CommandLine> line =
      ParseCommandLine({"update", "--autoscaler=off", "--min-workers=2", "--max-workers", "8",
                        "--grace=30s", "--kill-after=1s", "--boot-timeout=9s", "--set",
                        "breaker.deaths=3", "--set=backoff.max=4s"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->verb, Verb::kUpdate);
  EXPECT_EQ(line->update.config().autoscaler().mode(), v1::AUTOSCALER_MODE_STATIC);
  EXPECT_THAT(line->update.update_mask().paths(),
              ElementsAre("autoscaler.mode", "autoscaler.min_workers", "autoscaler.max_workers",
                          "drain.grace", "drain.kill_after", "boot_timeout", "breaker.deaths",
                          "backoff.max"));
  for (const std::string_view wrong :
       {"--autoscaler=on", "--min-workers=x", "--grace=soon", "--set=grace", "--set=x=1"}) {
    EXPECT_FALSE(ParseCommandLine({"update", wrong}).ok()) << wrong;
  }
}

}  // namespace
}  // namespace squall::internal
