#include "squall/process/cpu_count.h"

#include <sched.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace squall {
namespace {

// A file system of its own, in the words of a real kernel.
class CpuCountTest : public ::testing::Test {
 protected:
  CpuCountTest() : root_(std::string(std::getenv("TEST_TMPDIR")) + "/root") {
    std::filesystem::remove_all(root_);
  }

  void File(const std::string& path, const std::string& text) {
    const std::filesystem::path full = root_ + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }
  void MountV2(const std::string& shown = "/") {
    File("/proc/self/mountinfo",
         "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
         "31 22 0:27 " +
             shown + " /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  }
  void MountV1() {
    File("/proc/self/mountinfo",
         "33 25 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
         "34 25 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
         "35 25 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:14 - cgroup cgroup rw,cpu,cpuacct\n");
  }
  int Count(int affinity) { return internal::CpuCountFrom(root_, affinity); }

  std::string root_;
};

TEST_F(CpuCountTest, WithoutControlGroupsTheAffinityMaskDecides) {
  EXPECT_EQ(Count(8), 8);
  EXPECT_EQ(Count(0), 1);
}

TEST_F(CpuCountTest, V2QuotaOfTheOwnGroupRoundedUp) {
  MountV2();
  File("/proc/self/cgroup", "0::/app\n");
  File("/sys/fs/cgroup/app/cpu.max", "150000 100000\n");
  EXPECT_EQ(Count(64), 2);
  EXPECT_EQ(Count(1), 1);
  File("/sys/fs/cgroup/app/cpu.max", "200000 100000\n");
  EXPECT_EQ(Count(64), 2);
  File("/sys/fs/cgroup/app/cpu.max", "1000 100000\n");
  EXPECT_EQ(Count(64), 1);
  File("/sys/fs/cgroup/app/cpu.max", "max 100000\n");
  EXPECT_EQ(Count(64), 64);
}

TEST_F(CpuCountTest, V2QuotaOfAnyGroupAbove) {
  MountV2();
  File("/proc/self/cgroup", "0::/slice/app/sub\n");
  File("/sys/fs/cgroup/slice/app/sub/cpu.max", "max 100000\n");
  File("/sys/fs/cgroup/slice/app/cpu.max", "600000 100000\n");
  File("/sys/fs/cgroup/slice/cpu.max", "300000 100000\n");
  EXPECT_EQ(Count(64), 3);
}

TEST_F(CpuCountTest, V2InAContainerThatSeesItsOwnGroupAtTheTop) {
  MountV2();
  File("/proc/self/cgroup", "0::/\n");
  File("/sys/fs/cgroup/cpu.max", "250000 100000\n");
  EXPECT_EQ(Count(64), 3);
}

TEST_F(CpuCountTest, V2WhereTheMountShowsOnlyAPart) {
  MountV2("/docker/1f");
  File("/proc/self/cgroup", "0::/docker/1f/app\n");
  File("/sys/fs/cgroup/app/cpu.max", "max 100000\n");
  File("/sys/fs/cgroup/cpu.max", "400000 100000\n");
  EXPECT_EQ(Count(64), 4);
}

TEST_F(CpuCountTest, V1Quota) {
  MountV1();
  File("/proc/self/cgroup", "5:cpuset:/box\n4:cpu,cpuacct:/box\n1:name=systemd:/box\n");
  File("/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "450000\n");
  File("/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Count(64), 5);
  File("/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(Count(64), 64);
  File("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "700000\n");
  File("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Count(64), 7);
}

TEST_F(CpuCountTest, NonsenseIsNoLimit) {
  MountV2();
  File("/proc/self/cgroup", "0::/app\nnonsense\n:::::\n");
  for (const char* text :
       {"", "x y", "100000", "100000 0", "-5 100000", "9999999999999999999999 1"}) {
    File("/sys/fs/cgroup/app/cpu.max", text);
    EXPECT_EQ(Count(4), 4) << text;
  }
}

TEST(RealCpuCountTest, FollowsTheAffinityMask) {
  EXPECT_GE(CpuCount(), 1);
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  EXPECT_LE(CpuCount(), CPU_COUNT(&before));
  int first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(CpuCount(), 1);
  ASSERT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
}

}  // namespace
}  // namespace squall
