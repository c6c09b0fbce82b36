// Each thing that can be wrong with the files of a TLS server or client, and the sentence that says
// so.
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/base/status_matchers.h"
#include "squall/ioloop/openssl_ptr.h"
#include "squall/ioloop/tls_client_context.h"
#include "squall/ioloop/tls_options.h"
#include "squall/ioloop/tls_server_context.h"
#include "squall/ioloop/tls_test_certificates.h"

namespace squall {
namespace {

using internal::TestAuthority;
using internal::TestCertificate;
using internal::TestKey;
using internal::WriteTestFile;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class TlsContextTest : public testing::Test {
 protected:
  absl::Status Load(const TlsKeyPair& pair) {
    return TlsServerContext::Create({.certificates = {pair}}).status();
  }
  std::string Path(const std::string& name) { return absl::StrCat(testing::TempDir(), "/", name); }

  const TestAuthority authority_{"authority"};
  const TestCertificate good_ = authority_.Issue();
  const TlsKeyPair files_ = good_.Write("good");
};

TEST_F(TlsContextTest, GoodFiles) {
  auto context = TlsServerContext::Create({.certificates = {files_}});
  ASSERT_THAT(context, IsOk());
  EXPECT_GT((*context)->not_after(), absl::Now());
  EXPECT_LT((*context)->not_after(), absl::Now() + absl::Hours(2));
}

TEST_F(TlsContextTest, BothInOneFile) {
  EXPECT_THAT(Load({WriteTestFile("both.pem", good_.private_key + good_.certificate)}), IsOk());
}

TEST_F(TlsContextTest, AnEncryptedCertificate) {
  std::string text = good_.certificate;
  const std::string begin = "-----BEGIN CERTIFICATE-----\n";
  text.insert(text.find(begin) + begin.size(),
              "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\n");
  EXPECT_THAT(Load({WriteTestFile("encrypted.pem", text), files_.private_key_file}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("bad password read")));
}

TEST_F(TlsContextTest, WarnsBeforeTheCertificateExpires) {
  const TlsServerOptions options{
      .certificates = {authority_
                           .Issue({.not_before = absl::Now() - absl::Hours(24 * 80),
                                   .not_after = absl::Now() + absl::Hours(24 * 13)})
                           .Write("old")},
      .out_of_date = TlsServerOptions::OutOfDate::kServe};
  LogCapture log;
  EXPECT_THAT(TlsServerContext::Create(options, absl::Now() - absl::Hours(24 * 2)), IsOk());
  EXPECT_THAT(log.messages(), IsEmpty());
  EXPECT_THAT(TlsServerContext::Create(options), IsOk());
  EXPECT_THAT(log.messages(), ElementsAre(HasSubstr("old.pem of \"localhost\" expires on ")));
  EXPECT_THAT(TlsServerContext::Create(options, absl::Now() + absl::Hours(24 * 14)), IsOk());
  EXPECT_THAT(log.messages(), Contains(HasSubstr("has expired on ")));
  // One that lives for days only is not always late.
  EXPECT_THAT(Load(files_), IsOk());
  EXPECT_THAT(log.messages(), SizeIs(2));
}

TEST_F(TlsContextTest, NoCertificate) {
  EXPECT_THAT(TlsServerContext::Create({}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "a TLS server needs a certificate, and none is given"));
}

// Tornado's BadSSLOptionsTest, httpserver_test.py: test_missing_arguments, test_missing_key.
TEST_F(TlsContextTest, MissingFiles) {
  EXPECT_THAT(Load({Path("missing.pem"), files_.private_key_file}),
              StatusIs(absl::StatusCode::kNotFound,
                       absl::StrCat("cannot read the certificate ", Path("missing.pem"),
                                    ": No such file or directory")));
  EXPECT_THAT(Load({files_.certificate_file, Path("missing.key")}),
              StatusIs(absl::StatusCode::kNotFound,
                       absl::StrCat("cannot read the private key ", Path("missing.key"),
                                    ": No such file or directory")));
  EXPECT_THAT(Load({"", files_.private_key_file}),
              StatusIs(absl::StatusCode::kInvalidArgument, "no certificate is named"));
  EXPECT_THAT(Load({testing::TempDir()}), StatusIs(testing::_, HasSubstr("Is a directory")));
}

// Whether this thread may read what its mode forbids, as root may.
void SetMayReadEverything(bool may) {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[2] = {};
  ASSERT_EQ(::syscall(SYS_capget, &header, data), 0);
  const uint32_t mask = 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH;
  data[0].effective = may ? data[0].permitted : data[0].effective & ~mask;
  ASSERT_EQ(::syscall(SYS_capset, &header, data), 0);
}

TEST_F(TlsContextTest, UnreadableFile) {
  const std::string path = WriteTestFile("unreadable.key", good_.private_key);
  ASSERT_EQ(::chmod(path.c_str(), 0200), 0);
  SetMayReadEverything(false);
  const absl::Status status = Load({files_.certificate_file, path});
  SetMayReadEverything(true);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kPermissionDenied,
                               AllOf(HasSubstr(path), HasSubstr("Permission denied"),
                                     HasSubstr("mode 0200; this is user "))));
}

