// Reads a stream up to a regular expression.
//
//   absl::StatusOr<std::string> head =
//       co_await squall::ReadUntilRegex(stream, "\r?\n\r?\n");
//
// Has a target of its own, //ioloop:read_until_regex, so that programs without it need no RE2.
//
// Source: tornado.iostream.BaseIOStream.read_until_regex.
#ifndef SQUALL_IOLOOP_READ_UNTIL_REGEX_H_
#define SQUALL_IOLOOP_READ_UNTIL_REGEX_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "re2/re2.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/task.h"

namespace squall {

// The longest text that is searched unless a call says otherwise.
inline constexpr size_t kMaxRegexBytes = 64 << 10;

// Everything up to and including the first match of `pattern`, as IOStream::ReadUntil has it for a
// text, errors and `max_bytes` included. The pattern is RE2's and matches octets (Latin-1, so "." is
// any octet but \n); INVALID_ARGUMENT says what RE2 finds wrong with it, and the stream stays as it
// is. A pattern that could go on matching ("a+") matches what has come until then. One search takes
// time linear in what has come, but a match may end with any octet: all is searched anew whenever
// there is nothing more for now, and meanwhile when it has doubled. So each segment of a peer that
// sends little at a time costs a search of up to `max_bytes`; IOStream::kUnlimited (which
// max_buffer_size bounds) is for peers that are trusted. The stream may be moved or destroyed while
// the Task waits.
Task<absl::StatusOr<std::string>> ReadUntilRegex(IOStream& stream, std::string_view pattern,
                                                 size_t max_bytes = kMaxRegexBytes);
// The same with a compiled pattern, which is not owned and must outlive the Task.
Task<absl::StatusOr<std::string>> ReadUntilRegex(IOStream& stream, const re2::RE2* pattern,
                                                 size_t max_bytes = kMaxRegexBytes);

}  // namespace squall

#endif  // SQUALL_IOLOOP_READ_UNTIL_REGEX_H_
