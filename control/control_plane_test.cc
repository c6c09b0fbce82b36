// What is wrong with a control plane is said at the start, in one sentence with the option's name.
#include "squall/control/control_plane.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/control/testing/socket_path.h"
#include "squall/ioloop/tls_test_certificates.h"

namespace squall {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

ControlPlaneOptions Good() { return {.address = "unix:" + testing::NewSocketPath()}; }

ControlPlaneOptions WithTls() {
  const internal::TestAuthority authority("authority");
  const TlsKeyPair site = authority.Issue().Write("site");
  ControlPlaneOptions options = Good();
  options.tls = {.address = "127.0.0.1:0",
                 .certificate = site.certificate_file,
                 .key = site.private_key_file,
                 .client_ca = authority.Write()};
  return options;
}

std::string Complaint(const ControlPlaneOptions& options) {
  return std::string(CheckControlPlane(options).message());
}

TEST(ControlPlane, IsBound) {
  const ControlPlaneOptions options = WithTls();
  const auto plane = BindControlPlane(options);
  ASSERT_THAT(plane, IsOk());
  EXPECT_EQ(plane->address, options.address);
  ASSERT_THAT(plane->tls_addresses, SizeIs(1));
  EXPECT_NE(plane->tls_addresses[0].port(), 0);
  EXPECT_THAT(plane->sidecar.fds, SizeIs(2));
  struct stat info = {};
  ASSERT_EQ(stat(options.address.substr(5).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
}

TEST(ControlPlane, TheStatusListenerIsOneOfThem) {
  ControlPlaneOptions options = WithTls();
  options.status.address = "unix:" + testing::NewSocketPath();
  const auto plane = BindControlPlane(options);
  ASSERT_THAT(plane, IsOk());
  EXPECT_EQ(plane->status_address.unix_path(), options.status.address.substr(5));
  EXPECT_THAT(plane->sidecar.fds, SizeIs(3));
  EXPECT_THAT(plane->socket_files,
              ElementsAre(options.status.address.substr(5), options.address.substr(5)));
  options.status.address = "0.0.0.0:0";
  EXPECT_THAT(Complaint(options), HasSubstr("status.address 0.0.0.0:0"));
}

TEST(ControlPlane, NothingStaysOfOneThatCannotBeBound) {
  ControlPlaneOptions options = Good();
  options.address = "unix:/nowhere/control.sock";
  options.status.address = "unix:" + testing::NewSocketPath();
  EXPECT_FALSE(BindControlPlane(options).ok());
  EXPECT_NE(access(options.status.address.substr(5).c_str(), F_OK), 0);
}

TEST(ControlPlane, NamesThatAreUnknown) {
  ControlPlaneOptions options = Good();
  options.socket.mode = 0666;
  options.roles.operators = {"group:no-such-group"};
  EXPECT_THAT(
      CheckControlPlane(options),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("control_operators: \"group:no-such")));
  options.roles = {};
  options.user = "no-such-user";
  EXPECT_THAT(
      CheckControlPlane(options),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("control_user: user \"no-such-user\"")));
}

TEST(ControlPlane, RolesOfThoseWhoCannotConnect) {
  ControlPlaneOptions options = Good();
  options.roles.viewers = {"group:4000001"};
  EXPECT_THAT(Complaint(options), AllOf(HasSubstr("control_socket_mode 0600"), HasSubstr("0660")));
  options.socket.mode = 0660;
  EXPECT_EQ(Complaint(options), "");
  options.address = "";
  EXPECT_THAT(Complaint(options), HasSubstr("control is not set"));
  options = Good();
  options.roles.viewers = {"uri:spiffe://a"};
  EXPECT_THAT(Complaint(options), HasSubstr("control_tls.address is not set"));
  options = Good();
  options.socket = {.mode = 0600, .group = "adm"};
  EXPECT_THAT(Complaint(options), HasSubstr("control_socket_group \"adm\" may not connect"));
  options.socket = {.mode = 0770};
  EXPECT_THAT(Complaint(options), HasSubstr("is not the mode of a socket"));
}

TEST(ControlPlane, NoTcpWithoutTlsAndCertificatesOfClients) {
  ControlPlaneOptions options = Good();
  options.address = "127.0.0.1:8443";
  EXPECT_THAT(Complaint(options), HasSubstr("is not \"unix:\" with an absolute path"));
  for (std::string ControlTlsOptions::*file :
       {&ControlTlsOptions::certificate, &ControlTlsOptions::key, &ControlTlsOptions::client_ca}) {
    options = WithTls();
    options.tls.*file = "";
    EXPECT_THAT(Complaint(options),
                HasSubstr("only with TLS and with certificates of its clients"));
  }
  options = WithTls();
  options.tls.address = "";
  EXPECT_THAT(Complaint(options), HasSubstr("is of no use without control_tls.address"));
  for (const char* const address : {"unix:/tmp/x", "8443", "host:port"}) {
    options.tls.address = address;
    EXPECT_THAT(Complaint(options), AllOf(HasSubstr(address), HasSubstr("is not HOST:PORT")));
  }
}

TEST(ControlPlane, FilesThatCannotBeUsed) {
  ControlPlaneOptions options = WithTls();
  options.tls.key = "/no/such/key";
  EXPECT_THAT(Complaint(options), AllOf(HasSubstr("control_tls: "), HasSubstr("/no/such/key")));
  options = WithTls();
  options.tls.client_ca = options.tls.key;
  EXPECT_THAT(Complaint(options), HasSubstr(options.tls.key));
}

TEST(ControlPlane, FilesThatTheControlUserCannotRead) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  ControlPlaneOptions options = WithTls();
  ASSERT_EQ(chmod(options.tls.key.c_str(), 0600), 0);
  options.user = "nobody";
  const absl::Status status = CheckControlPlane(options);
  if (status.code() != absl::StatusCode::kPermissionDenied) {
    GTEST_SKIP() << "this user namespace has no other user: " << status;
  }
  EXPECT_THAT(std::string(status.message()), HasSubstr("control_tls: cannot read the"));
}

TEST(ControlPlane, LimitsThatLetNobodyIn) {
  ControlPlaneOptions options = Good();
  options.limits.max_connections = 7;
  EXPECT_THAT(Complaint(options), HasSubstr("control_limits.max_connections must be at least 8"));
  options = Good();
  options.limits.max_connections = 1000;
  EXPECT_THAT(Complaint(options),
              HasSubstr("control_limits.max_connections 1000 with max_callers 32 needs 5320 "
                        "descriptors, and the control process has 1024"));
  options = Good();
  options.limits.changes_per_second = 0;
  EXPECT_THAT(Complaint(options), HasSubstr("control_limits.changes_per_second must be above 0"));
}

}  // namespace
}  // namespace squall
