// The seam between the HTTP engine and what answers requests: Tornado's delegates
// (HTTPServerConnectionDelegate, HTTPMessageDelegate, HTTPConnection). web::Application is one such
// delegate; a program that needs no framework writes its own:
//
//   class Hello : public squall::HttpServerConnectionDelegate {
//    public:
//     std::unique_ptr<squall::HttpMessageDelegate> StartRequest(
//         squall::HttpConnection& connection) override {
//       return std::make_unique<HelloMessage>(connection);
//     }
//
//    private:
//     class HelloMessage : public squall::HttpMessageDelegate {
//      public:
//       explicit HelloMessage(squall::HttpConnection& connection) : connection_(connection) {}
//       void Finish() override {
//         squall::ResponseHead head;
//         head.headers.Set("Content-Type", "text/plain");
//         connection_.FinishWith(head, "hello\n").IgnoreError();
//       }
//
//      private:
//       squall::HttpConnection& connection_;
//     };
//   };
//
// One request after another is served on a connection, never two at once: the next request is
// parsed when the answer to this one is finished (Tornado; RFC 9112 9.3.2 asks for the order).
//
// The life of one exchange:
//   1. StartRequest(connection)      the head was read and is valid: connection.head() has it.
//   2. HeadersReceived()             look at the head, raise limits, answer early if you like.
//   3. DataReceived(bytes)           0..n times, at most HttpServerOptions::chunk_size octets each.
//   4. Finish()                      the whole request was read; answer now or later.
//   5. connection.Finish()/FinishWith()   the answer is complete.
// After HeadersReceived() exactly one of these ends the delegate's callbacks: Finish(),
// OnConnectionClose(), or its own early answer (FinishWith or Finish of the connection before the
// body was read: the rest of the body is thrown away and the connection closed behind the answer).
// OnConnectionClose() may also follow Finish(), while the answer is not finished yet.
//
// Ownership: the connection owns the delegate and destroys it soon after the exchange is over,
// never while one of the delegate's callbacks is on the stack and never inside a call that the
// delegate (or a coroutine it started) makes into the connection. The HttpConnection& may be used
// from StartRequest() until the answer is finished or OnConnectionClose() was called, whichever is
// first; what outlives that (a coroutine of a handler) must forget the reference there.
//
// Everything here runs on the loop's thread. Exceptions out of a delegate's callback are caught and
// logged: 500 is answered if no octet of an answer was written, else the connection is closed.
#ifndef SQUALL_HTTPSERVER_HTTP_DELEGATE_H_
#define SQUALL_HTTPSERVER_HTTP_DELEGATE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/httpserver/file_range.h"
#include "squall/httpserver/http_headers.h"
#include "squall/httpserver/request_head.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/transport.h"
#include "squall/netutil/address.h"

namespace squall {

// The head of an answer. The connection adds what is its business: the status line (always
// HTTP/1.1), Date when absent, Connection, Transfer-Encoding, and Content-Length in FinishWith().
struct ResponseHead {
  int status = 200;
  std::string reason = {};  // empty: the standard phrase, "Unknown" for a code without one
  HttpHeaders headers = {};
};

// One request and its answer, as the delegate sees them.
class HttpConnection {
 public:
  virtual ~HttpConnection() = default;

  // The request's head; valid and unchanged until the exchange is over.
  virtual const RequestHead& head() const = 0;

  // The loop that serves this connection.
  virtual IOLoop& loop() const = 0;

  // When its head was there.
  virtual MonotonicTime request_begun() const { return Clock::Real().Now(); }

  // The client's address as text without a port, after xheaders; "0.0.0.0" for a unix socket
  // (Tornado). Valid until the exchange is over.
  virtual std::string_view remote_ip() const = 0;

  // "http" or "https", after xheaders and HttpServerOptions::protocol.
  virtual std::string_view protocol() const = 0;

  // The other end of the socket, whatever the headers say.
  virtual const SocketAddress& peer() const = 0;

