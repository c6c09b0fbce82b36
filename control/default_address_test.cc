#include "squall/control/default_address.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace squall {
namespace {

using ::testing::HasSubstr;

std::string Directory(const char* name) {
  const char* const base = getenv("TEST_TMPDIR");
  return absl::StrCat(base == nullptr ? "/tmp" : base, "/", name, "-", getpid());
}

TEST(DefaultControlAddress, FollowsTheEnvironment) {
  setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
  EXPECT_EQ(DefaultControlAddress(), "unix:/run/user/7/squall/control.sock");
  setenv("XDG_RUNTIME_DIR", "/run/user/7/", 1);
  EXPECT_EQ(DefaultControlAddress(), "unix:/run/user/7/squall/control.sock");
  const std::string without = geteuid() == 0
                                  ? "unix:/run/squall/control.sock"
                                  : absl::StrCat("unix:/tmp/squall-", geteuid(), "/control.sock");
  setenv("XDG_RUNTIME_DIR", "relative", 1);
  EXPECT_EQ(DefaultControlAddress(), without);
  setenv("XDG_RUNTIME_DIR", "", 1);
  EXPECT_EQ(DefaultControlAddress(), without);
  unsetenv("XDG_RUNTIME_DIR");
  EXPECT_EQ(DefaultControlAddress(), without);
}

TEST(EnsurePrivateDirectory, MakesOneForItsOwnerOnly) {
  const std::string directory = Directory("made");
  const std::string address = absl::StrCat("unix:", directory, "/control.sock");
  EXPECT_TRUE(EnsurePrivateDirectory(address).ok());
  struct stat info;
  ASSERT_EQ(stat(directory.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700u);
  // Again: it is there already.
  EXPECT_TRUE(EnsurePrivateDirectory(address).ok());

  ASSERT_EQ(chmod(directory.c_str(), 0770), 0);
  const absl::Status open_to_group = EnsurePrivateDirectory(address);
  EXPECT_EQ(open_to_group.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(open_to_group.message()), HasSubstr("chmod 700"));
  rmdir(directory.c_str());
}

TEST(EnsurePrivateDirectory, RefusesWhatIsNoDirectory) {
  const std::string target = Directory("target");
  const std::string link = Directory("link");
  ASSERT_EQ(mkdir(target.c_str(), 0700), 0);
  ASSERT_EQ(symlink(target.c_str(), link.c_str()), 0);
  EXPECT_EQ(EnsurePrivateDirectory(absl::StrCat("unix:", link, "/s")).code(),
            absl::StatusCode::kFailedPrecondition);
  unlink(link.c_str());
  rmdir(target.c_str());
  EXPECT_EQ(EnsurePrivateDirectory(absl::StrCat("unix:", Directory("no"), "/such/s")).code(),
            absl::StatusCode::kNotFound);
}

TEST(EnsurePrivateDirectory, RefusesWhatNamesNoPath) {
  for (const char* address : {"", "unix:", "unix:relative/s", "/a/s", "unix:/s", "unix:/a/",
                              "unix-abstract:a/b", "127.0.0.1:80"}) {
    EXPECT_EQ(EnsurePrivateDirectory(address).code(), absl::StatusCode::kInvalidArgument)
        << address;
  }
}

}  // namespace
}  // namespace squall
