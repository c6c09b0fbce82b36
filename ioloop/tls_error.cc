#include "squall/ioloop/tls_error.h"

#include <openssl/err.h>
#include <openssl/x509.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "squall/ioloop/openssl_ptr.h"
#include "squall/ioloop/tls_certificate.h"

namespace squall::internal {
namespace {

std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) absl::StrAppend(&text, text.empty() ? "" : ", ", name);
  return text;
}

// What happens often, as somebody who knows nothing of OpenSSL says it. Null for all else.
const char* Sentence(int reason) {
  switch (reason) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
      return "the client speaks plain HTTP, but this is a TLS port";
    case SSL_R_WRONG_VERSION_NUMBER:
      return "the peer does not speak TLS";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
      return "the peer knows only versions of TLS that are too old";
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
      return "the peer refuses every version of TLS that is offered";
    case SSL_R_NO_SHARED_CIPHER:
      return "the client offers no cipher that fits ours and our certificate";
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return "the client offers no application protocol (ALPN) that is spoken here";
    case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
      return "the server speaks no application protocol (ALPN) that is offered";
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return "the client has shown no certificate, and one is required";
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      return "the server requires a certificate, and none was shown";
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
      return "the peer does not know who signed our certificate";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
      return "the peer says that our certificate has expired";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
      return "the peer does not accept our certificate";
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
      return "the peer refuses the handshake: it finds no common ground";
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
      return "a record was damaged or changed on its way";
    default:
      return nullptr;
  }
}

}  // namespace

std::string TakeTlsErrors() {
  std::string text;
  const char* data = nullptr;
  int flags = 0;
  while (const unsigned long error =
             ::ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags)) {
    const char* const reason = ::ERR_reason_error_string(error);
    const std::string one = reason != nullptr ? std::string(reason) : absl::StrCat("error ", error);
    if (absl::StrContains(text, one)) continue;
    absl::StrAppend(&text, text.empty() ? "" : "; ", one);
    if ((flags & ERR_TXT_STRING) != 0 && data != nullptr && *data != '\0') {
      absl::StrAppend(&text, " (", data, ")");
    }
  }
  return text.empty() ? "no reason given" : text;
}

absl::Status CertificateFailure(int error, const X509* certificate, bool of_client,
                                const std::string& server_name) {
  if (error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH) {
    const std::string names = certificate != nullptr ? Joined(ServedNames(*certificate)) : "";
    return absl::UnauthenticatedError(absl::StrCat("the server's certificate is not for ",
                                                   server_name, names.empty() ? "" : ", but for ",
                                                   names));
  }
  const std::string of =
      of_client ? "the client's certificate" : absl::StrCat("the certificate of ", server_name);
  const std::string subject = certificate != nullptr ? SubjectText(*certificate) : "unknown";
  return absl::UnauthenticatedError(absl::StrCat(
      of, " is not accepted: ", ::X509_verify_cert_error_string(error), ", at ", subject));
}

absl::Status TlsFailure() {
  for (const unsigned long error : {::ERR_peek_error(), ::ERR_peek_last_error()}) {
    if (ERR_GET_LIB(error) != ERR_LIB_SSL) continue;
    if (const char* const sentence = Sentence(ERR_GET_REASON(error))) {
      ::ERR_clear_error();
      return absl::AbortedError(sentence);
    }
  }
  return absl::AbortedError(TakeTlsErrors());
}

}  // namespace squall::internal
