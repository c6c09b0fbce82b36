#include "squall/process/resource_limits.h"

#include <linux/capability.h>
#include <sys/resource.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/netutil/isolated_process.h"
#include "squall/process/capabilities.h"

namespace squall::internal {
namespace {

using testing::AllOf;
using testing::HasSubstr;

rlimit Present(__rlimit_resource_t resource) {
  rlimit value = {};
  EXPECT_EQ(getrlimit(resource, &value), 0);
  return value;
}

TEST(ResourceLimitsTest, WhatIsLeftOutStays) {
  ASSERT_EQ(RunIsolated([] {
              const rlimit wide = {.rlim_cur = 200, .rlim_max = 300};
              ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &wide), 0);

              const auto soft = ResolveLimit({.resource = "nofile", .soft = 100});
              ASSERT_THAT(soft, IsOk());
              EXPECT_EQ(soft->value.rlim_cur, 100u);
              EXPECT_EQ(soft->value.rlim_max, 300u);

              const auto hard = ResolveLimit({.resource = "nofile", .hard = 250});
              ASSERT_THAT(hard, IsOk());
              EXPECT_EQ(hard->value.rlim_cur, 200u);
              EXPECT_EQ(hard->value.rlim_max, 250u);

              const auto below = ResolveLimit({.resource = "nofile", .hard = 150});
              ASSERT_THAT(below, IsOk());
              EXPECT_EQ(below->value.rlim_cur, 150u);
              EXPECT_EQ(below->value.rlim_max, 150u);
            }),
            Isolated::kPassed);
}

TEST(ResourceLimitsTest, SetsBothEnds) {
  ASSERT_EQ(RunIsolated([] {
              const auto limit = ResolveLimit({.resource = "core", .soft = 0, .hard = 4096});
              ASSERT_THAT(limit, IsOk());
              ASSERT_THAT(SetLimit(*limit), IsOk());
              EXPECT_EQ(Present(RLIMIT_CORE).rlim_cur, 0u);
              EXPECT_EQ(Present(RLIMIT_CORE).rlim_max, 4096u);
            }),
            Isolated::kPassed);
}

TEST(ResourceLimitsTest, NamesWhatIsWrong) {
  EXPECT_THAT(ResolveLimit({.resource = "nofiles", .soft = 1}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("\"nofiles\""), HasSubstr("nofile, nproc"))));
  EXPECT_THAT(ResolveLimit({.resource = "core"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("core has neither")));
  EXPECT_THAT(
      ResolveLimit({.resource = "as", .soft = kUnlimited, .hard = 4096}),
      StatusIs(absl::StatusCode::kInvalidArgument, "limit as: soft unlimited is above hard 4096"));
  // Root is refused it as well, with an EPERM that nobody understands.
  EXPECT_THAT(ResolveLimit({.resource = "nofile", .hard = kUnlimited}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("hard unlimited"), HasSubstr("fs/nr_open"))));
}

TEST(ResourceLimitsTest, ASoftLimitAboveTheHardOneOfTheProcess) {
  ASSERT_EQ(RunIsolated([] {
              const rlimit narrow = {.rlim_cur = 64, .rlim_max = 64};
              ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &narrow), 0);
              EXPECT_THAT(ResolveLimit({.resource = "nofile", .soft = 65}),
                          StatusIs(absl::StatusCode::kInvalidArgument,
                                   "limit nofile: soft 65 is above hard 64, which this process "
                                   "has"));
            }),
            Isolated::kPassed);
}

TEST(ResourceLimitsTest, RaisingAHardLimitNeedsTheCapability) {
  ASSERT_EQ(RunIsolated([] {
              const rlimit narrow = {.rlim_cur = 64, .rlim_max = 64};
              ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &narrow), 0);
              ASSERT_THAT(ClearCapabilities(), IsOk());
              EXPECT_THAT(
                  ResolveLimit({.resource = "nofile", .hard = 65}),
                  StatusIs(absl::StatusCode::kPermissionDenied,
                           AllOf(HasSubstr("hard 65 is above 64"), HasSubstr("CAP_SYS_RESOURCE"))));
              const ResolvedLimit forced = {
                  .name = "nofile", .resource = RLIMIT_NOFILE, .value = {65, 65}};
              EXPECT_THAT(SetLimit(forced),
                          StatusIs(absl::StatusCode::kPermissionDenied,
                                   HasSubstr("limit nofile to soft 65 and hard 65")));
            }),
            Isolated::kPassed);
}

}  // namespace
}  // namespace squall::internal
