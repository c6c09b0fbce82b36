// One HTTP/1 connection of a server: a state machine on the loop and a Transport, without a
// coroutine frame. It reads, feeds the parser, drives the delegate of the present request and sends
// its answer.
//
// What keeps it cheap: it reads right after the accept and registers with epoll only before its
// first wait; a keep-alive request costs one recv and one send; the answers of pipelined requests
// leave together; parser and buffers belong to the core's pools and are held only while a request
// is in progress; timeouts are stored deadlines under one timer that looks at them when it fires.
//
// Internal to httpserver; HttpServer makes it. The loop's thread only.
#ifndef SQUALL_HTTPSERVER_HTTP1_CONNECTION_H_
#define SQUALL_HTTPSERVER_HTTP1_CONNECTION_H_

#include <sys/types.h>
#include <sys/uio.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/httpserver/file_range.h"
#include "squall/httpserver/gzip_decompressor.h"
#include "squall/httpserver/http1_parser.h"
#include "squall/httpserver/http1_response_encoder.h"
#include "squall/httpserver/http_delegate.h"
#include "squall/httpserver/http_server_core.h"
#include "squall/httpserver/unsent_answers.h"
#include "squall/httpserver/unsent_files.h"
#include "squall/httpserver/write_gate.h"
#include "squall/httpserver/xheaders.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/transport.h"
#include "squall/netutil/address.h"

namespace squall::internal {

class Http1Connection final : public HttpConnection {
 public:
  Http1Connection(HttpServerCore& core, std::unique_ptr<Transport> transport, SocketAddress peer);
  ~Http1Connection() override;

  // Begins to serve. `self` is this connection's place in the core's list. May destroy `this`, as
  // may each of the following.
  void Start(HttpServerCore::ConnectionList::iterator self);
  // The turn that Post() asked for.
  void OnPosted();
  // Closes at once; an exchange in progress hears OnConnectionClose().
  void Abort();
  // For the drain: closes if no request is in progress and none has arrived.
  void CloseIfIdle();

  bool posted() const { return posted_; }

  // What it waits for and since when. The least is what the server can do without best.
  struct Wait {
    enum What {
      kFirstRequest,  // with nothing of it there
      kNextRequest,   // likewise
      kRest,          // of a head, or of the client's end
      kNothing,       // it is at work, or so young that the request may be on its way
    };
    What what = kNothing;
    MonotonicTime since = MonotonicTime();
    friend auto operator<=>(const Wait&, const Wait&) = default;
  };
  Wait WaitsForClient() const;
  // Closes at once to make room for others, unless a request has come meanwhile.
  void GiveUp();

  // HttpConnection.
  const RequestHead& head() const override { return parser_->head(); }
  IOLoop& loop() const override { return core_.loop(); }
  MonotonicTime request_begun() const override { return begun_; }
  std::string_view remote_ip() const override;
  std::string_view protocol() const override;
  const SocketAddress& peer() const override { return peer_; }
  const Transport* transport() const override { return transport_.get(); }
  absl::Status WriteHead(const ResponseHead& head, std::string_view first_body) override;
  absl::Status Write(std::string_view body) override;
  absl::Status Finish() override;
  absl::Status FinishWith(const ResponseHead& head, std::string_view whole_body) override;
  absl::Status FinishWithFile(const ResponseHead& head, FileRange body) override;
  absl::Status SwitchProtocols(const ResponseHead& head, TakeOver take_over) override;
  void FinishWithError(int status, std::string_view text) override;
  Task<absl::Status> Drained() override;
  size_t write_buffer_size() const override {
    return output_.size() - output_sent_ + files_.size();
  }
  bool write_blocked() const override {
    return write_buffer_size() > core_.options().write_high_mark;
  }
  void SetMaxBodySize(uint64_t octets) override;
  void SetBodyIsStreamed() override;
  void SetBodyTimeout(absl::Duration whole_body) override;
  void PauseReading() override;
  void ResumeReading() override;
  void CloseAfterResponse() override { close_after_response_ = true; }
  bool response_started() const override { return encoder_.begun(); }
  uint64_t body_bytes_written() const override { return encoder_.body_bytes(); }
  int refused_status() const override { return refused_status_; }
  bool closed_by_server() const override { return aborted_; }

