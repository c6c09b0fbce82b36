#include "squall/ioloop/tls_test_certificates.h"

#include <openssl/pem.h>

#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "squall/base/logging.h"

namespace squall::internal {
namespace {

EvpPkeyPtr MakeKey(TestKey kind) {
  switch (kind) {
    case TestKey::kEcdsa:
      return EvpPkeyPtr(EVP_EC_gen("P-256"));
    case TestKey::kRsa:
      return EvpPkeyPtr(EVP_RSA_gen(2048));
    case TestKey::kWeakRsa:
      return EvpPkeyPtr(EVP_RSA_gen(1024));
  }
  return nullptr;
}

std::string PemOf(X509* certificate) {
  const BioPtr bio(::BIO_new(::BIO_s_mem()));
  CHECK_EQ(::PEM_write_bio_X509(bio.get(), certificate), 1);
  const char* data = nullptr;
  const long size = ::BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

std::string PemOf(EVP_PKEY* key, const std::string& passphrase) {
  const BioPtr bio(::BIO_new(::BIO_s_mem()));
  CHECK_EQ(::PEM_write_bio_PKCS8PrivateKey(bio.get(), key,
                                           passphrase.empty() ? nullptr : ::EVP_aes_128_cbc(),
                                           passphrase.empty() ? nullptr : passphrase.data(),
                                           static_cast<int>(passphrase.size()), nullptr, nullptr),
           1);
  const char* data = nullptr;
  const long size = ::BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

void AddExtension(X509* certificate, int nid, const std::string& value) {
  X509_EXTENSION* const extension = ::X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  CHECK(extension != nullptr) << value;
  ::X509_add_ext(certificate, extension, -1);
  ::X509_EXTENSION_free(extension);
}

X509Ptr MakeCertificate(const TestCertificateOptions& options, EVP_PKEY* key, X509* issuer,
                        EVP_PKEY* issuer_key) {
  static long serial = 1;
  X509Ptr certificate(::X509_new());
  X509* const x509 = certificate.get();
  ::X509_set_version(x509, X509_VERSION_3);
  ::ASN1_INTEGER_set(::X509_get_serialNumber(x509), ++serial);
  ::ASN1_TIME_set(X509_getm_notBefore(x509), absl::ToTimeT(options.not_before));
  ::ASN1_TIME_set(X509_getm_notAfter(x509), absl::ToTimeT(options.not_after));
  ::X509_NAME_add_entry_by_txt(::X509_get_subject_name(x509), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(options.common_name.c_str()),
                               -1, -1, 0);
  ::X509_set_issuer_name(x509, ::X509_get_subject_name(issuer != nullptr ? issuer : x509));
  ::X509_set_pubkey(x509, key);
  std::string names;
  for (const std::string& name : options.dns_names) absl::StrAppend(&names, "DNS:", name, ",");
  for (const std::string& ip : options.ip_addresses) absl::StrAppend(&names, "IP:", ip, ",");
  for (const std::string& uri : options.uris) absl::StrAppend(&names, "URI:", uri, ",");
  if (!names.empty()) {
    names.pop_back();
    AddExtension(x509, NID_subject_alt_name, names);
  }
  AddExtension(x509, NID_basic_constraints, issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
  CHECK_GT(::X509_sign(x509, issuer_key, ::EVP_sha256()), 0);
  return certificate;
}

}  // namespace

std::string WriteTestFile(const std::string& name, const std::string& content) {
  const std::string path = absl::StrCat(testing::TempDir(), "/", name);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  CHECK(file.flush().good()) << path;
  return path;
}

std::string TestCertificate::Encrypted(const std::string& passphrase) const {
  const BioPtr bio(::BIO_new_mem_buf(private_key.data(), static_cast<int>(private_key.size())));
  const EvpPkeyPtr key(::PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  return PemOf(key.get(), passphrase);
}

TlsKeyPair TestCertificate::Write(const std::string& name) const {
  return {.certificate_file = WriteTestFile(absl::StrCat(name, ".pem"), certificate),
          .private_key_file = WriteTestFile(absl::StrCat(name, ".key"), private_key)};
}

TestAuthority::TestAuthority(const std::string& name)
    : name_(name), key_(MakeKey(TestKey::kEcdsa)) {
  TestCertificateOptions options{.common_name = name, .dns_names = {}, .ip_addresses = {}};
  options.not_before = absl::Now() - absl::Hours(24 * 365);
  options.not_after = absl::Now() + absl::Hours(24 * 365);
  root_ = MakeCertificate(options, key_.get(), nullptr, key_.get());
  certificate_ = PemOf(root_.get());
}

TestCertificate TestAuthority::Issue(const TestCertificateOptions& options) const {
  const EvpPkeyPtr key = MakeKey(options.key);
  const X509Ptr certificate = MakeCertificate(options, key.get(), root_.get(), key_.get());
  return {.certificate = PemOf(certificate.get()), .private_key = PemOf(key.get(), "")};
}

std::string TestAuthority::Write() const {
  return WriteTestFile(absl::StrCat(name_, "-root.pem"), certificate_);
}

}  // namespace squall::internal
