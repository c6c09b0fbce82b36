// Internal: a form or query value as handlers see it.
//
//   squall::internal::CleanArgument(" a\x01" "b ", true);  // "a b"
//
// Source: Tornado's RequestHandler._get_arguments.
#ifndef SQUALL_WEB_ARGUMENT_H_
#define SQUALL_WEB_ARGUMENT_H_

#include <string>

namespace squall::internal {

// `text` with each control character (U+0000-0008 and U+000E-001F) replaced by a space, and, with
// `strip`, without white space at both ends.
std::string CleanArgument(std::string text, bool strip);

}  // namespace squall::internal

#endif  // SQUALL_WEB_ARGUMENT_H_
