#include "squall/control/control_roles.h"

#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/control/peer_user.h"

namespace squall {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uid_t kStranger = 4'000'001;
constexpr gid_t kGroup = 4'000'002;

TEST(ControlRoles, RootAndTheServersUserAreAdminsAndNobodyElseIsAnybody) {
  const ControlRoles roles;
  EXPECT_EQ(roles.OfUser(0, {}), ControlRole::kAdmin);
  EXPECT_EQ(roles.OfUser(geteuid(), {}), ControlRole::kAdmin);
  const std::vector<gid_t> groups = {0, kGroup};
  EXPECT_EQ(roles.OfUser(kStranger, groups), ControlRole::kNone) << "root's group is not root";
  EXPECT_FALSE(roles.names_users());
  EXPECT_EQ(ControlRoles::Nobody().OfUser(0, {}), ControlRole::kNone);
}

TEST(ControlRoles, TheHighestOfUserAndGroupsCounts) {
  const auto roles = ControlRoles::Resolve({.viewers = {"user:4000001", "group:4000002"},
                                            .operators = {"group:4000003"},
                                            .admins = {"user:4000009"}});
  ASSERT_THAT(roles, IsOk());
  EXPECT_TRUE(roles->names_users());
  const auto of = [&](uid_t uid, std::vector<gid_t> groups) { return roles->OfUser(uid, groups); };
  EXPECT_EQ(of(kStranger, {}), ControlRole::kViewer);
  EXPECT_EQ(of(kStranger, {kGroup + 1}), ControlRole::kOperator);
  EXPECT_EQ(of(4'000'005, {7, kGroup, 8}), ControlRole::kViewer);
  EXPECT_EQ(of(4'000'005, {kGroup + 1, kGroup}), ControlRole::kOperator);
  EXPECT_EQ(of(4'000'009, {kGroup}), ControlRole::kAdmin);
  EXPECT_EQ(of(4'000'005, {7}), ControlRole::kNone);
}

TEST(ControlRoles, NamesAreLookedUp) {
  const auto roles =
      ControlRoles::Resolve({.viewers = {"user:daemon"}, .operators = {"group:adm"}});
  ASSERT_THAT(roles, IsOk());
  const std::vector<gid_t> adm = {4};
  EXPECT_EQ(roles->OfUser(1, {}), ControlRole::kViewer);
  EXPECT_EQ(roles->OfUser(kStranger, adm), ControlRole::kOperator);
}

TEST(ControlRoles, WhatIsUnknownIsOneSentence) {
  EXPECT_THAT(ControlRoles::Resolve({.operators = {"group:no-such-group"}}),
              StatusIs(absl::StatusCode::kNotFound,
                       "control_operators: \"group:no-such-group\": group \"no-such-group\" does "
                       "not exist"));
  EXPECT_THAT(ControlRoles::Resolve({.viewers = {"user:no-such-user"}}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("control_viewers: \"user:no-such")));
  for (const char* const wrong : {"ops", "", "user:", "role:x", "GROUP:adm", "cn:alice"}) {
    EXPECT_FALSE(ControlRoles::IsEntry(wrong)) << wrong;
    EXPECT_THAT(ControlRoles::Resolve({.admins = {wrong}}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("control_admins"), HasSubstr("user:NAME"))));
  }
}

TEST(ControlRoles, ANameThatTheAuditWouldCutIsRefused) {
  const std::string longest = "uri:spiffe://a/" + std::string(80, 'x');
  EXPECT_THAT(ControlRoles::Resolve({.viewers = {longest}}), IsOk());
  EXPECT_THAT(ControlRoles::Resolve({.viewers = {longest + "y"}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("control_viewers"),
                             HasSubstr("has 96 octets; a name may have 95"))));
}

TEST(ControlRoles, ACertificateIsKnownByExactlyItsNames) {
  const auto roles =
      ControlRoles::Resolve({.viewers = {"dns:Watch.example.org", "uri:spiffe://a/b"},
                             .operators = {"uri:spiffe://a/ops"}});
  ASSERT_THAT(roles, IsOk());
  EXPECT_TRUE(roles->names_certificates());
  EXPECT_FALSE(roles->names_users());
  std::string name;
  const auto of = [&](std::vector<std::string> uris, std::vector<std::string> dns) {
    name.clear();
    return roles->OfCertificate(uris, dns, &name);
  };
  EXPECT_EQ(of({}, {"watch.example.org"}), ControlRole::kViewer);
  EXPECT_EQ(name, "dns:watch.example.org");
  EXPECT_EQ(of({"spiffe://a/b", "spiffe://a/ops"}, {"watch.example.org"}), ControlRole::kOperator);
  EXPECT_EQ(name, "uri:spiffe://a/ops");
  for (const std::string uri :
       {"spiffe://a/B", "spiffe://a/b/", "spiffe://a", "spiffe://a/ops/x"}) {
    EXPECT_EQ(of({uri}, {}), ControlRole::kNone) << uri;
  }
  EXPECT_EQ(of({std::string("spiffe://a/ops\0", 15)}, {}), ControlRole::kNone);
  EXPECT_EQ(of({}, {"x.watch.example.org", "*.example.org"}), ControlRole::kNone);
  EXPECT_EQ(of({"watch.example.org"}, {"spiffe://a/ops"}), ControlRole::kNone) << "of other kinds";
}

TEST(PeerUser, IsTheOneWhoConnected) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  const auto peer = internal::PeerOf(ends[0]);
  ASSERT_THAT(peer, IsOk());
  EXPECT_EQ(peer->pid, getpid());
  EXPECT_EQ(peer->uid, geteuid());
  EXPECT_THAT(peer->groups, ::testing::Contains(getegid()));
  close(ends[0]);
  close(ends[1]);
  EXPECT_FALSE(internal::PeerOf(-1).ok());
}

}  // namespace
}  // namespace squall
