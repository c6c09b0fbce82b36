// Certificates made by the test itself, so that none of them ever expires. Tests only.
//
//   const TestAuthority authority("root");
//   const TestCertificate site = authority.Issue({.common_name = "site", .dns_names = {"a.test"}});
//   TlsKeyPair files = site.Write("site");   // below the test's temporary folder
#ifndef SQUALL_IOLOOP_TLS_TEST_CERTIFICATES_H_
#define SQUALL_IOLOOP_TLS_TEST_CERTIFICATES_H_

#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "squall/ioloop/openssl_ptr.h"
#include "squall/ioloop/tls_options.h"

namespace squall::internal {

enum class TestKey { kEcdsa, kRsa, kWeakRsa };

struct TestCertificateOptions {
  std::string common_name = "localhost";
  std::vector<std::string> dns_names = {"localhost"};
  std::vector<std::string> ip_addresses = {"127.0.0.1"};
  std::vector<std::string> uris = {};
  TestKey key = TestKey::kEcdsa;
  absl::Time not_before = absl::Now() - absl::Hours(1);
  absl::Time not_after = absl::Now() + absl::Hours(1);
};

// Writes a file below the test's temporary folder; its path.
std::string WriteTestFile(const std::string& name, const std::string& content);

struct TestCertificate {
  std::string certificate;  // PEM, with what leads to the root
  std::string private_key;  // PEM
  // The private key once more, encrypted.
  std::string Encrypted(const std::string& passphrase) const;
  // Writes both, as NAME.pem and NAME.key.
  TlsKeyPair Write(const std::string& name) const;
};

class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name);

  TestCertificate Issue(const TestCertificateOptions& options = {}) const;
  const std::string& certificate() const { return certificate_; }
  // Writes the root's certificate; its path.
  std::string Write() const;

 private:
  const std::string name_;
  EvpPkeyPtr key_;
  X509Ptr root_;
  std::string certificate_;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_TLS_TEST_CERTIFICATES_H_
