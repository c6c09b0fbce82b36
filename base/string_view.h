// Between std::string_view, which squall uses, and absl::string_view, which Abseil's functions
// take.
//
//   absl::StrCat("no such host: ", squall::ToAbsl(host));
//   std::string_view text = squall::ToStd(status.message());
//
// They are two types where Abseil was built before C++17 (Debian's is) and one type elsewhere; with
// these two functions the code compiles in both worlds. Nothing is copied.
#ifndef SQUALL_BASE_STRING_VIEW_H_
#define SQUALL_BASE_STRING_VIEW_H_

#include <string_view>

#include "absl/strings/string_view.h"

namespace squall {

inline absl::string_view ToAbsl(std::string_view view) { return {view.data(), view.size()}; }
inline std::string_view ToStd(absl::string_view view) { return {view.data(), view.size()}; }

}  // namespace squall

#endif  // SQUALL_BASE_STRING_VIEW_H_
