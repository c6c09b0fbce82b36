// Internal: a form or query value as handlers see it.
//
//   squall::internal::DecodeArgument(" a\x01" "b ");  // "a b"
//
// Source: Tornado's RequestHandler._get_arguments and decode_argument.
#ifndef SQUALL_WEB_ARGUMENT_H_
#define SQUALL_WEB_ARGUMENT_H_

#include <optional>
#include <string>
#include <string_view>

namespace squall::internal {

// `raw`, already percent-decoded, with each control character (U+0000-0008 and U+000E-001F)
// replaced by a space, and without white space at both ends. nullopt when it is not UTF-8.
std::optional<std::string> DecodeArgument(std::string_view raw);

}  // namespace squall::internal

#endif  // SQUALL_WEB_ARGUMENT_H_
