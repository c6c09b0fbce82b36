// The table of authorisation over real sockets: every method with every role, by a unix socket and by
// a certificate; and with certificates that are wrong, or without one.
#include <unistd.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "squall/control/client.h"
#include "squall/control/control_loop.h"
#include "squall/control/control_roles.h"
#include "squall/control/control_tls.h"
#include "squall/control/method_roles.h"
#include "squall/control/testing/call_empty.h"
#include "squall/control/testing/served_loop.h"
#include "squall/ioloop/tls_test_certificates.h"
#include "squall/netutil/sockets.h"
#include "squall/process/control_link.h"
#include "src/proto/grpc/health/v1/health.grpc.pb.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;
using testing::ControlServiceDescriptor;
using testing::ServedLoop;

constexpr absl::Duration kPatience = absl::Seconds(30);

const std::map<ControlRole, std::string> kUris = {
    {ControlRole::kViewer, "spiffe://test/viewer"},
    {ControlRole::kOperator, "spiffe://test/operator"},
    {ControlRole::kAdmin, "spiffe://test/admin"}};

class ControlAccessTest : public ::testing::Test {
 protected:
  static TestCertificateOptions Named(const std::string& uri) {
    return {.common_name = "admin", .dns_names = {"admin"}, .ip_addresses = {}, .uris = {uri}};
  }

  // Everybody by a certificate, nobody by the unix socket.
  ControlLoopOptions Tls() {
    const TlsKeyPair site = site_.Write("site");
    auto listeners = BindSockets(0, {.address = "127.0.0.1"}).value();
    port_ = listeners[0].port();
    ControlLoopOptions options;
    options.roles = ControlRoles::Resolve({.viewers = {"uri:" + kUris.at(ControlRole::kViewer)},
                                           .operators = {"uri:" + kUris.at(ControlRole::kOperator)},
                                           .admins = {"uri:" + kUris.at(ControlRole::kAdmin)}})
                        .value();
    options.tls =
        ControlTls{.listeners = std::move(listeners),
                   .certificate_file = site.certificate_file,
                   .private_key_file = site.private_key_file,
                   .client_ca_file = WriteTestFile("clients.pem", clients_.certificate())};
    return options;
  }

