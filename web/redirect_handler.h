// A handler that redirects, Tornado's RedirectHandler.
//
//   {"/photos", squall::Handler<squall::RedirectHandler>("/images")},
//   {"/photo/([0-9]+)/(.*)", squall::Handler<squall::RedirectHandler>("/image/{1}?n={0}", 302)},
//
// {N} of the target becomes the pattern's group N, counted from 0 and encoded for a path. The query
// of the request is appended to the target's own. "{" that begins no number stays.
#ifndef SQUALL_WEB_REDIRECT_HANDLER_H_
#define SQUALL_WEB_REDIRECT_HANDLER_H_

#include <string>
#include <utility>

#include "squall/web/path_args.h"
#include "squall/web/request_handler.h"

namespace squall {

class RedirectHandler : public RequestHandler {
 public:
  explicit RedirectHandler(std::string target, int status = 301)
      : target_(std::move(target)), status_(status) {}

  void Get(const PathArgs& groups);

 private:
  std::string target_;
  int status_;
};

}  // namespace squall

#endif  // SQUALL_WEB_REDIRECT_HANDLER_H_
