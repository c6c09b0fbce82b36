#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/http1_connection.h"
#include "squall/httpserver/http_status.h"

namespace squall::internal {
namespace {

// An answer up to this size is copied behind its head, and the turn's answers leave in one send;
// for a larger one the copy costs more than it saves.
constexpr size_t kCopyBelow = 16 * 1024;
// Answers of pipelined requests leave when they are this much together.
constexpr size_t kSendTogether = 64 * 1024;

}  // namespace

std::string_view Http1Connection::remote_ip() const {
  if (forwarded_ != nullptr) return forwarded_->remote_ip;
  if (peer_ip_.empty()) {
    const bool internet = peer_.family() == AF_INET || peer_.family() == AF_INET6;
    peer_ip_ = internet ? peer_.host() : "0.0.0.0";
  }
  return peer_ip_;
}

std::string_view Http1Connection::protocol() const {
  if (forwarded_ != nullptr) return forwarded_->protocol;
  const std::optional<std::string>& fixed = core_.options().protocol;
  if (fixed.has_value()) return *fixed;
  return encrypted_ ? "https" : "http";
}

absl::Status Http1Connection::CheckWritable() const {
  if (state_ != State::kServing || !in_exchange_) {
    return absl::UnavailableError("the client's connection is closed");
  }
  return absl::OkStatus();
}

absl::Status Http1Connection::Begin(const ResponseHead& head,
                                    std::optional<uint64_t> whole_body_size,
                                    bool whole_request_expected) {
  return encoder_.Begin(
      head,
      {.whole_body_size = whole_body_size,
       .close = core_.draining() || core_.full() || close_after_response_ ||
                (end_of_input_ && !InputIsLeft()) || (whole_request_expected && !RequestIsRead()),
       .date = core_.Date()},
      &Tail());
}

void Http1Connection::TakeOutput() { output_ = core_.TakeOutput(); }

absl::Status Http1Connection::WriteHead(const ResponseHead& head, std::string_view first_body) {
  if (absl::Status status = CheckWritable(); !status.ok()) return status;
  const size_t before = Tail().size();
  if (absl::Status status = Begin(head, std::nullopt, false); !status.ok()) return status;
  if (absl::Status status = encoder_.Count(first_body.size()); !status.ok()) {
    Tail().resize(before);
    return GiveUpAnswer(std::move(status));
  }
  SendBody(first_body, /*last=*/false);
  AfterCall();
  return CheckWritable();
}

absl::Status Http1Connection::Write(std::string_view body) {
  if (absl::Status status = CheckWritable(); !status.ok()) return status;
  if (absl::Status status = encoder_.Count(body.size()); !status.ok()) {
    return absl::IsOutOfRange(status) ? GiveUpAnswer(std::move(status)) : status;
  }
  // Memory; what waits in files takes none.
  if (const size_t waiting = output_.size() - output_sent_ + files_.memory();
      waiting > core_.options().max_write_buffer_size) {
    // At once: who waits for the client to take it all would hold the memory.
    absl::Status full = absl::ResourceExhaustedError(absl::StrCat(
        "the handler wrote on while ", waiting,
        " octets waited for the client; max_write_buffer_size is ",
        core_.options().max_write_buffer_size, " (await Drained() before writing more)"));
    LOG(ERROR) << "Closing the connection of " << peer_ << ": " << full.message();
    Close(full);
    AfterCall();
    return full;
  }
  SendBody(body, /*last=*/false);
  AfterCall();
  return CheckWritable();
}

absl::Status Http1Connection::Finish() {
  if (absl::Status status = CheckWritable(); !status.ok()) return status;
  if (absl::Status status = encoder_.End(&Tail()); !status.ok()) {
    return absl::IsOutOfRange(status) ? GiveUpAnswer(std::move(status)) : status;
  }
  AnswerEnds();
  if (depth_ == 0) Flush();
  AfterCall();
  return absl::OkStatus();
}

absl::Status Http1Connection::FinishWith(const ResponseHead& head, std::string_view whole_body) {
  if (absl::Status status = CheckWritable(); !status.ok()) return status;
  const size_t before = Tail().size();
  if (absl::Status status = Begin(head, whole_body.size(), true); !status.ok()) return status;
  if (absl::Status status = encoder_.Count(whole_body.size()); !status.ok()) {
    Tail().resize(before);
    return GiveUpAnswer(std::move(status));
  }
  SendBody(whole_body, /*last=*/true);
  if (state_ == State::kClosed) {
    AfterCall();
    return CheckWritable();
  }
  if (absl::Status status = encoder_.End(&Tail()); !status.ok()) {
    return GiveUpAnswer(std::move(status));
  }
  AnswerEnds();
  if (depth_ == 0 || write_buffer_size() > kSendTogether) Flush();
  AfterCall();
  return absl::OkStatus();
}

absl::Status Http1Connection::FinishWithFile(const ResponseHead& head, FileRange body) {
  if (absl::Status status = CheckWritable(); !status.ok()) return status;
  const uint64_t size = body.size;
  if (size > 0 && (body.file == nullptr || !body.file->valid())) {
    return absl::InvalidArgumentError("FinishWithFile: the file is not open");
  }
  if (size > 0 && size < kCopyBelow && parser_->head().method() != "HEAD") {
    // One send; and many small files that wait for a client would be as many open ones.
    std::string octets(size, '\0');
    if (ReadFileRange(body, octets.data(), size) < static_cast<ssize_t>(size)) {
      return absl::InternalError(
          absl::StrCat("FinishWithFile: the file has no ", size, " octets from ", body.offset));
    }
    return FinishWith(head, octets);
  }
  const size_t before = Tail().size();
  if (absl::Status status = Begin(head, size, true); !status.ok()) return status;
  if (absl::Status status = encoder_.Count(size); !status.ok()) {
    Tail().resize(before);
    return GiveUpAnswer(std::move(status));
  }
  if (absl::Status status = encoder_.End(&Tail()); !status.ok()) {
    return GiveUpAnswer(std::move(status));
  }
  if (!encoder_.body_suppressed() && size > 0) files_.Add(std::move(body));
  AnswerEnds();
  if (depth_ == 0 || write_buffer_size() > kSendTogether) Flush();
  AfterCall();
  return absl::OkStatus();
}

void Http1Connection::FinishWithError(int status, std::string_view text) {
  if (!CheckWritable().ok() || encoder_.ended()) return;
  if (encoder_.begun()) {
    Close(absl::AbortedError(ToAbsl(text)));
    AfterCall();
    return;
  }
  ResponseHead head;
  head.status = status;
  head.headers.Set("Content-Type", "text/plain; charset=utf-8");
  close_after_response_ = true;
  FinishWith(head, text).IgnoreError();
}

void Http1Connection::AppendErrorAnswer(int status) {
  ResponseHead head;
  head.status = status;
  head.headers.Set("Content-Type", "text/plain");
  const std::string text = absl::StrCat(status, ": ", ToAbsl(ReasonPhrase(status)), "\n");
  std::string& output = Tail();
  absl::Status made = encoder_.Begin(head,
                                     {.whole_body_size = text.size(),
                                      .close = true,
                                      .always_say_close = true,
                                      .date = core_.Date()},
                                     &output);
  if (made.ok()) made = encoder_.Body(text, &output);
  if (made.ok()) made = encoder_.End(&output);
  DCHECK(made.ok()) << made;
}

absl::Status Http1Connection::GiveUpAnswer(absl::Status why) {
  LOG(ERROR) << "Closing the connection of " << peer_ << ": the handler " << why.message();
  EndConnection(End::kClose);
  if (depth_ == 0) Flush();
  AfterCall();
  return why;
}

void Http1Connection::AppendOutput(std::string_view piece) { Tail().append(piece); }

void Http1Connection::SendBody(std::string_view body, bool last) {
  Http1ResponseEncoder::ChunkStartBuffer buffer;
  std::string_view start;
  std::string_view end;
  if (encoder_.body_suppressed()) body = {};
  if (encoder_.chunked() && !body.empty()) {
    start = Http1ResponseEncoder::ChunkStart(body.size(), buffer);
    end = "\r\n";
  }
  // A whole answer waits for the end of the turn; a piece of one is wanted by the client now.
  const bool copy = blocked_ || !files_.empty() || body.size() < kCopyBelow;
  if (copy) {
    std::string& output = Tail();
    if (!start.empty()) output.append(start);
    output.append(body);
    if (!end.empty()) output.append(end);
    if (!last && !blocked_) Flush();
    return;
  }
  // The head first, as before a file (SendFile).
  if (last && !output_.empty() && transport_->plain() && !Flush()) {
    if (state_ == State::kServing) AppendOutput(body);
    return;
  }
  const std::string_view pieces[] = {std::string_view(output_).substr(output_sent_), start, body,
                                     end};
  iovec vector[4];
  int count = 0;
  for (std::string_view piece : pieces) {
    if (!piece.empty()) vector[count++] = {const_cast<char*>(piece.data()), piece.size()};
  }
  const ssize_t sent = transport_->Write(vector, count);
  if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
    Fail(errno, "write to client");
    return;
  }
  size_t taken = sent > 0 ? static_cast<size_t>(sent) : 0;
  NoteSent(taken);
  const size_t waiting = pieces[0].size();
  if (taken < waiting) {
    output_sent_ += taken;
    taken = 0;
  } else {
    output_.clear();
    output_sent_ = 0;
    taken -= waiting;
  }
  for (std::string_view piece : {start, body, end}) {
    const size_t skip = std::min(taken, piece.size());
    taken -= skip;
    AppendOutput(piece.substr(skip));
  }
  if (!output_.empty()) NoteBlocked();
}

