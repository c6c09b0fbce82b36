// Values that a client may keep but not change: Tornado's signed cookies, format 2.
//
//   std::string cookie = squall::CreateSignedValue(secret, "user", "alice", absl::Now());
//   std::optional<std::string> user =
//       squall::DecodeSignedValue(secret, "user", cookie, {.max_age = absl::Hours(24)},
//       absl::Now());
//
// The value can be read by anybody, it is only signed:
// `2|1:0|10:time|len:name|len:base64|HMAC-SHA256` in hexadecimal. Names and values are
// length-prefixed, so that no part can be moved into another (Tornado 3.2.1). Comparison takes
// constant time. Pure functions.
#ifndef SQUALL_WEB_SIGNED_VALUE_H_
#define SQUALL_WEB_SIGNED_VALUE_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace squall {

std::string CreateSignedValue(std::string_view secret, std::string_view name,
                              std::string_view value, absl::Time now);

struct SignedValueOptions {
  absl::Duration max_age = absl::Hours(24 * 31);
};

// nullopt unless `signed_value` was made for this `name` with this `secret`, at most max_age ago.
std::optional<std::string> DecodeSignedValue(std::string_view secret, std::string_view name,
                                             std::string_view signed_value,
                                             const SignedValueOptions& options, absl::Time now);

}  // namespace squall

#endif  // SQUALL_WEB_SIGNED_VALUE_H_
