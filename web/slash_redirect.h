// One spelling for each path: Tornado's @removeslash and @addslash.
//
//   // pattern "/page/?"
//   void Get() {
//     if (squall::RedirectWithoutSlash(*this)) return;  // "/page/?x=1" went to "/page?x=1"
//     Write(Page());
//   }
#ifndef SQUALL_WEB_SLASH_REDIRECT_H_
#define SQUALL_WEB_SLASH_REDIRECT_H_

#include "squall/web/request_handler.h"

namespace squall {

// If the path of a GET or HEAD request ends (does not end) with "/", answers with a permanent
// redirect to the other spelling, the query kept, and returns true. Several "/" and "\" at the start
// become one "/", for "//host" and "/\host" would be another site.
bool RedirectWithoutSlash(RequestHandler& handler);
bool RedirectWithSlash(RequestHandler& handler);

}  // namespace squall

#endif  // SQUALL_WEB_SLASH_REDIRECT_H_
