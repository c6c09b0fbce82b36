// Entity tags: making one from a body, and If-None-Match.
//
//   std::string etag = squall::MakeEtag("hello");     // "\"aaf4c61d...\"", SHA-1 as in Tornado
//   squall::EtagMatches("W/\"x\", \"y\"", "\"x\"");   // true, weak comparison
//
// Pure functions. Source: RFC 9110 8.8.3, 13.1.1 and 13.1.2, Tornado's compute_etag and check_etag_header.
#ifndef SQUALL_WEB_ETAG_H_
#define SQUALL_WEB_ETAG_H_

#include <string>
#include <string_view>

namespace squall {

// A strong tag, quotes included: the SHA-1 of `body` in hexadecimal. SHA-1 names the content here,
// it protects nothing.
std::string MakeEtag(std::string_view body);

// True when `if_none_match` is "*" or lists a tag that equals `etag` by the weak comparison (W/
// ignored on both sides). Linear; malformed members never match.
bool EtagMatches(std::string_view if_none_match, std::string_view etag);

// If-Match: true when `if_match` is "*" and there `exists` a representation, or when it lists a tag
// that equals `etag` by the strong comparison (RFC 9110 8.8.3.2: no weak tag equals anything).
bool EtagMatchesStrongly(std::string_view if_match, std::string_view etag, bool exists);

}  // namespace squall

#endif  // SQUALL_WEB_ETAG_H_
