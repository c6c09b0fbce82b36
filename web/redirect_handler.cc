#include "squall/web/redirect_handler.h"

#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>

#include "squall/httpserver/url.h"
#include "squall/web/local_path.h"

namespace squall {

namespace {

std::string FillIn(std::string_view target, const PathArgs& groups) {
  std::string url;
  while (!target.empty()) {
    const size_t open = target.find('{');
    url.append(target.substr(0, open));
    if (open == std::string_view::npos) break;
    target.remove_prefix(open);
    size_t number = 0;
    const char* const end = target.data() + target.size();
    const auto [stop, error] = std::from_chars(target.data() + 1, end, number);
    if (error == std::errc() && stop != end && *stop == '}' && number < groups.size()) {
      url.append(UrlEscape(groups[number].value_or(""), UrlSpace::kPercent));
      target.remove_prefix(stop + 1 - target.data());
    } else {
      url.push_back('{');
      target.remove_prefix(1);
    }
  }
  return url;
}

}  // namespace

void RedirectHandler::Get(const PathArgs& groups) {
  std::string url = FillIn(target_, groups);
  // A group that begins with a slash must not make another site of a path.
  if (target_.starts_with('/') && !target_.starts_with("//")) url = internal::LocalPath(url);
  Redirect(UrlConcat(url, request().query_arguments()), status_);
}

}  // namespace squall