  // What carries the octets, for TlsTransport::From(); null when the connection is closed.
  virtual const Transport* transport() const { return nullptr; }

  // Starts an answer whose body comes in pieces and sends head and `first_body` at once. Without a
  // Content-Length in `head` the body is chunked for HTTP/1.1 and ends with the connection for
  // HTTP/1.0. The body is dropped (but counted) for HEAD, 204 and 304.
  //
  // Errors, with nothing written: InvalidArgument (a reason with control characters,
  // a status outside 200-999, a Content-Length that is no number, a Transfer-Encoding:
  // framing is the connection's business), after which another head may be tried; OutOfRange
  // (`first_body` is longer than Content-Length; the connection is closed then, as in Tornado);
  // FailedPrecondition (an answer was started already); Unavailable (the client is gone).
  virtual absl::Status WriteHead(const ResponseHead& head, std::string_view first_body) = 0;

  // Sends more of the body; `body` is copied when the socket does not take it. Never blocks: await
  // Drained() before producing more. Errors: FailedPrecondition (no head yet, or finished),
  // OutOfRange (more than Content-Length; the connection is closed), ResourceExhausted (more than
  // max_write_buffer_size waits already; the connection is closed), Unavailable (client gone).
  virtual absl::Status Write(std::string_view body) = 0;

  // Ends an answer begun with WriteHead(). OutOfRange when octets of Content-Length are missing
  // (the connection is closed so that the client can tell); else as Write().
  virtual absl::Status Finish() = 0;

  // The fast path: the whole answer in one call and, unless pipelined answers wait to leave with
  // it, one system call. Adds Content-Length when `head` has none. For HEAD the Content-Length is
  // that of `whole_body`, which is not sent. Errors as for WriteHead().
  virtual absl::Status FinishWith(const ResponseHead& head, std::string_view whole_body) = 0;

  // As FinishWith(), with a part of a file as the body: the kernel takes it from its page cache where
  // the transport allows that (sendfile), and it is never in memory whole. Content-Length is the
  // range's size. The file is read while the answer is under way: of one that gets shorter than the
  // range meanwhile the client gets what there is, and the end of the connection. A small one is read
  // in this call: Internal, with nothing written, when it is shorter. Else errors as FinishWith().
  virtual absl::Status FinishWithFile(const ResponseHead& head, FileRange body) = 0;

  // Answers `status` with a short plain text and closes behind it, whatever was read of the
  // request; for errors that a delegate meets in the request itself (a body too large, unreadable).
  // When an answer has begun already, the connection is just closed.
  virtual void FinishWithError(int status, std::string_view text) = 0;

  // Back-pressure for writers: completes at once unless write_blocked(), but every 16th time in the
  // loop's next turn, so that others have theirs; else when the write buffer has fallen below the low
  // mark. Unavailable when the client went away or stalled meanwhile. The
  // task may outlive the exchange.
  virtual Task<absl::Status> Drained() = 0;

  // Octets that the socket has not taken yet; cheap, to skip an await of Drained().
  virtual size_t write_buffer_size() const = 0;

  // True when more than the high mark waits, so that Drained() would suspend.
  virtual bool write_blocked() const = 0;

  // Gives the connection up for another protocol, such as WebSocket (RFC 9110 7.8). Sends `101
  // Switching Protocols` with the fields of `head`, whose Upgrade names the protocol; Connection is
  // added. When that is sent, `take_over` gets the transport, from which the octets that came
  // behind the request are read first:
  //
  //   if (!connection.head().upgrade()) return RefuseInHttp();
  //   squall::ResponseHead head{.status = 101};
  //   head.headers.Set("Upgrade", "chat/1");
  //   connection.SwitchProtocols(head, [](std::unique_ptr<squall::Transport> transport) {
  //     Serve(squall::IOStream(std::move(transport)));
  //   }).IgnoreError();
  //
  // Call in Finish() of the delegate or later, as an answer is given: the request must be read to
  // its end. `take_over` runs in the loop, and the connection is no longer the server's: neither its
  // timeouts nor its drain know it. It is destroyed without a call when the client goes before.
  // Errors, with nothing written: FailedPrecondition (the client did not ask, the request is not
  // read, an answer was started), InvalidArgument (a status other than 101, no Upgrade, a field that
  // belongs to a body), Unavailable (the client is gone), Unimplemented (no such connection).
  using TakeOver = absl::AnyInvocable<void(std::unique_ptr<Transport>)>;
  virtual absl::Status SwitchProtocols(const ResponseHead& head, TakeOver take_over) {
    (void)head, (void)take_over;
    return absl::UnimplementedError("this connection cannot switch protocols");
  }