// Octets that the kernel has of this connection, and the client has not. Less than before is progress;
// that the kernel's buffer takes more is none. TCP_USER_TIMEOUT would not do: it ends connections whose
// clients open a small window again and again.
int64_t Http1Connection::Unacknowledged() const {
  int octets = 0;
  return ::ioctl(transport_->fd(), SIOCOUTQ, &octets) == 0 ? octets : 0;
}

void Http1Connection::NoteBlocked() {
  const MonotonicTime now = Clock::Real().Now();
  const HttpServerOptions& options = core_.options();
  const int64_t taken = Taken();
  // Between its looks nobody knows when the client has taken something.
  write_look_ = now + options.write_timeout / 4;
  if (!std::exchange(blocked_, true)) {
    write_budget_end_ =
        options.write_min_rate > 0 ? now + options.write_timeout : MonotonicTime::Infinite();
  } else if (taken <= taken_) {
    return;
  }
  taken_ = taken;
  write_deadline_ = std::min(now + options.write_timeout, write_budget_end_);
}

Task<absl::Status> Http1Connection::Drained() {
  if (absl::Status status = CheckWritable(); !status.ok()) {
    // A gate of its own: the connection's may serve another exchange by now.
    auto broken = std::make_shared<WriteGate>();
    broken->Break(core_.loop(), std::move(status));
    return WriteGate::Wait(std::move(broken));
  }
  if (gate_ == nullptr) gate_ = std::make_shared<WriteGate>();
  if (write_blocked()) gate_->Close();
  return WriteGate::Wait(gate_);
}

