// Handshakes: what both sides agree on, and each way to fail with its sentence.
#include <errno.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/handshake.h"
#include "squall/ioloop/iostream_fixture.h"
#include "squall/ioloop/tls_fixture.h"
#include "squall/ioloop/tls_transport.h"

namespace squall {
namespace {

using internal::Family;
using internal::MakePair;
using internal::TestAuthority;
using internal::TestKey;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class TlsHandshakeTest : public internal::TlsTest {
 protected:
  // A server's end whose peer is a bare socket.
  UniqueFd BarePeer() {
    auto [here, there] = MakePair(Family::kTcp);
    server_transport_ = MakeTlsTransport(std::move(here), Server());
    return std::move(there);
  }
  static void Send(const UniqueFd& peer, const std::string& text) {
    ASSERT_EQ(::send(peer.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  // The common name of the certificate that the server shows to a client that asks for `name`.
  std::string Shown(std::shared_ptr<const TlsServerContext> server, const std::string& name,
                    const std::string& algorithms = "") {
    auto client = Client({.verification = TlsVerification::kPeer});
    if (!algorithms.empty()) SSL_CTX_set1_sigalgs_list(client->ssl_ctx(), algorithms.c_str());
    MakeTransports(std::move(server), std::move(client), name);
    const Shaken shaken = Shake();
    EXPECT_THAT(shaken.client, IsOk());
    return shaken.client.ok() ? client_tls().peer_certificate()->common_name : "";
  }
};

TEST_F(TlsHandshakeTest, BothKnowWhatWasAgreedOn) {
  MakeTransports(Server({.alpn = {"h2", "http/1.1"}}), Client({.alpn = {"http/1.1", "h2"}}));
  EXPECT_FALSE(server_tls().handshake_done());
  EXPECT_EQ(server_tls().version(), "");
  EXPECT_TRUE(server_tls().encrypted());
  const Shaken shaken = Shake();
  ASSERT_THAT(shaken.server, IsOk());
  ASSERT_THAT(shaken.client, IsOk());
  for (const TlsTransport* end : {&server_tls(), &client_tls()}) {
    EXPECT_TRUE(end->handshake_done());
    EXPECT_EQ(end->version(), "TLSv1.3");
    EXPECT_THAT(end->cipher(), HasSubstr("TLS_AES_256_GCM_SHA384"));
    EXPECT_EQ(end->alpn(), "h2");
    EXPECT_EQ(end->server_name(), "localhost");
    EXPECT_FALSE(end->resumed());
  }
  EXPECT_FALSE(server_tls().peer_certificate().has_value());
  EXPECT_THAT(client_tls().peer_certificate()->dns_names, ElementsAre("localhost"));
  EXPECT_EQ(client_tls().peer_certificate()->subject, "CN=localhost");
  EXPECT_EQ(client_tls().peer_certificate()->sha256.size(), 64u);
}

// Tornado's WaitForHandshakeTest: before it there is no cipher, behind it there is one.
using WaitForHandshakeTest = TlsHandshakeTest;

TEST_F(WaitForHandshakeTest, wait_for_handshake_future) {
  MakeTransports(Server(), Client());
  EXPECT_EQ(server_tls().cipher(), "");
  EXPECT_THAT(Shake().server, IsOk());
  EXPECT_NE(server_tls().cipher(), "");
  EXPECT_NE(client_tls().cipher(), "");
}

TEST_F(WaitForHandshakeTest, wait_for_handshake_already_connected) {
  MakeTransports(Server(), Client());
  EXPECT_THAT(Shake().server, IsOk());
  EXPECT_THAT(Run(Handshake(server_transport_.get(), absl::ZeroDuration())), IsOk());
  EXPECT_THAT(Run(Handshake(client_transport_.get(), absl::ZeroDuration())), IsOk());
}

TEST_F(TlsHandshakeTest, APlainTransportHasNone) {
  auto [here, there] = MakePair(Family::kTcp);
  const std::unique_ptr<Transport> plain = MakePlainTransport(std::move(here));
  EXPECT_THAT(Run(Handshake(plain.get(), absl::ZeroDuration())), IsOk());
  EXPECT_EQ(TlsTransport::From(plain.get()), nullptr);
  EXPECT_EQ(TlsTransport::From(nullptr), nullptr);
  EXPECT_FALSE(plain->encrypted());
}

TEST_F(TlsHandshakeTest, AClientThatStopsInTheMiddle) {
  const UniqueFd peer = BarePeer();
  // The head of a record, which is to be a ClientHello.
  Send(peer, std::string("\x16\x03\x01\x00\xc8\x01\x00", 7));
  EXPECT_THAT(
      Run(Handshake(server_transport_.get(), absl::Milliseconds(20))),
      StatusIs(absl::StatusCode::kDeadlineExceeded, "the handshake was not done after 20ms"));
}

// The kernel's deadline is not this one.
TEST_F(TlsHandshakeTest, AConnectionThatTimesOut) {
  struct TimedOut : Transport {
    int fd() const override { return -1; }
    int Handshake() override { return errno = ETIMEDOUT, -1; }
    ssize_t Read(char*, size_t) override { return -1; }
    ssize_t Write(const iovec*, int) override { return -1; }
    int ShutdownWrite() override { return -1; }
  } transport;
  EXPECT_THAT(Run(Handshake(&transport)),
              StatusIs(absl::StatusCode::kDeadlineExceeded, "shaking hands: Connection timed out"));
}

TEST_F(TlsHandshakeTest, AClientThatLeavesInTheMiddle) {
  for (const std::string& said : {std::string(), std::string("\x16\x03\x01\x00\xc8\x01\x00", 7)}) {
    UniqueFd peer = BarePeer();
    if (!said.empty()) Send(peer, said);
    peer.reset();
    EXPECT_THAT(Run(Handshake(server_transport_.get())),
                StatusIs(absl::StatusCode::kUnavailable,
                         HasSubstr("the peer left during the TLS handshake")));
    char octet;
    EXPECT_EQ(server_transport_->Read(&octet, 1), -1);
    EXPECT_EQ(errno, ECONNRESET);
    EXPECT_EQ(server_transport_->ShutdownWrite(), -1);
  }
}

TEST_F(TlsHandshakeTest, Garbage) {
  const UniqueFd peer = BarePeer();
  Send(peer, "This is no ClientHello, whatever it may be.");
  EXPECT_THAT(Run(Handshake(server_transport_.get())),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("the peer does not speak TLS")));
  EXPECT_EQ(server_transport_->Handshake(), -1);
  EXPECT_EQ(errno, EPROTO);
}

// Tornado's SSLTestMixin.test_non_ssl_request.
TEST_F(TlsHandshakeTest, PlainHttp) {
  const UniqueFd peer = BarePeer();
  Send(peer, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(Run(Handshake(server_transport_.get())),
              StatusIs(absl::StatusCode::kAborted,
                       HasSubstr("the client speaks plain HTTP, but this is a TLS port")));
}

TEST_F(TlsHandshakeTest, UnknownAuthority) {
  const TestAuthority stranger("stranger");
  MakeTransports(Server({.certificates = {stranger.Issue().Write("stranger")}}), Client());
  const Shaken shaken = Shake();
  EXPECT_THAT(shaken.client,
              StatusIs(absl::StatusCode::kUnauthenticated,
                       HasSubstr("the certificate of localhost is not accepted: unable to get "
                                 "local issuer certificate, at \"localhost\"")));
  // The greeting may or may not have left before the refusal came; the next read knows.
  char octet;
  while (server_transport_->Read(&octet, 1) < 0 && errno == EAGAIN) {
  }
  EXPECT_THAT(server_transport_->ErrorStatus(EPROTO, "reading"),
              StatusIs(absl::StatusCode::kAborted,
                       HasSubstr("the peer does not know who signed our certificate")));
}

TEST_F(TlsHandshakeTest, NobodyIsVerified) {
  const TestAuthority stranger("stranger");
  MakeTransports(Server({.certificates = {stranger.Issue().Write("stranger")}}),
                 Client({.verification = TlsVerification::kNone}), "anything");
  EXPECT_THAT(Shake().client, IsOk());
}

// The next three are Tornado's TestIOStreamCheckHostname.
TEST_F(TlsHandshakeTest, test_match) {
  MakeTransports(Server(), Client(), "localhost");
  EXPECT_THAT(Shake().client, IsOk());
}

TEST_F(TlsHandshakeTest, test_no_match) {
  MakeTransports(Server(), Client(), "elsewhere.test");
  EXPECT_THAT(Shake().client,
              StatusIs(absl::StatusCode::kUnauthenticated,
                       HasSubstr("the server's certificate is not for elsewhere.test, but for "
                                 "localhost")));
}

TEST_F(TlsHandshakeTest, test_check_disabled) {
  MakeTransports(Server(), Client({.verification = TlsVerification::kPeer}), "elsewhere.test");
  EXPECT_THAT(Shake().client, IsOk());
}

// The root of the DNS is no part of the name in a certificate or in SNI.
TEST_F(TlsHandshakeTest, ADotAtTheEndOfTheName) {
  MakeTransports(Server(), Client(), "localhost.");
  EXPECT_THAT(Shake().client, IsOk());
  EXPECT_EQ(server_tls().server_name(), "localhost");
}

TEST_F(TlsHandshakeTest, NoName) {
  for (const TlsVerification verification :
       {TlsVerification::kPeerAndName, TlsVerification::kNone}) {
    MakeTransports(Server(), Client({.verification = verification}), std::string(300, 'a'));
    EXPECT_THAT(Shake().client,
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is no server's name")));
  }
}

TEST_F(TlsHandshakeTest, AddressesAreNames) {
  MakeTransports(Server(), Client(), "127.0.0.1");
  EXPECT_THAT(Shake().client, IsOk());
  EXPECT_EQ(server_tls().server_name(), "");  // RFC 6066 3
  MakeTransports(Server(), Client(), "127.0.0.2");
  EXPECT_THAT(Shake().client,
              StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("is not for 127.0.0.2")));
  MakeTransports(Server(), Client(), "");
  EXPECT_THAT(Shake().client,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"\" is no server's name")));
}

TEST_F(TlsHandshakeTest, ExpiredCertificateOfTheServer) {
  const TlsKeyPair expired = authority_
                                 .Issue({.not_before = absl::Now() - absl::Hours(48),
                                         .not_after = absl::Now() - absl::Hours(24)})
                                 .Write("expired");
  MakeTransports(
      Server({.certificates = {expired}, .out_of_date = TlsServerOptions::OutOfDate::kServe}),
      Client());
  EXPECT_THAT(Shake().client,
              StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("certificate has expired")));
}

TEST_F(TlsHandshakeTest, NoCommonVersion) {
  auto client = Client();
  ::SSL_CTX_set_max_proto_version(client->ssl_ctx(), TLS1_2_VERSION);
  MakeTransports(Server({.protocol = {.min_version = TlsVersion::kTls13}}), client);
  const Shaken shaken = Shake();
  EXPECT_THAT(shaken.server,
              StatusIs(absl::StatusCode::kAborted,
                       HasSubstr("the peer knows only versions of TLS that are too old")));
  EXPECT_THAT(shaken.client,
              StatusIs(absl::StatusCode::kAborted,
                       HasSubstr("the peer refuses every version of TLS that is offered")));
}

TEST_F(TlsHandshakeTest, Tls11IsTooOld) {
  auto client = Client();
  ::SSL_CTX_set_security_level(client->ssl_ctx(), 0);
  ::SSL_CTX_set_min_proto_version(client->ssl_ctx(), TLS1_1_VERSION);
  ::SSL_CTX_set_max_proto_version(client->ssl_ctx(), TLS1_1_VERSION);
  ::SSL_CTX_set_cipher_list(client->ssl_ctx(), "ALL:@SECLEVEL=0");
  MakeTransports(Server(), client);
  EXPECT_THAT(Shake().server,
              StatusIs(absl::StatusCode::kAborted, HasSubstr("versions of TLS that are too old")));
}

TEST_F(TlsHandshakeTest, NoCommonCipher) {
  auto client = Client({.protocol = {.ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305"}});
  ::SSL_CTX_set_max_proto_version(client->ssl_ctx(), TLS1_2_VERSION);
  MakeTransports(Server({.protocol = {.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256"}}), client);
  EXPECT_THAT(Shake().server,
              StatusIs(absl::StatusCode::kAborted, HasSubstr("offers no cipher that fits")));
}

TEST_F(TlsHandshakeTest, NoCommonProtocol) {
  MakeTransports(Server({.alpn = {"http/1.1"}}), Client({.alpn = {"h2"}}));
  const Shaken shaken = Shake();
  EXPECT_THAT(shaken.server,
              StatusIs(absl::StatusCode::kAborted, HasSubstr("no application protocol (ALPN)")));
  EXPECT_THAT(shaken.client,
              StatusIs(absl::StatusCode::kAborted, HasSubstr("no application protocol (ALPN)")));
  // One that says nothing of protocols is served.
  MakeTransports(Server({.alpn = {"http/1.1"}}), Client());
  EXPECT_THAT(Shake().server, IsOk());
  EXPECT_EQ(server_tls().alpn(), "");
}

TEST_F(TlsHandshakeTest, TheNameChoosesTheCertificate) {
  const auto make = [&](const std::string& common_name, std::vector<std::string> names,
                        TestKey key = TestKey::kEcdsa) {
    return authority_.Issue({.common_name = common_name, .dns_names = std::move(names), .key = key})
        .Write(common_name);
  };
  auto server = Server({.certificates = {
                            make("first", {"first.test"}),
                            make("exact", {"Exact.Many.test", "also.test"}),
                            make("wildcard", {"*.many.test"}),
                            make("rsa", {"both.test"}, TestKey::kRsa),
                            make("ecdsa", {"both.test"}, TestKey::kEcdsa),
                            make("late", {"first.test"}),
                        }});
  EXPECT_EQ(Shown(server, "first.test"), "first");
  EXPECT_EQ(Shown(server, "exact.many.TEST"), "exact");
  EXPECT_EQ(Shown(server, "also.test"), "exact");
  EXPECT_EQ(Shown(server, "other.many.test"), "wildcard");
  EXPECT_EQ(Shown(server, "a.b.many.test"), "first");
  EXPECT_EQ(Shown(server, "many.test"), "first");
  EXPECT_EQ(Shown(server, "unknown.test"), "first");
  EXPECT_EQ(Shown(server, "127.0.0.1"), "first");
  EXPECT_EQ(Shown(server, "both.test", "ecdsa_secp256r1_sha256"), "ecdsa");
  EXPECT_EQ(Shown(server, "both.test", "rsa_pss_rsae_sha256"), "rsa");
}

class TlsClientCertificateTest : public TlsHandshakeTest {
 protected:
  std::shared_ptr<const TlsServerContext> Asking(TlsClientCertificate mode) {
    return Server({.client_certificate = mode, .client_ca_file = root_file_});
  }
  const TlsKeyPair alice_ =
      authority_.Issue({.common_name = "alice", .dns_names = {"Alice.test"}}).Write("alice");
};

TEST_F(TlsClientCertificateTest, IsShown) {
  for (TlsClientCertificate mode :
       {TlsClientCertificate::kOptional, TlsClientCertificate::kRequired}) {
    MakeTransports(Asking(mode), Client({.certificate = alice_}));
    ASSERT_THAT(Shake().server, IsOk());
    EXPECT_EQ(server_tls().peer_certificate()->common_name, "alice");
    EXPECT_THAT(server_tls().peer_certificate()->dns_names, ElementsAre("alice.test"));
  }
}

TEST_F(TlsClientCertificateTest, IsNotAskedFor) {
  MakeTransports(Server(), Client({.certificate = alice_}));
  ASSERT_THAT(Shake().server, IsOk());
  EXPECT_FALSE(server_tls().peer_certificate().has_value());
}

TEST_F(TlsClientCertificateTest, IsMissing) {
  MakeTransports(Asking(TlsClientCertificate::kOptional), Client());
  ASSERT_THAT(Shake().server, IsOk());
  EXPECT_FALSE(server_tls().peer_certificate().has_value());

  MakeTransports(Asking(TlsClientCertificate::kRequired), Client());
  const Shaken shaken = Shake();
  EXPECT_THAT(shaken.server, StatusIs(absl::StatusCode::kAborted,
                                      HasSubstr("the client has shown no certificate")));
  EXPECT_THAT(shaken.client,
              StatusIs(absl::StatusCode::kAborted, HasSubstr("the server requires a certificate")));
}

TEST_F(TlsClientCertificateTest, IsOfAStranger) {
  const TestAuthority stranger("stranger");
  const TlsKeyPair mallory = stranger.Issue({.common_name = "mallory"}).Write("mallory");
  for (TlsClientCertificate mode :
       {TlsClientCertificate::kOptional, TlsClientCertificate::kRequired}) {
    MakeTransports(Asking(mode), Client({.certificate = mallory}));
    EXPECT_THAT(Shake().server,
                StatusIs(absl::StatusCode::kUnauthenticated,
                         AllOf(HasSubstr("the client's certificate is not accepted: "),
                               HasSubstr("at \"mallory\""))));
  }
}

}  // namespace
}  // namespace squall
