// Internal: the Set-Cookie fields that an answer is to carry, one per cookie name.
#ifndef SQUALL_WEB_COOKIE_CHANGES_H_
#define SQUALL_WEB_COOKIE_CHANGES_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "squall/httpserver/http_headers.h"

namespace squall::internal {

class CookieChanges {
 public:
  // `field` is the whole value of Set-Cookie; it replaces one of the same `name`.
  void Set(std::string_view name, std::string field) {
    for (auto& [known, value] : fields_) {
      if (known == name) {
        value = std::move(field);
        return;
      }
    }
    fields_.emplace_back(name, std::move(field));
  }

  void AddTo(HttpHeaders& headers) const {
    for (const auto& [name, field] : fields_) headers.Add("Set-Cookie", field);
  }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

}  // namespace squall::internal

#endif  // SQUALL_WEB_COOKIE_CHANGES_H_