void Http1Connection::SetMaxBodySize(uint64_t octets) {
  if (!in_exchange_) return;
  max_body_size_ = octets;
  parser_->SetMaxBodySize(octets);
}

void Http1Connection::SetBodyIsStreamed() {
  const HttpServerOptions& options = core_.options();
  SetMaxBodySize(std::max(options.max_body_size, options.max_streamed_body_size));
}

void Http1Connection::SetBodyTimeout(absl::Duration whole_body) {
  paused_at_ = Clock::Real().Now();
  body_deadline_ = paused_at_ + whole_body;
  if (depth_ == 0 && state_ != State::kClosed) UpdateDeadline();
}

void Http1Connection::PauseReading() {
  if (!in_exchange_ || message_complete_ || std::exchange(paused_, true)) return;
  paused_at_ = Clock::Real().Now();
}

void Http1Connection::ResumeReading() {
  if (!std::exchange(paused_, false)) return;
  end_seen_ = false;
  // The handler's time is not the client's.
  body_deadline_ += Clock::Real().Now() - paused_at_;
  if (depth_ > 0 || posted_) return;
  posted_ = true;
  core_.Post(this);
}

void Http1Connection::AfterCall() {
  // In a turn from the loop, the turn goes on with what has changed.
  if (depth_ > 0) return;
  if (state_ != State::kServing || encoder_.ended()) {
    if (!std::exchange(posted_, true)) core_.Post(this);
  } else {
    UpdateInterest();
    if (state_ != State::kClosed) UpdateDeadline();
  }
}

