#include "squall/process/privilege_drop.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/netutil/isolated_process.h"
#include "squall/process/capabilities.h"

namespace squall::internal {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Eq;
using testing::HasSubstr;

// The value of a field of /proc/self/status, words separated by single spaces.
std::string StatusField(const std::string& name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (!absl::StartsWith(line, name + ":")) continue;
    const std::vector<std::string> words =
        absl::StrSplit(line.substr(name.size() + 1), absl::ByAnyChar(" \t"), absl::SkipEmpty());
    return absl::StrJoin(words, " ");
  }
  return "no such field";
}

constexpr char kNoCapabilities[] = "0000000000000000";

class PrivilegeDropTest : public testing::Test {
 protected:
  void SetUp() override {
    // Root of a user namespace has all capabilities and nobody to become.
    const Isolated tried = RunIsolated([] {
      if (setgroups(0, nullptr) != 0 || setuid(1234) != 0) _exit(1);
    });
    if (tried != Isolated::kPassed) GTEST_SKIP() << "only real root can become another user";
  }
};

TEST_F(PrivilegeDropTest, FindsUserGroupAndNumbers) {
  const auto nobody = ResolveIdentity("nobody", "");
  ASSERT_THAT(nobody, IsOk());
  ASSERT_TRUE(nobody->has_value());
  EXPECT_EQ((*nobody)->user, "nobody");
  EXPECT_NE((*nobody)->uid, 0u);
  EXPECT_THAT((*nobody)->groups, Contains((*nobody)->gid));

  const auto by_number = ResolveIdentity(absl::StrCat((*nobody)->uid), "");
  ASSERT_THAT(by_number, IsOk());
  EXPECT_EQ((*by_number)->gid, (*nobody)->gid);
  EXPECT_EQ((*by_number)->groups, (*nobody)->groups);

  const auto other_group = ResolveIdentity("nobody", "daemon");
  ASSERT_THAT(other_group, IsOk());
  EXPECT_EQ((*other_group)->uid, (*nobody)->uid);
  EXPECT_NE((*other_group)->gid, (*nobody)->gid);

  const auto unknown = ResolveIdentity("1234567", "7654321");
  ASSERT_THAT(unknown, IsOk());
  EXPECT_EQ((*unknown)->uid, 1234567u);
  EXPECT_EQ((*unknown)->gid, 7654321u);
  EXPECT_THAT((*unknown)->groups, ElementsAre(7654321u));

  const auto group_alone = ResolveIdentity("", "daemon");
  ASSERT_THAT(group_alone, IsOk());
  EXPECT_EQ((*group_alone)->uid, geteuid());
  EXPECT_THAT((*group_alone)->groups, ElementsAre((*group_alone)->gid));
}

TEST(ResolveIdentityTest, NamesWhatIsWrong) {
  EXPECT_THAT(ResolveIdentity("no-such-user", ""),
              StatusIs(absl::StatusCode::kNotFound, "user \"no-such-user\" does not exist"));
  EXPECT_THAT(ResolveIdentity("", "no-such-group"),
              StatusIs(absl::StatusCode::kNotFound, "group \"no-such-group\" does not exist"));
  EXPECT_THAT(ResolveIdentity("1234567", ""),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("\"1234567\""), HasSubstr("name a group"))));
  // To setresuid(2) this number means "no change".
  EXPECT_THAT(ResolveIdentity("4294967295", "daemon"), StatusIs(absl::StatusCode::kNotFound));
}

TEST(ResolveIdentityTest, WhoOneIsAlreadyNeedsNothing) {
  EXPECT_THAT(ResolveIdentity("", ""), IsOkAndHolds(Eq(std::nullopt)));
  ASSERT_EQ(RunIsolated([] {
              ASSERT_THAT(ClearCapabilities(), IsOk());
              EXPECT_THAT(ResolveIdentity(absl::StrCat(geteuid()), absl::StrCat(getegid())),
                          IsOkAndHolds(Eq(std::nullopt)));
            }),
            Isolated::kPassed);
}

TEST(ResolveIdentityTest, WithoutTheCapabilityItIsRefusedInTheMaster) {
  ASSERT_EQ(RunIsolated([] {
              ASSERT_THAT(ClearCapabilities(), IsOk());
              EXPECT_THAT(ResolveIdentity("1234567", "daemon"),
                          StatusIs(absl::StatusCode::kPermissionDenied,
                                   AllOf(HasSubstr("\"1234567\""), HasSubstr("CAP_SETUID"),
                                         HasSubstr("start it as root"))));
            }),
            Isolated::kPassed);
}

