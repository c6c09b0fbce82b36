// What a proxy in front says about the client: X-Real-Ip, X-Forwarded-For, X-Scheme and
// X-Forwarded-Proto, by Tornado's rules (httpserver._HTTPRequestContext._apply_xheaders).
//
//   squall::ForwardedClient client{.remote_ip = "127.0.0.1", .protocol = "http"};
//   squall::ApplyXHeaders(head.headers, proxies, client);
//
// Pure functions; any thread.
#ifndef SQUALL_HTTPSERVER_XHEADERS_H_
#define SQUALL_HTTPSERVER_XHEADERS_H_

#include <string>

#include "squall/httpserver/http_headers.h"
#include "squall/netutil/trusted_networks.h"

namespace squall {

struct ForwardedClient {
  std::string remote_ip;
  std::string protocol;
};

// Whether any of the fields is there.
bool HasXHeaders(const HttpHeaders& headers);

// Replaces `client`'s members by what the fields say. X-Forwarded-For gives its last entry that is
// not in `trusted`; X-Real-Ip comes before it; a result that is no valid address changes nothing.
// The protocol is the last entry of X-Scheme, else of X-Forwarded-Proto, if that is http or https.
void ApplyXHeaders(const HttpHeaders& headers, const TrustedNetworks& trusted,
                   ForwardedClient& client);

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_XHEADERS_H_
