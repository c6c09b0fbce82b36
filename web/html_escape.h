// Text for HTML: Tornado's escape.xhtml_escape().
//
//   Write(absl::StrCat("<p title=\"", squall::HtmlEscape(name), "\">", squall::HtmlEscape(text)));
//
// Good for what stands between tags and for attribute values in quotes. Not for scripts, styles, names
// of attributes, values without quotes, and not for URLs, which may begin with "javascript:". Pure
// function.
#ifndef SQUALL_WEB_HTML_ESCAPE_H_
#define SQUALL_WEB_HTML_ESCAPE_H_

#include <string>
#include <string_view>

namespace squall {

// `text` with & < > " ' as character references; every other octet as it is.
std::string HtmlEscape(std::string_view text);

}  // namespace squall

#endif  // SQUALL_WEB_HTML_ESCAPE_H_