 private:
  enum class State {
    kServing,
    kFlushing,   // the last answer is in the write buffer; the end follows
    kLingering,  // all is sent and our side shut down; discards until the client has seen it
    kClosed,     // the transport is gone; the object follows when nothing of it is on the stack
  };
  enum class End {
    kClose,   // nothing of the client's is unread
    kLinger,  // something may be, and a plain close would reset the answer away
    kSwitch,  // no end, but another protocol
  };
  // What a turn from the loop begins with.
  enum class Entry { kRead, kGoOn };
  // Why Process() stopped.
  enum class Progress { kNeedInput, kWaiting, kYield };

  // http1_connection.cc: reading and the state machine.
  void OnEvents(uint32_t events);
  void Enter(Entry entry);
  void Drive(Entry entry);
  Progress Process();
  void Receive();
  void OnEndOfInput();
  void Discard();
  void Hold();
  void Settle();
  void WaitForMore();
  void Leave();
  // One turn from the loop. What is thrown in it, for want of memory, ends this connection alone.
  template <typename F>
  void Turn(F&& work) {
    ++depth_;
    Caught(std::forward<F>(work));
    --depth_;
    Settle();
  }
  template <typename F>
  void Caught(F&& work) {
    try {
      work();
    } catch (const std::exception& error) {
      FailTurn(error.what());
    }
  }
  void FailTurn(const char* error);

  // http1_connection_exchange.cc: one request and its answer.
  void BeginExchange();
  bool MayKeepAlive(const RequestHead& head) const;
  bool UsedUp() const;
  bool AnswerItself(const RequestHead& head);
  void DeliverBody();
  void MessageComplete();
  void EndExchange();
  void Refuse(int status, std::string_view why);
  void GiveUpExchange(int status);
  void ReportOwnAnswer();
  bool RequestIsRead();
  template <typename F>
  void Guarded(const char* what, F&& callback) {
    try {
      callback();
    } catch (const std::exception& error) {
      OnDelegateFailure(what, error.what());
    } catch (...) {
      OnDelegateFailure(what, "an exception that is no std::exception");
    }
  }
  void OnDelegateFailure(const char* what, std::string_view error);

  // http1_connection_switch.cc
  bool BeginsHttp2() const;
  void TakeUpHttp2();
  void EndHttp();
  void HandOver();

  // http1_connection_wait.cc: events and deadlines.
  bool WantsInput() const;
  void UpdateInterest();
  void UpdateDeadline();
  bool LeftInBody() const;
  void OnTimer();
  void TimeOut();
  void Reset(absl::Status why);
  void CloseOnceTaken();

  // http1_connection_write.cc: the answer, and the socket's other direction.
  absl::Status CheckWritable() const;
  // Behind the body of the present request.
  bool InputIsLeft() const {
    return depth_ > 0 ? !input_.empty() : held_.size() - held_at_ > held_body_;
  }
  absl::Status Begin(const ResponseHead& head, std::optional<uint64_t> whole_body_size,
                     bool whole_request_expected);
  absl::Status GiveUpAnswer(absl::Status why);
  void AppendErrorAnswer(int status);
  void AppendOutput(std::string_view piece);
  void SendBody(std::string_view body, bool last);
  // An empty string has room for a few octets without any.
  static bool HoldsMemory(const std::string& buffer) {
    return buffer.capacity() > std::string().capacity();
  }
  void TakeOutput();
  // Where the next octets go.
  std::string& Tail() {
    if (!files_.empty()) return files_.back();
    if (!HoldsMemory(output_)) TakeOutput();
    return output_;
  }
  bool Flush();
  ssize_t SendFront(size_t* offered);
  ssize_t SendFile(iovec memory, size_t* offered);
  bool ReadFile();
  int64_t Unacknowledged() const;
  int64_t Taken() const { return static_cast<int64_t>(sent_) - Unacknowledged(); }
  void NoteBlocked();
  void AnswerEnds();
  void NoteSent(size_t octets);
  void NoteAnswered();
  void AfterCall();
  void EndConnection(End end);
  // Whether all is sent; then this is no connection of the worker's load any more.
  bool FlushAndLeave();
  void SetHeld(bool held);
  bool EndWaitsForRoom(int error_number) const;
  void GoOnEnding();
  void Close(absl::Status why);
  // The transport failed with errno.
  void Fail(int error_number, std::string_view doing);

