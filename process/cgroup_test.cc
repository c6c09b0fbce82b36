#include "squall/process/cgroup.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace squall::internal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class CgroupTest : public testing::Test {
 protected:
  CgroupTest() : root_(testing::TempDir() + "/root") { std::filesystem::remove_all(root_); }

  void File(const std::string& path, const std::string& text) {
    const std::filesystem::path full = root_ + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }
  // The directories found, without the root.
  std::vector<std::string> Directories(const std::string& process, const std::string& controller) {
    std::vector<std::string> directories;
    for (const Cgroup& group : CgroupsOf(root_, process, controller)) {
      directories.push_back((group.v2 ? "2:" : "1:") + group.directory().substr(root_.size()));
    }
    return directories;
  }

  std::string root_;
};

TEST_F(CgroupTest, V2HasAllControllers) {
  File("/proc/self/mountinfo", "31 22 0:27 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n");
  File("/proc/self/cgroup", "0::/app.slice\n");
  File("/proc/17/cgroup", "0::/other\n");
  EXPECT_THAT(Directories("self", "memory"), ElementsAre("2:/sys/fs/cgroup/app.slice"));
  EXPECT_THAT(Directories("17", "cpu"), ElementsAre("2:/sys/fs/cgroup/other"));
  EXPECT_THAT(Directories("18", "cpu"), IsEmpty());
}

TEST_F(CgroupTest, V1HasOneHierarchyPerSetOfControllers) {
  File("/proc/self/mountinfo",
       "33 25 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
       "34 25 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
       "35 25 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:14 - cgroup cgroup rw,cpu,cpuacct\n");
  File("/proc/self/cgroup", "4:cpuset:/\n3:memory:/a:b/c\n2:cpu,cpuacct:/d\n1:name=systemd:/e\n");
  EXPECT_THAT(Directories("self", "memory"), ElementsAre("1:/sys/fs/cgroup/memory/a:b/c"));
  EXPECT_THAT(Directories("self", "cpu"), ElementsAre("1:/sys/fs/cgroup/cpu,cpuacct/d"));
  EXPECT_THAT(Directories("self", "cpuset"), ElementsAre("1:/sys/fs/cgroup/cpuset"));
  EXPECT_THAT(Directories("self", "pids"), IsEmpty());
}

// A container that sees its own group at the top of the mount, and the whole path in its file.
TEST_F(CgroupTest, APartOfTheHierarchy) {
  File("/proc/self/mountinfo", "31 22 0:27 /docker/1f /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  File("/proc/self/cgroup", "0::/docker/1f/app\n");
  EXPECT_THAT(Directories("self", "memory"), ElementsAre("2:/sys/fs/cgroup/app"));
  File("/proc/self/cgroup", "0::/docker/1f\n");
  EXPECT_THAT(Directories("self", "memory"), ElementsAre("2:/sys/fs/cgroup"));
  File("/proc/self/cgroup", "0::/docker/1f2\n");
  EXPECT_THAT(Directories("self", "memory"), ElementsAre("2:/sys/fs/cgroup"));
}

TEST_F(CgroupTest, NamesAreUnescaped) {
  File("/proc/self/mountinfo", "31 22 0:27 / /my\\040groups rw - cgroup2 cgroup2 rw\n");
  File("/proc/self/cgroup", "0::/a b\n");
  EXPECT_THAT(Directories("self", "memory"), ElementsAre("2:/my groups/a b"));
}

TEST_F(CgroupTest, WithoutControlGroupsThereAreNone) {
  EXPECT_THAT(Directories("self", "memory"), IsEmpty());
  File("/proc/self/mountinfo", "nonsense\n22 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
  File("/proc/self/cgroup", "nonsense\n0::/a\n");
  EXPECT_THAT(Directories("self", "memory"), IsEmpty());
}

}  // namespace
}  // namespace squall::internal
