#include "squall/ioloop/tls_certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "squall/base/logging.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/tls_error.h"

namespace squall::internal {
namespace {

// The largest bundle of roots is a quarter of this.
constexpr size_t kMaxFileSize = 1 << 20;
// OpenSSL's security level 2.
constexpr int kMinSecurityBits = 112;
constexpr absl::Duration kWarnBefore = absl::Hours(14 * 24);

// Why this process may not open a file that is there.
std::string WhoMayRead(const std::string& path) {
  struct stat file;
  if (::stat(path.c_str(), &file) != 0) return "";
  return absl::StrFormat(" (it belongs to user %d and group %d, mode %04o; this is user %d)",
                         file.st_uid, file.st_gid, file.st_mode & 07777u, ::geteuid());
}

absl::StatusOr<std::string> ReadFile(const std::string& path, const std::string& what) {
  if (path.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("no ", what, " is named"));
  }
  const std::string reading = absl::StrCat("cannot read the ", what, " ", path);
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd.valid()) {
    const int error = errno;
    const absl::Status status = StatusFromErrno(error, reading);
    if (error != EACCES) return status;
    return absl::PermissionDeniedError(absl::StrCat(status.message(), WhoMayRead(path)));
  }
  std::string text;
  char buffer[4096];
  // It may be a private key, of which no copies are to stay behind. What is returned is the caller's
  // to erase.
  struct stat file;
  if (::fstat(fd.get(), &file) == 0 && file.st_size > 0) {
    text.reserve(std::min(static_cast<size_t>(file.st_size), kMaxFileSize));
  }
  while (true) {
    const ssize_t size = ::read(fd.get(), buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return StatusFromErrno(errno, reading);
    if (size == 0) return text;
    text.append(buffer, static_cast<size_t>(size));
    ::OPENSSL_cleanse(buffer, static_cast<size_t>(size));
    if (text.size() > kMaxFileSize) {
      return absl::InvalidArgumentError(
          absl::StrCat(reading, ": it is larger than ", kMaxFileSize, " octets, so not PEM"));
    }
  }
}

BioPtr MemoryBio(const std::string& text) {
  return BioPtr(::BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

bool HasBlock(const std::string& text, std::string_view end_of_label) {
  return absl::StrContains(text, absl::StrCat(std::string(end_of_label), "-----\n")) ||
         absl::StrContains(text, absl::StrCat(std::string(end_of_label), "-----\r"));
}

// What a file without the wanted PEM block is instead.
std::string WhatElse(const std::string& text, bool want_key) {
  if (text.empty()) return "it is empty";
  // An ASN.1 sequence with a length of two octets.
  if (absl::StartsWith(text, "\x30\x82")) {
    return absl::StrCat("it is DER, not PEM: convert it with `openssl ", want_key ? "pkey" : "x509",
                        " -inform DER`");
  }
  if (want_key && HasBlock(text, "CERTIFICATE")) {
    return "it has certificates, but no private key";
  }
  if (!want_key && HasBlock(text, "PRIVATE KEY")) {
    return "it has a private key, but no certificate: are the two files swapped?";
  }
  if (!want_key && HasBlock(text, "CERTIFICATE REQUEST")) {
    return "it has a request for a certificate, not the certificate";
  }
  return absl::StrCat("it is not PEM, with a line -----BEGIN ",
                      want_key ? "PRIVATE KEY" : "CERTIFICATE", "-----");
}

struct Passphrase {
  const std::string* text;
  bool asked = false;
};

int GivePassphrase(char* buffer, int size, int /*writing*/, void* argument) {
  auto* const passphrase = static_cast<Passphrase*>(argument);
  passphrase->asked = true;
  if (passphrase->text->empty() || passphrase->text->size() > static_cast<size_t>(size)) return -1;
  memcpy(buffer, passphrase->text->data(), passphrase->text->size());
  return static_cast<int>(passphrase->text->size());
}

int RefusePassphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*argument*/) {
  return -1;
}

absl::StatusOr<EvpPkeyPtr> LoadPrivateKey(const std::string& path, const std::string& passphrase) {
  const std::string what = "private key";
  ASSIGN_OR_RETURN(std::string text, ReadFile(path, what));
  ::ERR_clear_error();
  const BioPtr bio = MemoryBio(text);
  Passphrase pass{.text = &passphrase};
  EvpPkeyPtr key(::PEM_read_bio_PrivateKey(bio.get(), nullptr, GivePassphrase, &pass));
  const bool has_block = HasBlock(text, "PRIVATE KEY");
  const std::string what_else = WhatElse(text, true);
  ::OPENSSL_cleanse(text.data(), text.size());
  if (key == nullptr) {
    const std::string reason = TakeTlsErrors();
    if (pass.asked && passphrase.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("the private key ", path, " is encrypted, and no passphrase is given"));
    }
    if (pass.asked) {
      return absl::InvalidArgumentError(
          absl::StrCat("the passphrase does not open the private key ", path));
    }
    if (has_block) {
      return absl::InvalidArgumentError(
          absl::StrCat("the private key ", path, " is damaged: ", reason));
    }
    return absl::InvalidArgumentError(
        absl::StrCat("there is no private key in ", path, ": ", what_else));
  }
  return key;
}

std::string KeyText(EVP_PKEY* key) {
  const char* const kind = ::EVP_PKEY_get0_type_name(key);
  return absl::StrCat(kind != nullptr ? kind : "private", " key of ", ::EVP_PKEY_get_bits(key),
                      " bits");
}

std::string NameText(const X509_NAME* name, int nid) {
  const int at = ::X509_NAME_get_index_by_NID(name, nid, -1);
  if (at < 0) return "";
  unsigned char* utf8 = nullptr;
  const int size =
      ::ASN1_STRING_to_UTF8(&utf8, ::X509_NAME_ENTRY_get_data(::X509_NAME_get_entry(name, at)));
  if (size < 0) return "";
  std::string text(reinterpret_cast<const char*>(utf8), static_cast<size_t>(size));
  ::OPENSSL_free(utf8);
  return text;
}

absl::Time TimeOf(const ASN1_TIME* time) {
  tm civil = {};
  if (::ASN1_TIME_to_tm(time, &civil) != 1) return absl::InfinitePast();
  return absl::FromTimeT(::timegm(&civil));
}

// Those of one kind, which all are IA5Strings.
std::vector<std::string> AlternativeNames(const X509& certificate, int kind) {
  std::vector<std::string> names;
  const GeneralNamesPtr alternatives(static_cast<GENERAL_NAMES*>(
      ::X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(alternatives.get(), i);
    if (name->type != kind) continue;
    names.emplace_back(reinterpret_cast<const char*>(::ASN1_STRING_get0_data(name->d.ia5)),
                       static_cast<size_t>(::ASN1_STRING_length(name->d.ia5)));
  }
  return names;
}

std::string DayText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M UTC", time, absl::UTCTimeZone());
}

}  // namespace