  HttpServerCore& core_;
  HttpServerCore::ConnectionList::iterator self_;
  std::unique_ptr<Transport> transport_;
  const bool encrypted_;
  const SocketAddress peer_;
  mutable std::string peer_ip_;  // made when first asked for

  State state_ = State::kServing;
  End end_ = End::kClose;
  int depth_ = 0;  // turns from the loop and delegate callbacks on the stack
  bool posted_ = false;
  bool aborted_ = false;
  bool held_open_ = true;  // It counts as a connection of this worker.
  bool registered_ = false;
  bool unwanted_input_ = false;     // epoll reported input that nobody wants now
  bool end_of_input_ = false;       // the client has shut down its side
  bool maybe_unread_ = false;       // the last read filled the whole buffer
  bool request_in_pieces_ = false;  // any request on this connection
  uint32_t interest_ = 0;

  // Input. `input_` and `body_` are views that end with the turn; Hold() saves what is left of
  // them.
  std::unique_ptr<Http1Parser> parser_;  // null between requests
  bool parser_fresh_ = true;             // has seen nothing since the last message
  std::string_view input_;               // not yet parsed
  std::string_view body_;                // given out by the parser, not yet delivered
  std::string held_;                     // body of the last turn, then input of the last turn
  size_t held_at_ = 0;                   // where in held_ that begins
  size_t held_body_ = 0;                 // how much of it is body
  int burst_ = 0;                        // requests served in this turn

  // The present exchange.
  std::unique_ptr<HttpMessageDelegate> delegate_;
  Http1ResponseEncoder encoder_;
  bool in_exchange_ = false;
  bool message_read_ = false;      // the parser has seen the end of the request
  bool message_complete_ = false;  // and the delegate has heard of it
  bool paused_ = false;
  bool end_seen_ = false;  // the client's, while paused, with input before it
  bool continue_due_ = false;
  bool close_after_response_ = false;
  int refused_status_ = 0;     // while the delegate hears of it
  bool inflate_more_ = false;  // the decompressor holds output that did not fit
  MonotonicTime begun_;        // when the head was there
  uint64_t max_body_size_ = 0;
  uint64_t inflated_ = 0;
  std::unique_ptr<GzipDecompressor> gzip_;
  std::unique_ptr<ForwardedClient> forwarded_;
  uint32_t requests_ = 0;  // begun on this connection
  MonotonicTime opened_;
  MonotonicTime old_at_;  // max_connection_age later

  // Output.
  std::string output_;
  size_t output_sent_ = 0;
  UnsentFiles files_;          // behind output_
  bool blocked_ = false;       // the socket took less than was offered
  bool end_waits_ = false;     // all is sent but what ends the transport's protocol
  uint64_t sent_ = 0;          // octets the kernel has of this connection
  int64_t taken_ = 0;          // what the client had taken when write_deadline_ was set
  bool ends_untaken_ = false;  // over, but the client has not taken what the kernel has
  UnsentAnswers unsent_;
  std::shared_ptr<WriteGate> gate_;
  uint64_t discarded_ = 0;

  // Only while another protocol takes over.
  TakeOver take_over_;
  std::string unread_;

  // Each counts only while the connection waits for what it bounds.
  MonotonicTime idle_deadline_;
  MonotonicTime head_deadline_;
  MonotonicTime body_deadline_;
  MonotonicTime paused_at_;
  MonotonicTime write_deadline_;
  MonotonicTime write_look_;        // when to look next whether the client has taken some
  MonotonicTime write_budget_end_;  // later with each octet that the client takes
  MonotonicTime linger_deadline_;
  MonotonicTime deadline_ = MonotonicTime::Infinite();  // the one that counts now
  MonotonicTime timer_at_ = MonotonicTime::Infinite();  // not after deadline_
  Timeout timer_;
};

}  // namespace squall::internal

#endif  // SQUALL_HTTPSERVER_HTTP1_CONNECTION_H_
