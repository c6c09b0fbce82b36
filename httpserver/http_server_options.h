// The options of an HttpServer, with their defaults.
//
//   squall::HttpServerOptions options{.xheaders = true, .trusted_downstream = {"10.0.0.0/8"}};
//   options.idle_connection_timeout = absl::Seconds(30);
//   squall::HttpServer server(app, options);
//
// HttpServer refuses what Validate() does. A plain struct; any thread, any process. Sources: Tornado's
// HTTPServer, DESIGN.md §5.
#ifndef SQUALL_HTTPSERVER_HTTP_SERVER_OPTIONS_H_
#define SQUALL_HTTPSERVER_HTTP_SERVER_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/ioloop/transport.h"
#include "squall/ioloop/transport_factory.h"
#include "squall/netutil/accept.h"
#include "squall/netutil/address.h"
#include "squall/netutil/proxy_protocol.h"

namespace squall {

// Options of an HttpServer; Tornado's names where Tornado has the thing. A duration of
// absl::InfiniteDuration() switches its timeout off.
struct HttpServerOptions {
  // Every answer closes its connection.
  bool no_keep_alive = false;

  // Behind a proxy: remote_ip() comes from X-Real-Ip or X-Forwarded-For, protocol() from X-Scheme
  // or X-Forwarded-Proto. Only peers on this machine (loopback, unix sockets) and those of
  // trusted_downstream are believed; the first other one is told to the log.
  bool xheaders = false;
  // Proxies that are believed, and skipped from the right of X-Forwarded-For: addresses or CIDR
  // ("10.0.0.0/8").
  std::vector<std::string> trusted_downstream = {};
  // Behind a proxy that speaks the PROXY protocol: peer() and remote_ip() are the client's. With
  // xheaders the fields of the request come on top of it, if that client is believed.
  std::optional<ProxyProtocolOptions> proxy_protocol = {};

  // What carries the octets of each connection, such as a TlsAcceptor (ioloop/tls_acceptor.h) for
  // HTTPS. Its handshake has to be done within header_timeout. Null: the socket as it is.
  std::shared_ptr<TransportFactory> transport = {};

  // Gets each connection whose client begins with the preface of HTTP/2 (RFC 9113 3.4), which comes
  // first whether TLS has agreed on "h2" (ALPN: TlsServerOptions::alpn, TlsTransport::alpn()) or the
  // client knows by itself. It is the first that the transport reads. Runs in the loop; from then on
  // neither the server's timeouts nor its drain know the connection. Null: answered with 505.
  std::function<void(std::unique_ptr<Transport>, const SocketAddress& peer)> http2 = nullptr;

  // What protocol() says, for instance "https" behind a proxy that ends TLS. Unset: the
  // transport's.
  std::optional<std::string> protocol = {};

  // Request bodies with Content-Encoding gzip reach the delegate decompressed, and the field is
  // renamed X-Consumed-Content-Encoding. The decompressed size counts against max_body_size too.
  bool decompress_request = false;

  // A client of HTTP/1.0 that asks for keep-alive has it also behind a chunked body, as in Tornado.
  // By default its connection is closed after the answer, as RFC 9112 6.1 wants it.
  bool http10_chunked_keep_alive = false;

  size_t chunk_size = 64 * 1024;       // most octets per DataReceived()
  size_t max_header_size = 64 * 1024;  // request line and fields; 431 or 414 above
  size_t max_request_line = 8 * 1024;  // 414 above
  size_t max_header_fields = 100;      // of head and trailer section; 431 above
  // 413 above, for who has the body in memory. For who takes it as it comes, as handlers of web with
  // DataReceived() do, the second one where it is larger. SetMaxBodySize() sets it for one request.
  uint64_t max_body_size = 1024 * 1024;
  uint64_t max_streamed_body_size = 100 * 1024 * 1024;
  // What a message may cost beside its octets of head and body. Each chunk may have a line of
  // max_chunk_line (400), all of them max_chunk_extensions, and max_chunk_overhead beyond 16 octets
  // and twice the data of each (400); the trailer section max_trailer_size (431).
  size_t max_method_size = 64;  // 501 above
  size_t max_chunk_line = 256;
  size_t max_chunk_extensions = 16 * 1024;
  size_t max_chunk_overhead = 16 * 1024;
  size_t max_trailer_size = 8 * 1024;
  // Of requests behind one that is not answered yet so much is read, to see the client leave; more
  // waits in the kernel. At least one read (64 KiB) is, when there is room for an octet.
  size_t max_pipelined_input = 64 * 1024;

  // Whole head, from the accept or its first octet: 408. Never longer than idle_connection_timeout.
  absl::Duration header_timeout = absl::Seconds(15);
  // Whole body: 408. Octets of it that come add the time that they take at body_min_rate in a
  // second, so that a large body on a fast line has the time it needs and a trickle has not. A rate
  // of 0 adds nothing.
  absl::Duration body_timeout = absl::Seconds(60);
  uint64_t body_min_rate = 8 * 1024;
  absl::Duration idle_connection_timeout = absl::Seconds(75);  // between requests: silent close
  // Without any progress of the client's reading: a reset. Nor may an answer wait for its reader
  // longer than that and the time that the octets it takes need at write_min_rate in a second, for
  // who reads one octet now and then makes progress, too. A rate of 0 allows that.
  absl::Duration write_timeout = absl::Seconds(60);
  uint64_t write_min_rate = 256;

  // A connection ends with the answer to its last request of so many (0: no limit), and with the
  // first answer after so long: `Connection: close`. New ones find the worker that is free now.
  uint32_t max_keep_alive_requests = 0;
  absl::Duration max_connection_age = absl::Hours(1);

  // A client that shuts down its side of the connection still gets its answer. False: it counts as
  // gone (OnConnectionClose), for servers of long polls whose clients leave without a reset.
  bool answer_half_closed = true;

  // Marks of the write buffer: Drained() suspends above the high one until below the low one, and
  // no further pipelined request is served above the high one.
  size_t write_high_mark = 256 * 1024;
  size_t write_low_mark = 64 * 1024;
  // A handler that writes on while more than this waits has its connection closed: it does not
  // await Drained(), and would fill the memory for a client that does not read.
  size_t max_write_buffer_size = 16 * 1024 * 1024;

  // Connections open at once, those with it that still wait for a PROXY header. For one more, one
  // that waits for its next request is closed, or else a head that has been coming for a second;
  // when all others are at work it is served, nothing more is accepted, and answers say
  // `Connection: close` until there is room again. What comes meanwhile waits in the backlog, where a
  // sibling may take it. 0: seven eighths of the process's limit of descriptors, and 64 below it at
  // least; no other limit where there are no more than 128.
  size_t max_connections = 0;

  // Requests of one connection served in one go before the loop's other work has its turn.
  int pipeline_burst = 16;

  // Lingering close behind an error or early answer: what is discarded at most before the close.
  absl::Duration linger_timeout = absl::Seconds(2);
  uint64_t linger_bytes = 1024 * 1024;

  AcceptPolicy accept_policy = AcceptPolicy::kBalanced;
  int accept_budget = 1;  // accepts per wake-up
};

// OK, or INVALID_ARGUMENT naming the first option that makes no sense, with its value and what
// would be right.
absl::Status Validate(const HttpServerOptions& options);

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_HTTP_SERVER_OPTIONS_H_
