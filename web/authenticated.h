// Handlers for those who are logged in: Tornado's @authenticated.
//
//   struct AccountHandler : squall::RequestHandler {
//     std::optional<std::string> GetCurrentUser() override { return GetSignedCookie("user"); }
//     void Get() {
//       if (!squall::Authenticated(*this)) return;
//       Write(*current_user());
//     }
//   };
#ifndef SQUALL_WEB_AUTHENTICATED_H_
#define SQUALL_WEB_AUTHENTICATED_H_

#include <string_view>

#include "squall/web/request_handler.h"

namespace squall {

// True when the handler has a current_user(). If not, the request is answered: GET and HEAD by a
// redirect to GetLoginUrl() with this URL as its argument `next` (with scheme and host when the
// login is at another host, else without), or, without a login URL, and any other method, by 403.
bool Authenticated(RequestHandler& handler);

// True for what may be redirected to although a client wrote it, the argument `next` of a login
// page for instance: a path of this host. "//evil.example" and "/\\evil.example", which browsers
// take for another host, are none, nor is anything with a control character.
bool IsLocalUrl(std::string_view url);

}  // namespace squall

#endif  // SQUALL_WEB_AUTHENTICATED_H_
