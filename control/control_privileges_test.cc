// Each test is a process of its own, for what is given up does not come back.
#include "squall/control/control_privileges.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "squall/process/capabilities.h"

namespace squall::internal {
namespace {

// The number that `check` returns in a child that has given up everything; 0: all is well.
int InChild(const ControlPrivileges& privileges, const std::function<int()>& check) {
  const pid_t child = fork();
  if (child == 0) {
    if (!GiveUpPrivileges(privileges).ok()) _exit(99);
    _exit(check());
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool HasLandlock() {
  // LANDLOCK_CREATE_RULESET_VERSION
  return syscall(SYS_landlock_create_ruleset, nullptr, 0, 1) > 0;
}

TEST(ControlPrivileges, NoCoreNoCapabilityNothingNew) {
  EXPECT_EQ(InChild({},
                    [] {
                      rlimit core = {};
                      if (getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_max != 0) return 1;
                      if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return 2;
                      for (int capability = 0; capability <= CAP_LAST_CAP; ++capability) {
                        if (HasCapability(capability)) return 3;
                      }
                      rlimit files = {};
                      if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_max > 1024) return 4;
                      return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1 ? 0 : 5;
                    }),
            0);
  EXPECT_EQ(InChild({.has_secrets = true},
                    [] { return static_cast<int>(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)); }),
            0);
}

TEST(ControlPrivileges, WritesNowhere) {
  if (!HasLandlock()) GTEST_SKIP() << "this kernel has no landlock";
  const std::string directory = absl::StrCat(::testing::TempDir(), "/own");
  mkdir(directory.c_str(), 0700);
  const std::string file = absl::StrCat(directory, "/file");
  const int log = open(file.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
  ASSERT_GE(log, 0);
  const std::string other = absl::StrCat(directory, "/other");
  EXPECT_EQ(InChild({},
                    [&] {
                      if (open(file.c_str(), O_WRONLY) >= 0) return 1;
                      if (open(other.c_str(), O_CREAT | O_WRONLY, 0600) >= 0) return 2;
                      if (unlink(file.c_str()) == 0) return 3;
                      if (rename(file.c_str(), other.c_str()) == 0) return 4;
                      if (mkdir(other.c_str(), 0700) == 0) return 5;
                      if (symlink("x", other.c_str()) == 0) return 6;
                      // The log, which was open before, and what is read.
                      if (write(log, "x", 1) != 1) return 7;
                      return open(file.c_str(), O_RDONLY) >= 0 ? 0 : 8;
                    }),
            0);
  close(log);
  EXPECT_EQ(unlink(file.c_str()), 0) << "this process still may";
}

TEST(ControlPrivileges, BecomesAnotherUser) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  const Identity nobody{.user = "nobody", .uid = 65534, .gid = 65534, .groups = {65534}};
  const int checked = InChild({.identity = nobody}, [] {
    if (getuid() != 65534 || geteuid() != 65534 || getegid() != 65534) return 1;
    if (getgroups(0, nullptr) != 1) return 2;
    return setuid(0) == 0 ? 3 : 0;
  });
  if (checked == 99) GTEST_SKIP() << "this user namespace has no other user";
  EXPECT_EQ(checked, 0);
}

}  // namespace
}  // namespace squall::internal
