// Certificates and private keys out of PEM files, with an error that says what is wrong with which
// file. Internal to ioloop's TLS.
//
//   ASSIGN_OR_RETURN(LoadedKeyPair pair, LoadKeyPair(files, absl::Now()));
#ifndef SQUALL_IOLOOP_TLS_CERTIFICATE_H_
#define SQUALL_IOLOOP_TLS_CERTIFICATE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "squall/ioloop/openssl_ptr.h"
#include "squall/ioloop/tls_options.h"

namespace squall::internal {

struct LoadedKeyPair {
  X509Ptr leaf;
  std::vector<X509Ptr> chain;  // without the leaf
  EvpPkeyPtr key;
};

// NOT_FOUND, PERMISSION_DENIED and the like for files that cannot be read; INVALID_ARGUMENT for
// files that hold something else, a key that does not fit, a wrong passphrase, a key that is too
// weak. Dates are not looked at.
absl::StatusOr<LoadedKeyPair> LoadKeyPair(const TlsKeyPair& files);

// All certificates of a PEM file; at least one. `what` names their purpose in errors, such as
// "client_ca_file".
absl::StatusOr<std::vector<X509Ptr>> LoadCertificates(const std::string& path,
                                                      const std::string& what);

// FAILED_PRECONDITION when `now` is outside of the certificate's dates.
absl::Status CheckDates(const X509& certificate, const std::string& path, absl::Time now);
absl::Time NotAfter(const X509& certificate);

// Logs a WARNING when less than two weeks and less than a third of its time are left, or none.
void WarnOfExpiry(const X509& certificate, const std::string& path, absl::Time now);

// The DNS names of subjectAltName, in lower case.
std::vector<std::string> DnsNames(const X509& certificate);
// Its URIs, as they stand there; of all names there may be some with a NUL inside.
std::vector<std::string> Uris(const X509& certificate);
// The names of servers that a certificate is for: its DnsNames(), or without a subjectAltName its
// common name.
std::vector<std::string> ServedNames(const X509& certificate);

// The subject's; empty if it has none.
std::string CommonName(const X509& certificate);
// The subject as RFC 2253 writes it: "CN=alice,O=Example".
std::string DistinguishedName(const X509& certificate);
// The common name, or the whole subject, in quotes, for people.
std::string SubjectText(const X509& certificate);

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_TLS_CERTIFICATE_H_
