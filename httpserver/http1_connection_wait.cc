// What a connection waits for: its interest in epoll's events and its deadlines.
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "squall/base/logging.h"
#include "squall/httpserver/http1_connection.h"

namespace squall::internal {
namespace {

// So few octets the kernel may go on sending after the end.
constexpr int64_t kLeftToTheKernel = 64 * 1024;
// How often to look whether the client has taken what the kernel has for it.
constexpr absl::Duration kLookWhetherTaken = absl::Seconds(1);

MonotonicTime Now() { return Clock::Real().Now(); }

}  // namespace

bool Http1Connection::WantsInput() const {
  switch (state_) {
    case State::kServing:
      if (end_of_input_) return false;
      if (message_complete_) {
        return held_.size() - held_at_ < core_.options().max_pipelined_input;
      }
      return !paused_ && !write_blocked();
    case State::kLingering:
      return !end_of_input_;
    case State::kFlushing:
    case State::kClosed:
      return false;
  }
  return false;
}

void Http1Connection::UpdateInterest() {
  uint32_t wanted = blocked_ ? transport_->write_events() : IOLoop::kNone;
  // Interest in input is dropped only when input that nobody wants would make the loop spin.
  if (WantsInput()) {
    wanted |= transport_->read_events();
  } else if ((interest_ & IOLoop::kRead) != 0 && !unwanted_input_ && !end_of_input_) {
    wanted |= IOLoop::kRead;
  }
  if (paused_ && in_exchange_ && !message_read_ && !end_seen_ && !encrypted_) {
    wanted |= EPOLLRDHUP;
  }
  unwanted_input_ = false;
  if (registered_ && wanted == interest_) return;
  IOLoop& loop = core_.loop();
  const absl::Status status = registered_
                                  ? loop.UpdateHandler(transport_->fd(), wanted)
                                  : loop.AddHandler(transport_->fd(), wanted,
                                                    [this](uint32_t events) { OnEvents(events); });
  if (!status.ok()) {
    LOG(ERROR) << "Cannot wait for the client " << peer_ << ": " << status.message();
    Close(status);
    if (!std::exchange(posted_, true)) core_.Post(this);
    return;
  }
  registered_ = true;
  interest_ = wanted;
}

// The client has said its last octet, and with what there is of them the body does not end.
bool Http1Connection::LeftInBody() const {
  int in_kernel = 0;
  if (message_read_ || ::ioctl(transport_->fd(), SIOCINQ, &in_kernel) != 0) return false;
  const uint64_t there = static_cast<uint64_t>(in_kernel) + held_.size() - held_at_ - held_body_;
  return there < parser_->least_to_come();
}

void Http1Connection::UpdateDeadline() {
  MonotonicTime deadline =
      blocked_ ? std::min(write_deadline_, write_look_) : MonotonicTime::Infinite();
  if (state_ == State::kLingering) {
    deadline = linger_deadline_;
  } else if (state_ == State::kServing && in_exchange_) {
    // When it has posted itself, there is more to do with what has come already.
    if (!message_complete_ && !message_read_ && !paused_ && !posted_) {
      deadline = std::min(deadline, body_deadline_);
    }
  } else if (state_ == State::kServing && !blocked_) {
    const bool in_head = parser_ != nullptr && parser_->in_head();
    deadline = in_head ? head_deadline_ : idle_deadline_;
  }
  deadline_ = deadline;
  if (deadline.is_infinite() || deadline >= timer_at_) return;
  timer_at_ = deadline;
  timer_ = core_.loop().CallAt(deadline, [this] { OnTimer(); });
}

void Http1Connection::OnTimer() {
  timer_at_ = MonotonicTime::Infinite();
  Turn([this] {
    if (Now() < deadline_) return;
    // A handler that blocked the loop must not cost a client its time: first look whether what is
    // waited for has come.
    if (state_ == State::kServing && WantsInput()) {
      Drive(Entry::kRead);
    } else if (blocked_) {
      Drive(Entry::kGoOn);
    }
    if (state_ == State::kClosed) return;
    UpdateDeadline();
    if (Now() >= deadline_) TimeOut();
    GoOnEnding();
  });
}

void Http1Connection::TimeOut() {
  if (blocked_ && write_deadline_ <= deadline_) {
    LOG(INFO) << "Client " << peer_ << " does not read its answer, " << write_buffer_size()
              << " octets wait; closing";
    Reset(absl::DeadlineExceededError("the client does not read its answer"));
  } else if (state_ == State::kLingering) {
    CloseOnceTaken();
  } else if (in_exchange_) {
    Refuse(408, "the request body came too slowly");
  } else if (parser_ != nullptr && parser_->in_head()) {
    Refuse(408, "the request head came too slowly");
  } else {
    EndConnection(End::kLinger);
  }
}

// What the kernel still holds for this client would stay for minutes otherwise.
void Http1Connection::Reset(absl::Status why) {
  const linger reset = {.l_onoff = 1, .l_linger = 0};
  ::setsockopt(transport_->fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  Close(std::move(why));
}

// The connection is over but for what the kernel still sends: it ends with the last octet that the client
// takes, or when it takes none for write_timeout. A drain does not wait for that; the kernel goes on.
void Http1Connection::CloseOnceTaken() {
  // What was never sent needs no look, a system call for each connection.
  const bool little = !encrypted_ && sent_ <= static_cast<uint64_t>(kLeftToTheKernel);
  if (little || core_.draining() || Unacknowledged() <= kLeftToTheKernel) {
    return Close(absl::OkStatus());
  }
  if (state_ != State::kLingering) {
    if (transport_->ShutdownWrite() != 0) return Close(absl::OkStatus());
    state_ = State::kLingering;
  }
  const MonotonicTime now = Now();
  const int64_t taken = Taken();
  if (!std::exchange(ends_untaken_, true) || taken > taken_) {
    taken_ = taken;
    write_deadline_ = now + core_.options().write_timeout;
  } else if (now >= write_deadline_) {
    return Reset(absl::DeadlineExceededError("the client does not read its answer"));
  }
  linger_deadline_ = std::min(write_deadline_, now + kLookWhetherTaken);
}

}  // namespace squall::internal
