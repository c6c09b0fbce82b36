// The end of HTTP on a connection that goes on with another protocol (RFC 9110 7.8).
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/http1_connection.h"
#include "squall/httpserver/http_headers.h"
#include "squall/httpserver/http_scan.h"
#include "squall/ioloop/prefixed_transport.h"

namespace squall::internal {

namespace {

absl::Status CheckOffered(const HttpHeaders& offer, const HttpHeaders& answer) {
  const std::string protocols = answer.GetJoined("Upgrade");
  for (const absl::string_view member : absl::StrSplit(protocols, ',')) {
    const std::string_view protocol = TrimOws(ToStd(member));
    if (protocol.empty() || offer.HasToken("Upgrade", protocol)) continue;
    return absl::InvalidArgumentError(absl::StrCat("the client offers \"",
                                                   offer.GetJoined("Upgrade"), "\" and not \"",
                                                   ToAbsl(protocol), "\""));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Http1Connection::SwitchProtocols(const ResponseHead& head, TakeOver take_over) {
  if (absl::Status status = CheckWritable(); !status.ok()) return status;
  if (!parser_->head().upgrade()) {
    return absl::FailedPreconditionError("the client did not ask for another protocol");
  }
  // Octets behind a request that is not at its end would be taken for the new protocol's.
  if (!RequestIsRead()) return absl::FailedPreconditionError("the request is not read to its end");
  if (absl::Status status = CheckOffered(parser_->head().headers(), head.headers); !status.ok()) {
    return status;
  }
  if (absl::Status status = encoder_.SwitchProtocols(head, &Tail()); !status.ok()) return status;
  take_over_ = std::move(take_over);
  AnswerEnds();
  AfterCall();
  return absl::OkStatus();
}

// PRI is the method of no request (RFC 9113 3.4). The parser has stopped behind the version.
bool Http1Connection::BeginsHttp2() const {
  if (core_.options().http2 == nullptr || requests_ > 0 || parser_->error_status() != 505) {
    return false;
  }
  const RequestHead& head = parser_->head();
  return head.method() == "PRI" && head.target() == "*" && parser_->version_major() == 2 &&
         head.version_minor() == 0;
}

void Http1Connection::TakeUpHttp2() {
  unread_ = absl::StrCat("PRI * HTTP/2.0\r\n", ToAbsl(input_));
  input_ = {};
  // A parser with an error is of no use to others.
  parser_.reset();
  take_over_ = [http2 = core_.options().http2, peer = peer_](std::unique_ptr<Transport> transport) {
    http2(std::move(transport), peer);
  };
  EndConnection(End::kSwitch);
}

// The request is over. What has been read behind it belongs to whoever takes over.
void Http1Connection::EndHttp() {
  unread_.assign(input_);
  input_ = {};
  core_.ReturnParser(std::move(parser_));
  EndConnection(End::kSwitch);
}

void Http1Connection::HandOver() {
  std::unique_ptr<Transport> transport =
      MakePrefixedTransport(std::move(transport_), std::move(unread_));
  if (std::exchange(registered_, false)) core_.loop().RemoveHandler(transport->fd());
  // In a turn of its own: this connection is still on the stack.
  core_.loop().AddCallback(
      [take_over = std::move(take_over_), transport = std::move(transport)]() mutable {
        take_over(std::move(transport));
      });
  Close(absl::OkStatus());
}

}  // namespace squall::internal
