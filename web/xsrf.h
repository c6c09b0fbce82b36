// Internal: tokens against cross-site request forgery, Tornado's version 2.
//
//   XsrfSecret secret = NewXsrfSecret(absl::Now());      // kept by the client as cookie _xsrf
//   std::string token = MaskXsrfSecret(secret);          // for a form, another one on each call
//   XsrfTokensMatch(cookie, argument);
//
// A token is `2|mask|masked secret|time` in hexadecimal. The mask is new for each page, so that an
// attacker who watches compressed sizes learns nothing (BREACH, CVE-2014-9720).
#ifndef SQUALL_WEB_XSRF_H_
#define SQUALL_WEB_XSRF_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace squall::internal {

struct XsrfSecret {
  std::string octets;  // not empty
  int64_t time = 0;    // seconds since 1970
};

XsrfSecret NewXsrfSecret(absl::Time now);

// The secret in a token of version 2, or in one of version 1 (the secret in hexadecimal, or
// anything else taken as it is). nullopt for a malformed version 2, another version ("3|...") and an
// empty one.
std::optional<XsrfSecret> ReadXsrfToken(std::string_view token);

std::string MaskXsrfSecret(const XsrfSecret& secret);

// True when both hold the same secret. Constant time in the secret.
bool XsrfTokensMatch(std::string_view cookie, std::string_view token);

}  // namespace squall::internal

#endif  // SQUALL_WEB_XSRF_H_
