// HTTP status codes: reason phrases and which ones may be sent.
//
//   squall::ReasonPhrase(404);                         // "Not Found"
//   squall::ReasonPhrase(435);                         // "Unknown"
//   squall::IsValidReasonPhrase("OK\r\nX-Evil: 1");    // false
//
// Pure functions. Source: RFC 9110 §15, the IANA registry, Tornado's httputil.responses.
#ifndef SQUALL_HTTPSERVER_HTTP_STATUS_H_
#define SQUALL_HTTPSERVER_HTTP_STATUS_H_

#include <string_view>

namespace squall {

// The payload of an absl::Status that is to be answered by another HTTP status than its code says: the
// number in decimal. See web/status_to_http.h.
inline constexpr char kHttpStatusPayload[] = "squall/http_status";

// The registered phrase of `status`, else "Unknown". A literal.
std::string_view ReasonPhrase(int status);

// True when `reason` may stand in a status line: not empty, HTAB, SP, visible ASCII and octets from
// 0x80 on (RFC 9112 §4), and no "<", which some error pages would not escape (Tornado,
// CVE-2025-67725).
bool IsValidReasonPhrase(std::string_view reason);

// True for 1xx, 204 and 304: such a response never has a body (RFC 9110 §6.4.1).
bool StatusHasNoBody(int status);

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_HTTP_STATUS_H_