  std::shared_ptr<grpc::Channel> Channel(std::shared_ptr<grpc::ChannelCredentials> credentials) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port_), credentials, arguments);
  }
  std::shared_ptr<grpc::Channel> Channel(const TestCertificate& mine, const std::string& roots) {
    return Channel(grpc::SslCredentials({.pem_root_certs = roots,
                                         .pem_private_key = mine.private_key,
                                         .pem_cert_chain = mine.certificate}));
  }
  std::shared_ptr<grpc::Channel> Channel(const TestCertificate& mine) {
    return Channel(mine, servers_.certificate());
  }

  static void ExpectTable(const std::shared_ptr<grpc::Channel>& channel, ControlRole role) {
    for (int i = 0; i < ControlServiceDescriptor().method_count(); ++i) {
      const google::protobuf::MethodDescriptor& method = *ControlServiceDescriptor().method(i);
      const grpc::Status status = testing::CallEmpty(channel, method);
      const bool may = static_cast<int>(role) >= static_cast<int>(LeastRole(method.name()));
      // Without a master the changes that an empty request is enough for are UNAVAILABLE, with a
      // reason.
      EXPECT_TRUE(status.error_code() != grpc::StatusCode::UNAVAILABLE ||
                  !status.error_details().empty())
          << method.name() << ": " << status.error_message();
      EXPECT_EQ(status.error_code() != grpc::StatusCode::PERMISSION_DENIED, may)
          << method.name() << " with role " << static_cast<int>(role) << ": "
          << status.error_message();
    }
  }

  // Nothing is served, whatever is asked.
  static void ExpectNothing(const std::shared_ptr<grpc::Channel>& channel, const char* who) {
    for (int i = 0; i < ControlServiceDescriptor().method_count(); ++i) {
      const google::protobuf::MethodDescriptor& method = *ControlServiceDescriptor().method(i);
      const grpc::Status status = testing::CallEmpty(channel, method);
      EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE)
          << method.name() << " " << who << ": " << status.error_message();
      EXPECT_TRUE(status.error_details().empty()) << "it came from the service";
    }
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    grpc::health::v1::HealthCheckResponse health;
    EXPECT_EQ(grpc::health::v1::Health::NewStub(channel)->Check(&context, {}, &health).error_code(),
              grpc::StatusCode::UNAVAILABLE)
        << who;
  }

  // It is only told of what was refused.
  static bool NothingWasAskedOfTheMaster(ServedLoop& served) {
    while (true) {
      const LinkRead read = ReceiveLink(served.master.get());
      if (!std::holds_alternative<LinkRefusal>(read))
        return std::holds_alternative<LinkNothing>(read);
    }
  }

  // Whether a new connection gets an answer, by one that trusts `roots`.
  bool Answers(const TestCertificate& mine, const std::string& roots) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    v1::GetPoolResponse pool;
    return v1::ControlService::NewStub(Channel(mine, roots))->GetPool(&context, {}, &pool).ok();
  }
  static bool StillAnswers(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    v1::GetPoolResponse pool;
    return v1::ControlService::NewStub(channel)->GetPool(&context, {}, &pool).ok();
  }
  static bool Eventually(const std::function<bool()>& condition) {
    for (const absl::Time end = absl::Now() + kPatience; absl::Now() < end;) {
      if (condition()) return true;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return condition();
  }

  const TestAuthority servers_{"servers"};
  const TestAuthority clients_{"clients"};
  const TestCertificate site_ = servers_.Issue();
  int port_ = 0;
};

TEST_F(ControlAccessTest, ByUnixSocket) {
  for (const auto& [role, uri] : kUris) {
    ServedLoop served({.roles = testing::One(geteuid(), role)});
    ExpectTable(grpc::CreateChannel(served.address, grpc::InsecureChannelCredentials()), role);
    if (role != ControlRole::kViewer) continue;
    EXPECT_TRUE(NothingWasAskedOfTheMaster(served));
  }
}

TEST_F(ControlAccessTest, ByUnixSocketWithoutARole) {
  ServedLoop served({.roles = ControlRoles::Nobody()});
  ExpectNothing(grpc::CreateChannel(served.address, grpc::InsecureChannelCredentials()), "nobody");
  EXPECT_TRUE(NothingWasAskedOfTheMaster(served));
  served.Stop();
  EXPECT_GT(served.refused, 0u);
}

TEST_F(ControlAccessTest, ByCertificate) {
  ServedLoop served(Tls());
  ExpectTable(Channel(clients_.Issue(Named(kUris.at(ControlRole::kViewer)))), ControlRole::kViewer);
  EXPECT_TRUE(NothingWasAskedOfTheMaster(served));
  ExpectTable(Channel(clients_.Issue(Named(kUris.at(ControlRole::kOperator)))),
              ControlRole::kOperator);
  ExpectTable(Channel(clients_.Issue(Named(kUris.at(ControlRole::kAdmin)))), ControlRole::kAdmin);
}

TEST_F(ControlAccessTest, ByWrongCertificatesOrNone) {
  ServedLoop served(Tls());
  const TestCertificateOptions admin = Named(kUris.at(ControlRole::kAdmin));
  ExpectNothing(Channel(servers_.Issue(admin)), "by another root");
  ExpectNothing(Channel(clients_.Issue(Named("spiffe://test/admin/x"))), "with a name of no role");
  ExpectNothing(Channel(clients_.Issue({.common_name = "spiffe://test/admin", .dns_names = {}})),
                "with the name as its common name");
  TestCertificateOptions expired = admin;
  expired.not_before = absl::Now() - absl::Hours(2);
  expired.not_after = absl::Now() - absl::Hours(1);
  ExpectNothing(Channel(clients_.Issue(expired)), "that has expired");
  grpc::SslCredentialsOptions no_certificate;
  no_certificate.pem_root_certs = servers_.certificate();
  ExpectNothing(Channel(grpc::SslCredentials(no_certificate)), "without a certificate");
  ExpectNothing(Channel(grpc::InsecureChannelCredentials()), "without TLS");
  EXPECT_TRUE(NothingWasAskedOfTheMaster(served));
  // It serves those who may, after all that.
  EXPECT_TRUE(Answers(clients_.Issue(admin), servers_.certificate()));
  served.Stop();
  EXPECT_GE(served.refused, 6u);
}

