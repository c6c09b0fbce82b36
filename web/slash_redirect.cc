#include "squall/web/slash_redirect.h"

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"
#include "squall/web/local_path.h"
#include "squall/web/request_handler.h"

namespace squall {

namespace {

bool IsRead(const HttpRequest& request) {
  return request.method() == "GET" || request.method() == "HEAD";
}

void RedirectTo(RequestHandler& handler, std::string_view path) {
  std::string url = internal::LocalPath(path);
  if (handler.request().head().has_query()) {
    absl::StrAppend(&url, "?", ToAbsl(handler.request().query()));
  }
  handler.Redirect(url, 301);
}

}  // namespace

bool RedirectWithoutSlash(RequestHandler& handler) {
  std::string_view path = handler.request().path();
  if (!path.ends_with('/') || !IsRead(handler.request())) return false;
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return false;  // "/" has no other spelling
  RedirectTo(handler, path);
  return true;
}

bool RedirectWithSlash(RequestHandler& handler) {
  const std::string_view path = handler.request().path();
  if (path.ends_with('/') || !IsRead(handler.request())) return false;
  RedirectTo(handler, absl::StrCat(ToAbsl(path), "/"));
  return true;
}

}  // namespace squall
