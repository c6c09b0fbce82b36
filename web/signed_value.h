// Values that a client may keep but not change: Tornado's signed cookies, format 2.
//
//   std::string cookie = squall::CreateSignedValue(secret, "user", "alice", absl::Now());
//   std::optional<std::string> user =
//       squall::DecodeSignedValue(secret, "user", cookie, {.max_age = absl::Hours(24)},
//       absl::Now());
//
// The value can be read by anybody, it is only signed:
// `2|len:key version|10:time|len:name|len:base64|HMAC-SHA256` in hexadecimal. Names and values are
// length-prefixed, so that no part can be moved into another (Tornado 3.2.1). Comparison takes
// constant time. Pure functions.
#ifndef SQUALL_WEB_SIGNED_VALUE_H_
#define SQUALL_WEB_SIGNED_VALUE_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"

namespace squall {

// Secrets by their version, 0 or more.
using CookieSecrets = std::map<int, std::string>;

// Signed with `secret`, whose version is named in the value.
std::string CreateSignedValue(std::string_view secret, int key_version, std::string_view name,
                              std::string_view value, absl::Time now);
// With version 0.
std::string CreateSignedValue(std::string_view secret, std::string_view name,
                              std::string_view value, absl::Time now);

struct SignedValueOptions {
  absl::Duration max_age = absl::Hours(24 * 31);
};

// nullopt unless `signed_value` was made for this `name`, at most max_age ago, with the secret that
// `secret_of` gives for its version; "" means that there is none.
std::optional<std::string> DecodeSignedValue(absl::FunctionRef<std::string_view(int)> secret_of,
                                             std::string_view name, std::string_view signed_value,
                                             const SignedValueOptions& options, absl::Time now);
std::optional<std::string> DecodeSignedValue(const CookieSecrets& secrets, std::string_view name,
                                             std::string_view signed_value,
                                             const SignedValueOptions& options, absl::Time now);

// nullopt unless `signed_value` was made for this `name` with this `secret`, as version 0,
// at most max_age ago.
std::optional<std::string> DecodeSignedValue(std::string_view secret, std::string_view name,
                                             std::string_view signed_value,
                                             const SignedValueOptions& options, absl::Time now);

// The version that `signed_value` names; nullopt for what is no signed value. Nothing is verified.
std::optional<int> GetSignatureKeyVersion(std::string_view signed_value);

}  // namespace squall

#endif  // SQUALL_WEB_SIGNED_VALUE_H_
