// The PROXY protocol on accept: learns from the proxy in front who the client is, and hands the
// connection on without one octet of the header.
//
//   squall::ProxyProtocolReceiver receiver(
//       {.trusted = {"10.0.0.0/8"}},
//       [](squall::UniqueFd connection, squall::SocketAddress peer, squall::ProxyHeader header) {
//         Serve(std::move(connection), squall::ClientOf(header, peer));
//       });
//   AddAcceptHandler(loop, socket, [&](squall::UniqueFd connection, squall::SocketAddress peer) {
//     receiver.Receive(std::move(connection), peer);
//   });
//
// TcpServer::Options and HttpServerOptions have it as an option, `proxy_protocol`.
//
// Anybody who may send a header may claim any address, so only the sources of `trusted` may, and
// they have to: a connection of theirs without a valid header is closed. Nothing is guessed.
//
// Belongs to the loop of the thread that calls Receive(). May be made before a fork. What a header
// says, and its specification: proxy_header.h.
#ifndef SQUALL_NETUTIL_PROXY_PROTOCOL_H_
#define SQUALL_NETUTIL_PROXY_PROTOCOL_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/timeout.h"
#include "squall/netutil/address.h"
#include "squall/netutil/proxy_header.h"
#include "squall/netutil/trusted_networks.h"

namespace squall {

// What becomes of a connection from elsewhere than from a trusted proxy.
enum class UntrustedSource {
  kRefuse,  // closed at once: everybody has to come through the proxies
  // Served with its own address; its octets are not looked at. For clients that may come directly,
  // such as health checks, beside those of the proxy.
  kServe,
};

struct ProxyProtocolOptions {
  // The proxies: addresses, networks (CIDR), or "unix:", see TrustedNetworks::Parse().
  std::vector<std::string> trusted = {};
  UntrustedSource untrusted = UntrustedSource::kRefuse;
  // For the whole header, from the accept on.
  absl::Duration timeout = absl::Seconds(10);
  // The longest header taken; at most kMaxProxyHeaderSize. Those of version 1 have 107 octets, those
  // of version 2 with client certificates may have some hundred.
  size_t max_header_size = 4096;
};

// OK, or INVALID_ARGUMENT naming the first option that makes no sense, with its value and what would
// be right.
absl::Status Validate(const ProxyProtocolOptions& options);

struct ProxyProtocolStats {
  uint64_t received = 0;   // headers
  uint64_t untrusted = 0;  // connections from elsewhere, refused or served
  uint64_t malformed = 0;  // no header, or one that is cut off
  uint64_t timed_out = 0;
  uint64_t silent = 0;  // ended before their first octet, as a check of the port does
};

// The client: what the header says, else `peer`, the other end of the connection.
inline const SocketAddress& ClientOf(const ProxyHeader& header, const SocketAddress& peer) {
  return header.source.family() == AF_UNSPEC ? peer : header.source;
}

class ProxyProtocolReceiver {
 public:
  // The version of `header` is 0 for an untrusted source that is served.
  using Callback =
      absl::AnyInvocable<void(UniqueFd connection, SocketAddress peer, ProxyHeader header)>;
  using CountCallback = absl::AnyInvocable<void(size_t waiting)>;

  // CHECK-fails on options that Validate() refuses. `on_waiting`, which may be null, is called when
  // waiting() has changed.
  ProxyProtocolReceiver(ProxyProtocolOptions options, Callback callback,
                        CountCallback on_waiting = nullptr);
  ProxyProtocolReceiver(const ProxyProtocolReceiver&) = delete;
  ProxyProtocolReceiver& operator=(const ProxyProtocolReceiver&) = delete;
  // Closes the connections that wait.
  ~ProxyProtocolReceiver();

  // Takes an accepted connection, which need not be non-blocking. Calls the callback with it here
  // or later on the loop, once, or closes it. Closed connections are told in the log, in one line a
  // second at most.
  void Receive(UniqueFd connection, SocketAddress peer);

  // Connections whose header is not complete.
  size_t waiting() const { return waiting_.size(); }
  // Closes them.
  void CloseWaiting();

  const ProxyProtocolStats& stats() const { return stats_; }

 private:
  struct Waiting {
    UniqueFd connection;
    SocketAddress peer;
    std::string received;
    Timeout timer;
  };
  using WaitingList = std::list<Waiting>;

  enum class Progress { kWaits, kComplete, kFailed };

  // Takes what is there of the header from the socket, and nothing else.
  Progress Read(Waiting& waiting, ProxyHeader* header);
  void Await(Waiting waiting);
  void OnReadable(WaitingList::iterator position);
  Waiting Take(WaitingList::iterator position);
  void LogClosing(const SocketAddress& peer, std::string_view why);

  const ProxyProtocolOptions options_;
  TrustedNetworks trusted_;
  Callback callback_;
  CountCallback on_waiting_;
  WaitingList waiting_;
  ProxyProtocolStats stats_;
  uint64_t unlogged_ = 0;
  MonotonicTime next_log_line_;
};

}  // namespace squall

#endif  // SQUALL_NETUTIL_PROXY_PROTOCOL_H_