TEST_F(ControlAccessTest, NewFilesAreForNewConnections) {
  ServedLoop served(Tls());
  const TestCertificateOptions viewer = Named(kUris.at(ControlRole::kViewer));
  const TestCertificate mine = clients_.Issue(viewer);
  const auto before = Channel(mine);
  ASSERT_TRUE(StillAnswers(before));

  // Half of what it takes, or nonsense: the old ones stay.
  WriteTestFile("site.key", "nonsense");
  ASSERT_TRUE(SendLink(served.master.get(), LinkNotice{}));
  EXPECT_TRUE(Answers(mine, servers_.certificate()));

  const TestAuthority new_servers("new servers");
  const TestAuthority new_clients("new clients");
  WriteTestFile("clients.pem", new_clients.certificate());
  new_servers.Issue().Write("site");
  const TestCertificate new_mine = new_clients.Issue(viewer);
  EXPECT_TRUE(Eventually([&] {
    // As at any change of the pool.
    EXPECT_TRUE(SendLink(served.master.get(), LinkNotice{}));
    return Answers(new_mine, new_servers.certificate());
  }));
  EXPECT_FALSE(Answers(mine, new_servers.certificate())) << "its root is not trusted any more";
  EXPECT_FALSE(Answers(new_mine, servers_.certificate())) << "an old certificate is still shown";
  EXPECT_TRUE(StillAnswers(before)) << "a connection was dropped";
}

TEST_F(ControlAccessTest, TheClientNamesTheCauseAndTheNextStep) {
  ServedLoop served(Tls());
  const std::string address = absl::StrCat("tls:127.0.0.1:", port_);
  const TlsKeyPair mine = clients_.Issue(Named(kUris.at(ControlRole::kViewer))).Write("mine");
  const ClientTls files{.ca_file = servers_.Write(),
                        .certificate_file = mine.certificate_file,
                        .key_file = mine.private_key_file};
  EXPECT_EQ(ControlClient(address, {.timeout = kPatience, .tls = files}).GetPool()->ready_workers(),
            2);

  const auto error = [&](const ClientTls& wrong) {
    const absl::Status status =
        ControlClient(address,
                      {.timeout = kPatience, .retry_for = absl::ZeroDuration(), .tls = wrong})
            .GetPool()
            .status();
    return std::string(status.message());
  };
  ClientTls wrong = files;
  wrong.key_file = "";
  EXPECT_NE(error(wrong).find("tls-key, the key of the certificate, is not given"),
            std::string::npos)
      << error(wrong);
  wrong = files;
  wrong.ca_file = "/no/such/file";
  EXPECT_NE(error(wrong).find("/no/such/file"), std::string::npos) << error(wrong);
  wrong = files;
  wrong.ca_file = clients_.Write();
  EXPECT_NE(error(wrong).find("does not lead to a root of tls-ca"), std::string::npos)
      << error(wrong);
  const TlsKeyPair stranger = clients_.Issue(Named("spiffe://test/x")).Write("stranger");
  wrong = {files.ca_file, stranger.certificate_file, stranger.private_key_file};
  EXPECT_NE(error(wrong).find("name with a role there"), std::string::npos) << error(wrong);
  EXPECT_EQ(ControlClient("tls:nowhere").GetPool().status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace squall::internal
