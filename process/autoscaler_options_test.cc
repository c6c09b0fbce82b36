#include "squall/process/autoscaler_options.h"

#include <cmath>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"

namespace squall {
namespace {

using ::testing::HasSubstr;

TEST(AutoscalerOptionsTest, NamesTheFirstThatIsWrong) {
  struct Case {
    AutoscalerOptions options;
    const char* error;
  };
  for (const Case& c : std::vector<Case>{
           {{.min_workers = 0}, "autoscaler.min_workers must be at least 1, not 0"},
           {{.min_workers = 4, .max_workers = 3},
            "autoscaler.max_workers must be at least autoscaler.min_workers, 4, not 3"},
           {{.min_spare = 0}, "autoscaler.min_spare must be at least 1, not 0"},
           {{.min_spare = 4, .max_spare = 4},
            "autoscaler.max_spare must be at least one more than autoscaler.min_spare, 5, not 4"},
           {{.backlog_target = 0}, "autoscaler.backlog_target must be at least 1, not 0"},
           {{.cpu_low = 0.7},
            "autoscaler.cpu_low must be at least 0 and below autoscaler.cpu_high (0.7), not 0.7"},
           {{.cpu_low = -0.1}, "autoscaler.cpu_low must be at least 0"},
           {{.cpu_low = std::nan("")}, "autoscaler.cpu_low must be at least 0"},
           {{.cpu_high = 1.5},
            "autoscaler.cpu_high is a fraction of one processor, at most 1, not 1.5"},
           {{.interval = absl::Milliseconds(99)},
            "autoscaler.interval must be between 100ms and 1m, not 99ms"},
           {{.interval = absl::InfiniteDuration()},
            "autoscaler.interval must be between 100ms and 1m, not inf"},
           {{.scale_down_hold = absl::Seconds(-1)},
            "autoscaler.scale_down_hold must be between 0 and 24h, not -1s"},
           {{.scale_down_hold = absl::InfiniteDuration()},
            "autoscaler.scale_down_hold must be between 0 and 24h, not inf"},
           {{.max_spawn_rate = 0}, "autoscaler.max_spawn_rate must be at least 1, not 0"},
       }) {
    EXPECT_THAT(Validate(c.options),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.error)));
  }
  EXPECT_THAT(Validate(AutoscalerOptions{}), IsOk());
  EXPECT_THAT(Validate(AutoscalerOptions{.min_workers = 100}), IsOk());
}

TEST(AutoscalerOptionsTest, ModesHaveNames) {
  EXPECT_EQ(AutoscalerModeName(AutoscalerMode::kStatic), "static");
  EXPECT_EQ(AutoscalerModeName(AutoscalerMode::kSpare), "spare");
  EXPECT_EQ(AutoscalerModeName(AutoscalerMode::kBacklog), "backlog");
  EXPECT_EQ(AutoscalerModeName(AutoscalerMode::kCpu), "cpu");
}

}  // namespace
}  // namespace squall