TEST_F(PrivilegeDropTest, RootIsGoneForGood) {
  ASSERT_EQ(RunIsolated([] {
              const Identity identity = {.user = "1234", .uid = 1234, .gid = 56, .groups = {7, 56}};
              ASSERT_THAT(DropPrivileges(identity), IsOk());
              EXPECT_EQ(StatusField("Uid"), "1234 1234 1234 1234");
              EXPECT_EQ(StatusField("Gid"), "56 56 56 56");
              EXPECT_EQ(StatusField("Groups"), "7 56");
              for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
                EXPECT_EQ(StatusField(set), kNoCapabilities) << set;
              }
              EXPECT_NE(setuid(0), 0);
              EXPECT_NE(seteuid(0), 0);
              EXPECT_NE(setgid(0), 0);
              EXPECT_NE(setgroups(0, nullptr), 0);
              EXPECT_FALSE(UniqueFd(open("/etc/shadow", O_RDONLY | O_CLOEXEC)).valid());
            }),
            Isolated::kPassed);
}

// Securebits and kept capabilities switch off what setuid(2) does by itself.
TEST_F(PrivilegeDropTest, CapabilitiesThatTheKernelWouldLeaveAreGoneToo) {
  ASSERT_EQ(RunIsolated([] {
              if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) != 0) {
                ADD_FAILURE() << "PR_SET_SECUREBITS: " << errno;
              }
              ASSERT_THAT(DropPrivileges({.user = "1234", .uid = 1234, .gid = 56, .groups = {56}}),
                          IsOk());
              EXPECT_EQ(StatusField("CapPrm"), kNoCapabilities);
              EXPECT_EQ(StatusField("CapEff"), kNoCapabilities);
              EXPECT_NE(setuid(0), 0);
            }),
            Isolated::kPassed);
}

TEST_F(PrivilegeDropTest, AProcessWithCapabilitiesThatIsNotRootCanDropToo) {
  ASSERT_EQ(RunIsolated([] {
              ASSERT_EQ(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP), 0);
              ASSERT_EQ(setresuid(1000, 1000, 1000), 0);
              const auto identity = ResolveIdentity("1234", "56");
              ASSERT_THAT(identity, IsOk());
              ASSERT_TRUE(identity->has_value());
              ASSERT_THAT(DropPrivileges(**identity), IsOk());
              EXPECT_EQ(StatusField("Uid"), "1234 1234 1234 1234");
              EXPECT_EQ(StatusField("CapPrm"), kNoCapabilities);
              EXPECT_NE(setuid(0), 0);
            }),
            Isolated::kPassed);
}

TEST_F(PrivilegeDropTest, AGroupAloneLeavesRootWhatItIs) {
  ASSERT_EQ(RunIsolated([] {
              const auto identity = ResolveIdentity("", "56");
              ASSERT_THAT(identity, IsOk());
              ASSERT_THAT(DropPrivileges(**identity), IsOk());
              EXPECT_EQ(StatusField("Uid"), "0 0 0 0");
              EXPECT_EQ(StatusField("Gid"), "56 56 56 56");
              EXPECT_EQ(StatusField("Groups"), "56");
              EXPECT_TRUE(HasCapability(CAP_SETUID));
            }),
            Isolated::kPassed);
}

TEST_F(PrivilegeDropTest, EachStepThatFailsIsNamed) {
  const Identity identity = {.user = "1234", .uid = 1234, .gid = 56, .groups = {56}};
  const struct {
    int number;
    const char* name;
  } kCalls[] = {{SYS_setgroups, "setgroups"},
                {SYS_setresgid, "setresgid to 56"},
                {SYS_setresuid, "setresuid to 1234"},
                {SYS_capset, "capset"}};
  for (const auto& call : kCalls) {
    EXPECT_EQ(RunIsolated([&] {
                FailSystemCall(call.number, EPERM);
                EXPECT_THAT(DropPrivileges(identity),
                            StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr(call.name)));
              }),
              Isolated::kPassed)
        << call.name;
  }
}

// A filter that pretends: the call returns 0 and does nothing.
TEST_F(PrivilegeDropTest, AChangeThatDidNotHappenIsFoundOut) {
  EXPECT_EQ(RunIsolated([&] {
              FailSystemCall(SYS_setresuid, 0);
              EXPECT_THAT(DropPrivileges({.user = "1234", .uid = 1234, .gid = 56, .groups = {56}}),
                          StatusIs(absl::StatusCode::kInternal, HasSubstr("regained")));
            }),
            Isolated::kPassed);
  EXPECT_EQ(RunIsolated([&] {
              FailSystemCall(SYS_setresgid, 0);
              EXPECT_THAT(DropPrivileges({.user = "1234", .uid = 1234, .gid = 56, .groups = {56}}),
                          StatusIs(absl::StatusCode::kInternal, HasSubstr("left uid 1234")));
            }),
            Isolated::kPassed);
}

}  // namespace
}  // namespace squall::internal
