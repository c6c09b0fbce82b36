#include "squall/base/code_location.h"

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"

namespace squall {

std::string CodeLocation::ToString() const {
  if (line_ == 0) return "unknown";
  std::string_view name = file_;
  name.remove_prefix(name.rfind('/') + 1);  // npos + 1 is 0.
  return absl::StrCat(ToAbsl(name), ":", line_, " (", function_, ")");
}

}  // namespace squall