absl::StatusOr<std::vector<X509Ptr>> LoadCertificates(const std::string& path,
                                                      const std::string& what) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, what));
  ::ERR_clear_error();
  const BioPtr bio = MemoryBio(text);
  std::vector<X509Ptr> certificates;
  while (true) {
    // Without a callback OpenSSL would ask a terminal for the passphrase of an encrypted block.
    X509Ptr next(::PEM_read_bio_X509(bio.get(), nullptr, RefusePassphrase, nullptr));
    if (next == nullptr) break;
    certificates.push_back(std::move(next));
  }
  const unsigned long error = ::ERR_peek_last_error();
  const bool at_end =
      ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  const std::string reason = TakeTlsErrors();
  if (!at_end) {
    return absl::InvalidArgumentError(absl::StrCat("certificate ", certificates.size() + 1, " of ",
                                                   path, " is damaged: ", reason));
  }
  if (certificates.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no certificate in ", path, ": ", WhatElse(text, false)));
  }
  return certificates;
}

absl::StatusOr<LoadedKeyPair> LoadKeyPair(const TlsKeyPair& files) {
  LoadedKeyPair pair;
  ASSIGN_OR_RETURN(pair.chain, LoadCertificates(files.certificate_file, "certificate"));
  pair.leaf = std::move(pair.chain.front());
  pair.chain.erase(pair.chain.begin());
  const std::string& key_file =
      files.private_key_file.empty() ? files.certificate_file : files.private_key_file;
  ASSIGN_OR_RETURN(pair.key, LoadPrivateKey(key_file, files.passphrase));
  EVP_PKEY* const of_certificate = ::X509_get0_pubkey(pair.leaf.get());
  if (of_certificate == nullptr || ::EVP_PKEY_eq(of_certificate, pair.key.get()) != 1) {
    ::ERR_clear_error();
    const bool later = std::any_of(pair.chain.begin(), pair.chain.end(), [&](const X509Ptr& other) {
      return ::EVP_PKEY_eq(::X509_get0_pubkey(other.get()), pair.key.get()) == 1;
    });
    ::ERR_clear_error();
    return absl::InvalidArgumentError(absl::StrCat(
        "the private key ", key_file, " is not the one of the certificate ", files.certificate_file,
        later ? ": its certificate stands behind another one there, but must be the first" : ""));
  }
  if (::EVP_PKEY_get_security_bits(pair.key.get()) < kMinSecurityBits) {
    return absl::InvalidArgumentError(
        absl::StrCat("the private key ", key_file, " is too weak: a ", KeyText(pair.key.get()),
                     "; at least RSA of 2048 bits or EC of 224 bits is needed"));
  }
  return pair;
}

