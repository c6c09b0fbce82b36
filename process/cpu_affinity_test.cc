#include "squall/process/cpu_affinity.h"

#include <sched.h>

#include <cerrno>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status.h"
#include "squall/base/status_matchers.h"

namespace squall::internal {
namespace {

using testing::ElementsAre;

TEST(CpuAffinityTest, FormatsRanges) {
  EXPECT_EQ(FormatCpus({}), "");
  EXPECT_EQ(FormatCpus({3}), "3");
  EXPECT_EQ(FormatCpus({0, 1, 2, 4, 6, 7}), "0-2,4,6-7");
}

TEST(CpuAffinityTest, AProcessRunsWhereItIsTold) {
  const std::vector<int> before = AllowedCpus().value();
  ASSERT_FALSE(before.empty());
  ASSERT_THAT(RunOnCpus({before.back()}), IsOk());
  EXPECT_THAT(AllowedCpus().value(), ElementsAre(before.back()));
  EXPECT_EQ(sched_getcpu(), before.back());
  ASSERT_THAT(RunOnCpus(before), IsOk());
  EXPECT_EQ(AllowedCpus().value(), before);
}

TEST(CpuAffinityTest, ACpuThatIsNotThereIsNamed) {
  // Beyond a cpu_set_t, so the mask has to grow for it.
  const absl::Status status = RunOnCpus({5000});
  EXPECT_EQ(ErrnoFromStatus(status), EINVAL);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("CPU 5000"));
}

}  // namespace
}  // namespace squall::internal
