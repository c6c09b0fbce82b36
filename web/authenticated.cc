#include "squall/web/authenticated.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "squall/base/logging.h"
#include "squall/httpserver/url.h"
#include "squall/web/local_path.h"
#include "squall/web/request_handler.h"

namespace squall {

bool Authenticated(RequestHandler& handler) {
  if (handler.current_user().has_value()) return true;
  const HttpRequest& request = handler.request();
  const std::string login = handler.GetLoginUrl();
  if ((request.method() != "GET" && request.method() != "HEAD") || login.empty()) {
    if (login.empty()) {
      LOG(WARNING) << "Authenticated(): there is neither Settings::login_url nor GetLoginUrl()";
    }
    handler.SendError(403);
    return false;
  }
  if (login.find('?') != std::string::npos) {
    handler.Redirect(login);
    return false;
  }
  std::string next;
  if (login.starts_with('/')) {
    // Who logs in is sent there, and "//host" would be another site.
    next = internal::LocalPath(request.LocalUrl());
  } else {
    next = request.FullUrl();
  }
  handler.Redirect(UrlConcat(login, {{"next", next}}));
  return false;
}

bool IsLocalUrl(std::string_view url) {
  if (!url.starts_with('/') || url.starts_with("//") || url.starts_with("/\\")) return false;
  return std::none_of(url.begin(), url.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet < 0x20 || octet == 0x7F;
  });
}

}  // namespace squall