TEST_F(TlsContextTest, SomethingElseInTheFile) {
  const std::string text = WriteTestFile("text.pem", "This is no certificate.\n");
  EXPECT_THAT(Load({text, files_.private_key_file}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       absl::StrCat("there is no certificate in ", text,
                                    ": it is not PEM, with a line -----BEGIN CERTIFICATE-----")));
  EXPECT_THAT(Load({files_.certificate_file, text}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       absl::StrCat("there is no private key in ", text,
                                    ": it is not PEM, with a line -----BEGIN PRIVATE KEY-----")));
  EXPECT_THAT(Load({WriteTestFile("empty.pem", "")}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("it is empty")));
  EXPECT_THAT(
      Load({files_.private_key_file, files_.certificate_file}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("are the two files swapped?")));
  EXPECT_THAT(Load({files_.certificate_file}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("it has certificates, but no private key")));
  EXPECT_THAT(
      Load({WriteTestFile("der.pem", std::string("\x30\x82\x01\x00", 4))}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("it is DER, not PEM: convert it with `openssl x509 -inform DER`")));
}

TEST_F(TlsContextTest, DamagedFiles) {
  const std::string damaged =
      WriteTestFile("damaged.pem", absl::StrReplaceAll(good_.certificate, {{"MII", "AAA"}}));
  EXPECT_THAT(Load({damaged, files_.private_key_file}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr(absl::StrCat("certificate 1 of ", damaged, " is damaged"))));
  const std::string key =
      WriteTestFile("damaged.key", absl::StrReplaceAll(good_.private_key, {{"MI", "AA"}}));
  EXPECT_THAT(Load({files_.certificate_file, key}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr(absl::StrCat("the private key ", key, " is damaged"))));
}

TEST_F(TlsContextTest, KeyOfAnotherCertificate) {
  const TlsKeyPair other = authority_.Issue().Write("other");
  EXPECT_THAT(
      Load({files_.certificate_file, other.private_key_file}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               absl::StrCat("the private key ", other.private_key_file,
                            " is not the one of the certificate ", files_.certificate_file)));
  // In the wrong order, as certificate files often are.
  const std::string reversed =
      WriteTestFile("reversed.pem", authority_.certificate() + good_.certificate);
  EXPECT_THAT(Load({reversed, files_.private_key_file}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("must be the first")));
  EXPECT_THAT(Load({WriteTestFile("chain.pem", good_.certificate + authority_.certificate()),
                    files_.private_key_file}),
              IsOk());
}

