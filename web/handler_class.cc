#include "squall/web/handler_class.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"

namespace squall::internal {

std::optional<Verb> VerbFromMethod(std::string_view method) {
  for (size_t i = 0; i < kVerbs; ++i) {
    if (method == kVerbNames[i]) return static_cast<Verb>(i);
  }
  return std::nullopt;
}

std::string AllowedMethods(const HandlerClass& handler_class) {
  std::string allow;
  for (size_t i = 0; i < kVerbs; ++i) {
    if (handler_class.verbs[i].run == nullptr) continue;
    absl::StrAppend(&allow, allow.empty() ? "" : ", ", ToAbsl(kVerbNames[i]));
  }
  return allow;
}

}  // namespace squall::internal
