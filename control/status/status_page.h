// Internal: the page at / and its Content-Security-Policy, which names the hashes of its script and
// style. Made by embed_page.py from status_page.html.
//
//   SetHeader("Content-Security-Policy", kStatusPagePolicy);
//   Write(kStatusPage);
#ifndef SQUALL_CONTROL_STATUS_STATUS_PAGE_H_
#define SQUALL_CONTROL_STATUS_STATUS_PAGE_H_

#include <string_view>

namespace squall::internal {

extern const std::string_view kStatusPage;
extern const std::string_view kStatusPagePolicy;

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_STATUS_STATUS_PAGE_H_