absl::Time NotAfter(const X509& certificate) { return TimeOf(::X509_get0_notAfter(&certificate)); }

absl::Status CheckDates(const X509& certificate, const std::string& path, absl::Time now) {
  const absl::Time not_after = NotAfter(certificate);
  const std::string which =
      absl::StrCat("the certificate ", path, " of ", SubjectText(certificate));
  if (now > not_after) {
    return absl::FailedPreconditionError(
        absl::StrCat(which, " has expired on ", DayText(not_after), "; it has to be renewed"));
  }
  const absl::Time not_before = TimeOf(::X509_get0_notBefore(&certificate));
  if (now < not_before) {
    return absl::FailedPreconditionError(absl::StrCat(which, " is not valid before ",
                                                      DayText(not_before), ", and it is ",
                                                      DayText(now), " here: is the clock right?"));
  }
  return absl::OkStatus();
}

void WarnOfExpiry(const X509& certificate, const std::string& path, absl::Time now) {
  const absl::Time not_after = NotAfter(certificate);
  const absl::Duration lifetime = not_after - TimeOf(::X509_get0_notBefore(&certificate));
  if (not_after - now > std::min(kWarnBefore, lifetime / 3)) return;
  LOG(WARNING) << "The certificate " << path << " of " << SubjectText(certificate)
               << (now > not_after ? " has expired on " : " expires on ") << DayText(not_after)
               << "; it has to be renewed";
}

std::vector<std::string> DnsNames(const X509& certificate) {
  std::vector<std::string> names = AlternativeNames(certificate, GEN_DNS);
  for (std::string& name : names) absl::AsciiStrToLower(&name);
  return names;
}

std::vector<std::string> Uris(const X509& certificate) {
  return AlternativeNames(certificate, GEN_URI);
}

std::vector<std::string> ServedNames(const X509& certificate) {
  const bool has_alternatives = ::X509_get_ext_by_NID(&certificate, NID_subject_alt_name, -1) >= 0;
  const std::string common = CommonName(certificate);
  if (has_alternatives || common.empty()) return DnsNames(certificate);
  return {absl::AsciiStrToLower(common)};
}

std::string CommonName(const X509& certificate) {
  return NameText(::X509_get_subject_name(&certificate), NID_commonName);
}

std::string DistinguishedName(const X509& certificate) {
  const BioPtr bio(::BIO_new(::BIO_s_mem()));
  ::X509_NAME_print_ex(bio.get(), ::X509_get_subject_name(&certificate), 0,
                       XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  const char* data = nullptr;
  const long size = ::BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

std::string SubjectText(const X509& certificate) {
  const std::string name = CommonName(certificate);
  return absl::StrCat("\"", name.empty() ? DistinguishedName(certificate) : name, "\"");
}

}  // namespace squall::internal
