// Tests only: one request through an application without sockets.
//
//   squall::FakeExchange exchange(app, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
//   EXPECT_EQ(exchange.status(), 200);
//   EXPECT_EQ(exchange.body(), "hello");
//
// The whole request is delivered in the constructor unless it is built with Delivery::kByHand.
#ifndef SQUALL_WEB_FAKE_EXCHANGE_H_
#define SQUALL_WEB_FAKE_EXCHANGE_H_

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/base/logging.h"
#include "squall/httpserver/file_range.h"
#include "squall/httpserver/http1_parser.h"
#include "squall/httpserver/http_delegate.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/task.h"
#include "squall/netutil/address.h"

namespace squall {

class FakeExchange final : public HttpConnection {
 public:
  enum class Delivery { kAtOnce, kByHand };

  FakeExchange(HttpServerConnectionDelegate& app, std::string_view request,
               Delivery delivery = Delivery::kAtOnce) {
    if (delivery == Delivery::kAtOnce) {
      DeliverHead(app, request);
      DeliverBody();
    } else {
      app_ = &app;
      request_ = std::string(request);
    }
  }

  // ---- What the test does.
  void DeliverHead() { DeliverHead(*app_, request_); }
  void DeliverData(std::string_view data) { delegate_->DataReceived(data); }
  void DeliverEnd() { delegate_->Finish(); }
  void LoseClient() {
    lost_ = true;
    delegate_->OnConnectionClose();
    delegate_.reset();
  }
  // Runs the loop until the answer is complete; false after ten seconds.
  bool AwaitAnswer() {
    const MonotonicTime deadline = Clock::Real().Now() + absl::Seconds(10);
    while (!finished_ && Clock::Real().Now() < deadline) RunLoopOnce();
    return finished_;
  }
  static void RunLoopOnce() {
    IOLoop& loop = IOLoop::Current();
    Timeout stop = loop.CallLater(absl::Milliseconds(1), [&loop] { loop.Stop(); });
    loop.Start();
  }

  // ---- What came out.
  int status() const { return head_written_.status; }
  const std::string& reason() const { return head_written_.reason; }
  std::string header(std::string_view name) const { return head_written_.headers.GetJoined(name); }
  bool has_header(std::string_view name) const { return head_written_.headers.Has(name); }
  const HttpHeaders& headers() const { return head_written_.headers; }
  const std::string& body() const { return body_; }
  bool finished() const { return finished_; }
  // The body was given as a part of a file.
  bool from_file() const { return from_file_; }
  int writes() const { return writes_; }
  int broken_off() const { return broken_off_; }
  bool paused() const { return paused_; }
  std::optional<uint64_t> max_body_size() const { return max_body_size_; }
  bool body_is_streamed() const { return body_is_streamed_; }

  // ---- HttpConnection.
  const RequestHead& head() const override { return parser_.head(); }
  IOLoop& loop() const override { return IOLoop::Current(); }
  std::string_view remote_ip() const override { return "127.0.0.1"; }
  std::string_view protocol() const override { return "http"; }
  const SocketAddress& peer() const override { return peer_; }
  absl::Status WriteHead(const ResponseHead& head, std::string_view first_body) override {
    if (lost_) return absl::UnavailableError("lost");
    CHECK(!started_) << "two heads";
    started_ = true;
    ++writes_;
    head_written_ = head;
    body_.append(first_body);
    return absl::OkStatus();
  }
  absl::Status Write(std::string_view body) override {
    if (lost_) return absl::UnavailableError("lost");
    CHECK(started_ && !finished_);
    ++writes_;
    body_.append(body);
    return absl::OkStatus();
  }
  absl::Status Finish() override {
    if (lost_) return absl::UnavailableError("lost");
    CHECK(started_ && !finished_);
    finished_ = true;
    return absl::OkStatus();
  }
  absl::Status FinishWith(const ResponseHead& head, std::string_view whole_body) override {
    const absl::Status written = WriteHead(head, whole_body);
    if (written.ok()) finished_ = true;
    return written;
  }
  absl::Status FinishWithFile(const ResponseHead& head, FileRange body) override {
    std::string octets(body.size, '\0');
    CHECK_EQ(::pread(body.file->get(), octets.data(), octets.size(), body.offset),
             static_cast<ssize_t>(octets.size()));
    from_file_ = true;
    return FinishWith(head, octets);
  }
  void FinishWithError(int, std::string_view) override {
    ++broken_off_;
    finished_ = true;
  }
  Task<absl::Status> Drained() override { co_return absl::OkStatus(); }
  size_t write_buffer_size() const override { return 0; }
  bool write_blocked() const override { return false; }
  void SetMaxBodySize(uint64_t octets) override { max_body_size_ = octets; }
  void SetBodyIsStreamed() override { body_is_streamed_ = true; }
  void SetBodyTimeout(absl::Duration) override {}
  void PauseReading() override { paused_ = true; }
  void ResumeReading() override { paused_ = false; }
  void CloseAfterResponse() override {}
  bool response_started() const override { return started_; }
  uint64_t body_bytes_written() const override { return body_.size(); }

 private:
  void DeliverHead(HttpServerConnectionDelegate& app, std::string_view request) {
    const Http1Event event = parser_.Feed(request);
    CHECK(event.kind == Http1Event::kHead) << parser_.error_reason();
    rest_ = std::string(request.substr(event.consumed));
    delegate_ = app.StartRequest(*this);
    delegate_->HeadersReceived();
  }
  void DeliverBody() {
    std::string_view input = rest_;
    for (;;) {
      const Http1Event event = parser_.Feed(input);
      input.remove_prefix(event.consumed);
      if (event.kind == Http1Event::kBody) {
        delegate_->DataReceived(event.body);
      } else {
        CHECK(event.kind == Http1Event::kMessageComplete) << parser_.error_reason();
        break;
      }
    }
    delegate_->Finish();
  }

  HttpServerConnectionDelegate* app_ = nullptr;
  std::string request_;
  std::string rest_;
  Http1Parser parser_;
  SocketAddress peer_;
  std::unique_ptr<HttpMessageDelegate> delegate_;
  ResponseHead head_written_;
  std::string body_;
  std::optional<uint64_t> max_body_size_;
  bool body_is_streamed_ = false;
  int writes_ = 0;
  int broken_off_ = 0;
  bool from_file_ = false;
  bool started_ = false;
  bool finished_ = false;
  bool lost_ = false;
  bool paused_ = false;
};

// "GET `target`" with `fields`, each ending in CRLF.
inline std::string GetRequest(std::string_view target, std::string_view fields = "") {
  std::string request = "GET ";
  request.append(target).append(" HTTP/1.1\r\nHost: example.com\r\n").append(fields);
  return request + "\r\n";
}

inline std::string BodyRequest(std::string_view method, std::string_view target,
                               std::string_view content_type, std::string_view body) {
  std::string request(method);
  request.append(" ").append(target).append(" HTTP/1.1\r\nHost: example.com\r\nContent-Length: ");
  request.append(std::to_string(body.size()));
  if (!content_type.empty()) request.append("\r\nContent-Type: ").append(content_type);
  return request.append("\r\n\r\n").append(body);
}

}  // namespace squall

#endif  // SQUALL_WEB_FAKE_EXCHANGE_H_
