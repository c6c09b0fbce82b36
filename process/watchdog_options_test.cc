#include "squall/process/watchdog_options.h"

#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"

namespace squall {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kNever = absl::InfiniteDuration();

TEST(WatchdogOptionsTest, NamesTheFirstThatIsWrong) {
  const absl::Duration second = absl::Seconds(1);
  struct Case {
    WatchdogOptions options;
    const char* error;
  };
  for (const Case& c : std::vector<Case>{
           {{.interval = absl::Milliseconds(99)},
            "watchdog.interval must be at least 100ms, for processor time is counted in ticks of "
            "10ms, "
            "not 99ms"},
           {{.interval = -second}, "watchdog.interval must be at least 100ms"},
           {{.interval = kNever, .stall_warn = kNever, .stopped_kill = kNever},
            "watchdog.interval must be finite"},
           {{.stall_warn = second},
            "watchdog.stall_warn must be at least 1.25s, the silence of two missing heartbeats, "
            "not "
            "1s"},
           {{.interval = 20 * second},
            "watchdog.stall_warn must be at least 20s, watchdog.interval, not 10s"},
           {{.stall_kill = 9 * second},
            "watchdog.stall_kill must be at least 10s, watchdog.stall_warn, not 9s"},
           {{.stall_warn = kNever, .stall_kill = 9 * second},
            "watchdog.stall_kill must be at least inf, watchdog.stall_warn, not 9s"},
           {{.request_timeout = second},
            "watchdog.request_timeout must be at least 10s, watchdog.stall_warn, not 1s"},
           {{.stopped_kill = absl::ZeroDuration()},
            "watchdog.stopped_kill must be at least 1s, watchdog.interval, not 0"},
           {{.abort_grace = -second}, "watchdog.abort_grace must be at least 0"},
           {{.abort_grace = kNever}, "watchdog.abort_grace must be finite"},
       }) {
    EXPECT_THAT(Validate(c.options),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.error)));
  }
  EXPECT_THAT(Validate(WatchdogOptions{}), IsOk());
}

}  // namespace
}  // namespace squall
