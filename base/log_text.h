// Internal to base: one log message as one line of harmless text.
//
//   std::string line;
//   squall::internal::AppendLogText("a\nb", line);  // a\nb, with a backslash
#ifndef SQUALL_BASE_LOG_TEXT_H_
#define SQUALL_BASE_LOG_TEXT_H_

#include <string>
#include <string_view>

namespace squall::internal {

// Appends `message` to `line` with control characters as \n, \r, \t or \xHH: C0, DEL and, in their
// UTF-8 form, C1, which terminals obey too. All other bytes stay as they are.
void AppendLogText(std::string_view message, std::string& line);

}  // namespace squall::internal

#endif  // SQUALL_BASE_LOG_TEXT_H_
