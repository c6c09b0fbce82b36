#include "squall/httpserver/request_head.h"

namespace squall {

std::string_view RequestHead::path() const {
  // An absolute target may come without a path; RFC 9112 §3.2.4 says what OPTIONS means by that.
  if (path_.size == 0) return method() == "OPTIONS" && !has_query_ ? "*" : "/";
  return View(path_);
}

std::string_view RequestHead::scheme() const {
  const std::string_view target = this->target();
  const bool absolute = !target.empty() && target.front() != '/' && path_.at > target_.at;
  return absolute ? target.substr(0, target.find(':')) : std::string_view();
}

void RequestHead::Clear() {
  headers_.Clear();
  method_ = target_ = path_ = query_ = host_ = Piece{};
  content_length_ = 0;
  size_ = 0;
  framing_ = BodyFraming::kNone;
  version_minor_ = 1;
  has_query_ = keep_alive_ = expect_continue_ = upgrade_ = false;
}

}  // namespace squall
