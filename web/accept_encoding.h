// Internal: what codings a client takes (Accept-Encoding, RFC 9110 12.5.3).
#ifndef SQUALL_WEB_ACCEPT_ENCODING_H_
#define SQUALL_WEB_ACCEPT_ENCODING_H_

#include <optional>
#include <string_view>

namespace squall::internal {

// The weight of `coding` (lower case) in thousandths, 0: not acceptable. "x-gzip" is "gzip"; "*"
// counts for what is not named; a weight that cannot be read is 1000. Linear.
int AcceptedWeight(std::string_view accept_encoding, std::string_view coding);

// The weight if `coding` itself is named.
std::optional<int> NamedWeight(std::string_view accept_encoding, std::string_view coding);

}  // namespace squall::internal

#endif  // SQUALL_WEB_ACCEPT_ENCODING_H_