void Http1Connection::EndConnection(End end) {
  if (state_ != State::kServing) return;
  state_ = State::kFlushing;
  end_ = end;
}

bool Http1Connection::FlushAndLeave() {
  // The client may act on the last octet before this process runs on. A connection that it makes
  // then is to go to whoever holds the fewest, and this one is no load any more.
  SetHeld(false);
  const bool flushed = Flush();
  SetHeld(!flushed);
  return flushed;
}

void Http1Connection::SetHeld(bool held) {
  if (std::exchange(held_open_, held) == held) return;
  if (held) {
    core_.stats().ConnectionHeld();
  } else {
    core_.stats().ConnectionLeft();
  }
}

// Who has not ended its handshake has no answer that could be cut off.
bool Http1Connection::EndWaitsForRoom(int error_number) const {
  return (error_number == EAGAIN || error_number == EWOULDBLOCK) &&
         (transport_->write_events() & IOLoop::kWrite) != 0;
}

void Http1Connection::GoOnEnding() {
  if (state_ == State::kFlushing && FlushAndLeave()) {
    if (end_ == End::kSwitch) return HandOver();
    // After the client's own shutdown there is nothing that could come unread.
    const bool linger = end_ == End::kLinger && !end_of_input_;
    // close(2) says a plain connection's end. An encrypted one's end is a record, without which the
    // client takes its answer for cut off, and which may have to wait for room.
    const bool said = (linger || encrypted_) && transport_->ShutdownWrite() == 0;
    if (!said && encrypted_ && EndWaitsForRoom(errno)) {
      if (!std::exchange(end_waits_, true)) NoteBlocked();
      write_look_ = write_deadline_;
      blocked_ = true;
      SetHeld(true);
      if (Clock::Real().Now() >= write_deadline_) TimeOut();
      return;
    }
    if (linger && said) {
      state_ = State::kLingering;
      linger_deadline_ = Clock::Real().Now() + core_.options().linger_timeout;
    } else {
      CloseOnceTaken();
    }
  }
  if (state_ == State::kLingering) Discard();
}

void Http1Connection::Fail(int error_number, std::string_view doing) {
  const absl::Status why = transport_->ErrorStatus(error_number, doing);
  // Clients come and go; but what one does wrong in the transport's own protocol is a refusal like
  // that of a bad request, and nobody else can tell why it was not served.
  if (error_number == EPROTO) {
    LOG(INFO) << "Refused the connection of " << peer_ << ": " << why.message();
  }
  Close(why);
}

void Http1Connection::Close(absl::Status why) {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  blocked_ = false;
  files_.Clear();
  timer_.Cancel();
  // With the loop those have ended who wait at the gate.
  IOLoop* const loop = core_.LiveLoop();
  if (std::exchange(registered_, false) && loop != nullptr) loop->RemoveHandler(transport_->fd());
  transport_.reset();
  if (gate_ != nullptr && loop != nullptr) {
    gate_->Break(*loop,
                 absl::UnavailableError(why.ok() ? "the connection is closed" : why.message()));
  }
}

}  // namespace squall::internal