TEST_F(TlsContextTest, OutOfDate) {
  const absl::Time now = absl::Now();
  const TlsKeyPair expired = authority_
                                 .Issue({.common_name = "old",
                                         .not_before = now - absl::Hours(48),
                                         .not_after = now - absl::Hours(24)})
                                 .Write("expired");
  const std::string day =
      absl::FormatTime("%Y-%m-%d %H:%M UTC", now - absl::Hours(24), absl::UTCTimeZone());
  EXPECT_THAT(Load(expired),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat("the certificate ", expired.certificate_file,
                                    " of \"old\" has expired on ", day, "; it has to be renewed")));
  const TlsKeyPair early = authority_
                               .Issue({.common_name = "new",
                                       .not_before = now + absl::Hours(24),
                                       .not_after = now + absl::Hours(48)})
                               .Write("early");
  EXPECT_THAT(Load(early), StatusIs(absl::StatusCode::kFailedPrecondition,
                                    AllOf(HasSubstr("\"new\" is not valid before "),
                                          HasSubstr("is the clock right?"))));
  EXPECT_THAT(TlsServerContext::Create(
                  {.certificates = {expired}, .out_of_date = TlsServerOptions::OutOfDate::kServe}),
              IsOk());
}

TEST_F(TlsContextTest, EncryptedKey) {
  const std::string key = WriteTestFile("encrypted.key", good_.Encrypted("open sesame"));
  EXPECT_THAT(
      Load({files_.certificate_file, key}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               absl::StrCat("the private key ", key, " is encrypted, and no passphrase is given")));
  EXPECT_THAT(Load({files_.certificate_file, key, "open barley"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       absl::StrCat("the passphrase does not open the private key ", key)));
  EXPECT_THAT(Load({files_.certificate_file, key, "open sesame"}), IsOk());
}

TEST_F(TlsContextTest, WeakKey) {
  const TlsKeyPair weak = authority_.Issue({.key = TestKey::kWeakRsa}).Write("weak");
  EXPECT_THAT(Load(weak), StatusIs(absl::StatusCode::kInvalidArgument,
                                   AllOf(HasSubstr(weak.private_key_file),
                                         HasSubstr("too weak: a RSA key of 1024 bits"),
                                         HasSubstr("at least RSA of 2048 bits"))));
}

TEST_F(TlsContextTest, OptionsOpenSslDoesNotKnow) {
  TlsServerOptions options{.certificates = {files_}};
  options.protocol.ciphers = "ROT13";
  EXPECT_THAT(TlsServerContext::Create(options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("tls ciphers \"ROT13\" is nothing that OpenSSL can use")));
  options.protocol = {.cipher_suites = "TLS_ROT13"};
  EXPECT_THAT(TlsServerContext::Create(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cipher_suites")));
  options.protocol = {.groups = "P-13"};
  EXPECT_THAT(TlsServerContext::Create(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("groups \"P-13\"")));
  options.protocol = {};
  options.alpn = {""};
  EXPECT_THAT(TlsServerContext::Create(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 to 255 octets")));
}

TEST_F(TlsContextTest, ClientCertificatesWithoutRoots) {
  TlsServerOptions options{.certificates = {files_},
                           .client_certificate = TlsClientCertificate::kRequired};
  EXPECT_THAT(TlsServerContext::Create(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no client_ca_file")));
  options.client_ca_file = Path("missing-ca.pem");
  EXPECT_THAT(TlsServerContext::Create(options),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("cannot read the client_ca_file")));
}

TEST_F(TlsContextTest, Client) {
  EXPECT_THAT(TlsClientContext::Create(), IsOk());
  EXPECT_THAT(TlsClientContext::Create({.ca_file = authority_.Write()}), IsOk());
  EXPECT_THAT(TlsClientContext::Create({.ca_file = Path("missing-ca.pem")}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("cannot read the ca_file")));
  EXPECT_THAT(TlsClientContext::Create({.certificate = {files_.certificate_file}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no private key")));
}

}  // namespace
}  // namespace squall