  // Limits for this request's body alone; the next request starts with the server's options again.
  // Call in StartRequest() or HeadersReceived(): a Content-Length above the limit is answered 413
  // right after those, before `100 Continue` and before the body is read. The timeout grows by
  // HttpServerOptions::body_min_rate.
  virtual void SetMaxBodySize(uint64_t octets) = 0;
  // The delegate takes the body as it comes and does not keep it:
  // HttpServerOptions::max_streamed_body_size, where that is larger.
  virtual void SetBodyIsStreamed() {}
  virtual void SetBodyTimeout(absl::Duration whole_body) = 0;

  // Back-pressure for readers: after PauseReading() no DataReceived() or Finish() comes until
  // ResumeReading(), and TCP makes the client wait. Pauses do not nest. The body timeout
  // stands still meanwhile: it is the client's time, not the handler's.
  virtual void PauseReading() = 0;
  virtual void ResumeReading() = 0;

  // Closes the connection behind this answer, also when keep-alive was agreed. Before the head is
  // written, the answer says so (`Connection: close`).
  virtual void CloseAfterResponse() = 0;

  // True once the head of an answer was accepted.
  virtual bool response_started() const = 0;

  // Octets of the answer's body accepted so far (as produced, before chunk framing).
  virtual uint64_t body_bytes_written() const = 0;

  // In OnConnectionClose(): the status by which the connection answers the request itself, because
  // its body is broken, too large or too slow; 0 when there is no such answer. Then
  // body_bytes_written() is of that answer.
  virtual int refused_status() const { return 0; }

  // In OnConnectionClose(): the server itself closes the connection, at the end of a drain for
  // instance; false when the client is gone.
  virtual bool closed_by_server() const { return false; }
};

// An answer that the connection gives by itself, so that no delegate hears of the request: a refusal
// because of the head, and 200 to `OPTIONS *`. For logs; the views are valid during the call.
struct ServerAnswer {
  int status = 0;
  std::string_view method = {};   // empty when the request line is broken or not there yet
  std::string_view target = {};   // likewise
  std::string_view version = {};  // likewise; "HTTP/1.1"
  std::string_view remote_ip = {};
  uint64_t body_bytes = 0;  // of the answer
  const HttpHeaders* headers =
      nullptr;  // not owned; those that were read, null without a request line
};

// What is told about one request. All callbacks come from the loop; see the top of this file.
class HttpMessageDelegate {
 public:
  virtual ~HttpMessageDelegate() = default;
  virtual void HeadersReceived() {}
  // `data` is valid during the call only and never empty.
  virtual void DataReceived(std::string_view data) { (void)data; }
  virtual void Finish() {}
  // The client is gone, too slow, or sent a broken body (which the connection answers itself, see
  // refused_status()): no answer can be given any more. Only what the connection knows may be asked
  // here, and the HttpConnection must not be used afterwards.
  virtual void OnConnectionClose() {}
};

// Makes the delegate of each request. Must outlive the server.
class HttpServerConnectionDelegate {
 public:
  virtual ~HttpServerConnectionDelegate() = default;
  // Never null. `connection` outlives the returned delegate.
  virtual std::unique_ptr<HttpMessageDelegate> StartRequest(HttpConnection& connection) = 0;
  virtual void OnServerAnswer(const ServerAnswer& answer) { (void)answer; }
};

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_HTTP_DELEGATE_H_
