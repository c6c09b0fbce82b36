// Sessions that are resumed: by whichever context has the keys, for as long as they live, under the
// same rules only.
#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/fake_clock.h"
#include "squall/base/status_matchers.h"
#include "squall/ioloop/tls_acceptor.h"
#include "squall/ioloop/tls_client_context.h"
#include "squall/ioloop/tls_fixture.h"
#include "squall/ioloop/tls_ticket_keys.h"

namespace squall {
namespace {

using internal::TestAuthority;
using internal::WriteTestFile;
using testing::HasSubstr;

class TlsResumeTest : public internal::TlsTest, public testing::WithParamInterface<TlsVersion> {
 protected:
  std::shared_ptr<const TlsServerContext> Worker(TlsServerOptions options = {}) {
    options.ticket_keys = keys_;
    options.protocol.min_version = GetParam();
    return Server(options);
  }
  std::shared_ptr<TlsClientContext> NewClient(TlsClientOptions options = {}) {
    auto client = Client(options);
    ::SSL_CTX_set_max_proto_version(
        client->ssl_ctx(), GetParam() == TlsVersion::kTls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
    return client;
  }
  // Whether a new connection of the client to that server resumes.
  bool Resumes(std::shared_ptr<const TlsServerContext> server,
               std::shared_ptr<TlsClientContext> client, const std::string& name = "localhost") {
    MakeTransports(std::move(server), std::move(client), name);
    const Shaken shaken = Shake();
    EXPECT_THAT(shaken.server, IsOk());
    EXPECT_THAT(shaken.client, IsOk());
    EXPECT_EQ(server_tls().resumed(), client_tls().resumed());
    return server_tls().resumed();
  }

  FakeClock clock_;
  std::shared_ptr<TlsTicketKeys> keys_ = std::make_shared<TlsTicketKeys>(
      TlsTicketKeys::Options{.period = absl::Hours(1), .clock = &clock_});
};

INSTANTIATE_TEST_SUITE_P(Versions, TlsResumeTest,
                         testing::Values(TlsVersion::kTls12, TlsVersion::kTls13),
                         [](const testing::TestParamInfo<TlsVersion>& info) {
                           return info.param == TlsVersion::kTls12 ? "Tls12" : "Tls13";
                         });

TEST_P(TlsResumeTest, AnyContextWithTheKeys) {
  const auto client = NewClient();
  EXPECT_FALSE(Resumes(Worker(), client));
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Resumes(Worker(), client)) << i;
  // Other keys: a full handshake, which is no error.
  EXPECT_FALSE(Resumes(Server(), client));
}

TEST_P(TlsResumeTest, ATicketLivesForTheNextPeriodToo) {
  const auto client = NewClient();
  EXPECT_FALSE(Resumes(Worker(), client));
  clock_.Advance(absl::Hours(1));
  EXPECT_TRUE(Resumes(Worker(), client));
  // It was replaced by one with the new key.
  clock_.Advance(absl::Hours(1));
  EXPECT_TRUE(Resumes(Worker(), client));
  clock_.Advance(absl::Hours(2));
  EXPECT_FALSE(Resumes(Worker(), client));
}

TEST_P(TlsResumeTest, OnlyForTheSameName) {
  TlsServerOptions options{
      .certificates = {authority_.Issue({.dns_names = {"a.test"}}).Write("a"),
                       authority_.Issue({.dns_names = {"b.test"}}).Write("b")}};
  const auto client = NewClient();
  EXPECT_FALSE(Resumes(Worker(options), client, "a.test"));
  EXPECT_FALSE(Resumes(Worker(options), client, "b.test"));
  EXPECT_TRUE(Resumes(Worker(options), client, "a.test"));
}

TEST_P(TlsResumeTest, WithTheClientsCertificate) {
  TlsServerOptions asking{.client_certificate = TlsClientCertificate::kRequired,
                          .client_ca_file = root_file_};
  const auto client =
      NewClient({.certificate = authority_.Issue({.common_name = "alice"}).Write("alice")});
  EXPECT_FALSE(Resumes(Worker(asking), client));
  EXPECT_TRUE(Resumes(Worker(asking), client));
  EXPECT_EQ(server_tls().peer_certificate()->common_name, "alice");
  // Somebody else decides now whose certificates count.
  const TestAuthority other("other");
  asking.client_ca_file =
      WriteTestFile("both-roots.pem", authority_.certificate() + other.certificate());
  EXPECT_FALSE(Resumes(Worker(asking), client));
}

// Its ticket is as young as ever: it was renewed with each connection.
TEST_P(TlsResumeTest, NotAfterTheClientsCertificateHasExpired) {
  const TlsServerOptions asking{.client_certificate = TlsClientCertificate::kRequired,
                                .client_ca_file = root_file_};
  const TlsKeyPair expired = authority_
                                 .Issue({.common_name = "alice",
                                         .not_before = absl::Now() - absl::Hours(3),
                                         .not_after = absl::Now() - absl::Minutes(1)})
                                 .Write("alice");
  const auto client = NewClient({.certificate = expired});
  // One for which it is still an hour ago.
  const auto earlier = Worker(asking);
  ::X509_VERIFY_PARAM_set_time(::SSL_CTX_get0_param(earlier->ssl_ctx()),
                               absl::ToTimeT(absl::Now() - absl::Hours(1)));
  MakeTransports(earlier, client);
  ASSERT_THAT(Shake().server, IsOk());
  MakeTransports(Worker(asking), client);
  EXPECT_THAT(Shake().server, StatusIs(absl::StatusCode::kUnauthenticated,
                                       HasSubstr("certificate has expired, at \"alice\"")));
}

TEST_P(TlsResumeTest, TheNameOfTheServerIsKnown) {
  const auto client = NewClient();
  EXPECT_FALSE(Resumes(Worker(), client));
  EXPECT_EQ(server_tls().server_name(), "localhost");
  EXPECT_TRUE(Resumes(Worker(), client));
  EXPECT_EQ(server_tls().server_name(), "localhost");
}

// A session of a client that nobody asked for a certificate does not get around that.
TEST_P(TlsResumeTest, NotIntoStricterRules) {
  const auto client = NewClient();
  EXPECT_FALSE(Resumes(Worker(), client));
  MakeTransports(
      Worker({.client_certificate = TlsClientCertificate::kRequired, .client_ca_file = root_file_}),
      client);
  EXPECT_THAT(Shake().server, StatusIs(absl::StatusCode::kAborted,
                                       HasSubstr("the client has shown no certificate")));
}

class TlsAcceptorTest : public internal::TlsTest {
 protected:
  // A connection through the acceptor; what certificate it showed.
  std::string Shown(TlsAcceptor& acceptor, std::shared_ptr<TlsClientContext> client) {
    auto [here, there] = internal::MakePair(internal::Family::kTcp);
    server_transport_ = acceptor.MakeTransport(std::move(here));
    client_transport_ = MakeTlsTransport(std::move(there), std::move(client), "localhost");
    EXPECT_THAT(Shake().client, IsOk());
    return client_tls().peer_certificate()->common_name;
  }
};

TEST_F(TlsAcceptorTest, NewConnectionsGetTheNewFiles) {
  const TlsKeyPair files = authority_.Issue({.common_name = "old"}).Write("rotating");
  auto acceptor = TlsAcceptor::Create({.certificates = {files}});
  ASSERT_THAT(acceptor, IsOk());
  const auto client = Client();
  EXPECT_EQ(Shown(**acceptor, client), "old");
  EXPECT_FALSE(client_tls().resumed());
  // This one stays while the files change.
  MakeStreams();
  const auto old_server = std::move(server_);
  const auto old_client = std::move(client_);

  authority_.Issue({.common_name = "new"}).Write("rotating");
  EXPECT_EQ(Shown(**acceptor, Client()), "old");
  EXPECT_THAT((*acceptor)->Reload(), IsOk());
  EXPECT_EQ(Shown(**acceptor, Client()), "new");
  // Sessions survive it, and a resumed one shows the certificate that it was made with.
  EXPECT_EQ(Shown(**acceptor, client), "old");
  EXPECT_TRUE(client_tls().resumed());

  EXPECT_THAT(Run(old_server->Write("still here")), IsOk());
  EXPECT_THAT(Run(old_client->ReadBytes(10)), IsOkAndHolds("still here"));
}

TEST_F(TlsAcceptorTest, BadFilesChangeNothing) {
  const TlsKeyPair files = authority_.Issue({.common_name = "old"}).Write("rotating");
  EXPECT_THAT(TlsAcceptor::Create({}), StatusIs(absl::StatusCode::kInvalidArgument));
  auto acceptor = TlsAcceptor::Create({.certificates = {files}});
  ASSERT_THAT(acceptor, IsOk());
  // The certificate is there already, its key is not yet.
  WriteTestFile("rotating.pem", authority_.Issue({.common_name = "new"}).certificate);
  EXPECT_THAT((*acceptor)->Reload(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is not the one of")));
  EXPECT_EQ(Shown(**acceptor, Client()), "old");
}

TEST(TlsClientContextTest, TheServerThatWasLongestUnusedIsForgotten) {
  const auto context = TlsClientContext::Create({.verification = TlsVerification::kNone});
  ASSERT_THAT(context, IsOk());
  const auto put = [&](const std::string& name) {
    (*context)->PutSession(name, ::SSL_SESSION_new());
  };
  const auto has = [&](const std::string& name) {
    ssl_session_st* const session = (*context)->TakeSession(name);
    ::SSL_SESSION_free(session);
    return session != nullptr;
  };
  put("m");
  put("a");
  for (int i = 0; i < 254; ++i) put(absl::StrCat("b", i));
  put("m");
  put("c");
  EXPECT_TRUE(has("m"));
  EXPECT_TRUE(has("c"));
  EXPECT_FALSE(has("a"));
  EXPECT_TRUE(has("b0"));
}

}  // namespace
}  // namespace squall
