#include <errno.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <algorithm>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "squall/ioloop/flush_waiters.h"
#include "squall/ioloop/local_ptr.h"
#include "squall/ioloop/resume_queue.h"
#include "squall/ioloop/stream_state.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/transport.h"

namespace squall::internal {
namespace {

constexpr size_t kMaxBuffersPerWrite = 64;

// Then the writer waits for the loop's next turn, so that a peer that takes all at once does not keep
// the others from theirs.
constexpr int kMaxWritesInARow = 16;

Task<absl::Status> Failed(absl::Status why) { co_return why; }

class NextTurn {
 public:
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> writer) {
    node_.set_coroutine(writer);
    node_.ResumeSoon();
  }
  void await_resume() const noexcept {}

 private:
  ResumeNode node_;
};

bool WouldBlock(int error_number) { return error_number == EAGAIN || error_number == EWOULDBLOCK; }

}  // namespace

// Octets of the user in the queue. When the task that waits for them goes before they are written,
// so may their memory, and they are copied.
class StreamState::BorrowedOctets {
 public:
  BorrowedOctets(LocalPtr<StreamState> state, uint64_t begin, uint64_t end)
      : state_(std::move(state)), begin_(begin), end_(end) {}
  BorrowedOctets(BorrowedOctets&&) noexcept = default;
  ~BorrowedOctets() {
    if (state_) state_->out_.CopyBorrowed(begin_, end_);
  }

  const LocalPtr<StreamState>& state() const { return state_; }
  uint64_t end() const { return end_; }

 private:
  LocalPtr<StreamState> state_;
  uint64_t begin_;
  uint64_t end_;
};

// Why CheckWrite() refused.
absl::Status StreamState::WriteRefusal(size_t size) const {
  if (closed()) return EndOfReading();
  if (write_side_ != WriteSide::kOpen) {
    return absl::FailedPreconditionError("Write: CloseWrite() has ended the writing");
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("Write: ", size, " octets on top of ", out_.size(),
                   " that wait exceed max_write_buffer_size ", max_write_buffer_size_));
}

bool StreamState::CheckWrite(size_t size) const {
  return !closed() && write_side_ == WriteSide::kOpen &&
         size <= max_write_buffer_size_ - std::min(max_write_buffer_size_, out_.size());
}

// Writes what the socket takes of `parts`, has `add(part, skip)` queue the rest, and returns the task
// `wait(begin, end)` for the last of the octets with these numbers of all that were ever queued.
template <typename Part, typename Add, typename Wait>
[[gnu::always_inline]] inline Task<absl::Status> StreamState::Send(std::span<Part> parts, Add add,
                                                                   Wait wait) {
  // One part and nothing before it, as nearly always.
  const bool straight = parts.size() == 1 && plain() && out_.empty();
  if (!straight || !SurelyMayWrite(parts[0].size())) return SendParts(parts, add, wait);
  const iovec buffer = {const_cast<char*>(parts[0].data()), parts[0].size()};
  const ssize_t taken = SendBuffers(plain_fd_, &buffer, 1);
  if (taken == static_cast<ssize_t>(buffer.iov_len)) return WroteAll();
  return Queue(parts, taken, add, wait);
}

template <typename Part, typename Add, typename Wait>
[[gnu::noinline]] Task<absl::Status> StreamState::SendParts(std::span<Part> parts, Add add,
                                                            Wait wait) {
  size_t size = 0;
  for (const Part& part : parts) size += part.size();
  if (!CheckWrite(size)) return Failed(WriteRefusal(size));
  if (!out_.empty() || size == 0) return Queue(parts, 0, add, wait);
  iovec buffers[kMaxBuffersPerWrite];
  const size_t count = std::min(parts.size(), kMaxBuffersPerWrite);
  for (size_t i = 0; i < count; ++i) {
    buffers[i] = {const_cast<char*>(parts[i].data()), parts[i].size()};
  }
  const ssize_t taken = WriteNow(buffers, static_cast<int>(count));
  if (taken == static_cast<ssize_t>(size)) return WroteAll();
  return Queue(parts, taken, add, wait);
}

// What is left of `parts` once the socket has taken so much, or has failed with errno.
template <typename Part, typename Add, typename Wait>
[[gnu::noinline]] Task<absl::Status> StreamState::Queue(std::span<Part> parts, ssize_t taken,
                                                        Add add, Wait wait) {
  if (taken < 0 && !WouldBlock(errno)) return Failed(BreakWriting("writing to the stream"));
  const size_t written = std::max<ssize_t>(taken, 0);
  const bool was_empty = out_.empty();
  const uint64_t begin = out_.total_added();
  size_t skip = written;
  for (Part& part : parts) {
    const size_t skipped = std::min(skip, part.size());
    skip -= skipped;
    if (skipped < part.size()) add(part, skipped);
  }
  const uint64_t end = out_.total_added();
  if (written > 0) {
    Flush();
  } else if (was_empty) {
    UpdateInterest();
  }
  if (out_.total_removed() >= end) return Task<absl::Status>::Done();
  return wait(begin, end);
}

// What was given was taken by the socket at once.
[[gnu::always_inline]] inline Task<absl::Status> StreamState::WroteAll() {
  // It may have taken from the descriptor what the reader waits for, or changed its events.
  if (reader_ && !plain()) UpdateInterest();
  if (++writes_ > kMaxWritesInARow) return WaitForTurn(LocalPtr<StreamState>::Of(this));
  return Task<absl::Status>::Done();
}

Task<absl::Status> StreamState::Writev(std::span<std::string> parts) {
  return Send(
      parts, [this](std::string& part, size_t skip) { out_.Add(std::move(part), skip); },
      [this](uint64_t, uint64_t end) { return WaitFlushed(LocalPtr<StreamState>::Of(this), end); });
}

Task<absl::Status> StreamState::WriteBorrowed(std::span<const std::string_view> parts) {
  return Send(
      parts, [this](std::string_view part, size_t skip) { out_.AddBorrowed(part.substr(skip)); },
      [this](uint64_t begin, uint64_t end) {
        return WaitFlushedBorrowed(BorrowedOctets(LocalPtr<StreamState>::Of(this), begin, end));
      });
}

Task<absl::Status> StreamState::WaitForTurn(LocalPtr<StreamState> state) {
  co_await NextTurn();
  state->writes_ = 0;
  co_return absl::OkStatus();
}

Task<absl::Status> StreamState::WaitFlushed(LocalPtr<StreamState> state, uint64_t target) {
  if (!state->closed() && state->out_.total_removed() < target) {
    co_await FlushWaiters::Awaiter(&state->writers_, target);
  }
  if (state->out_.total_removed() >= target) co_return absl::OkStatus();
  co_return state->EndOfReading();
}

Task<absl::Status> StreamState::WaitFlushedBorrowed(BorrowedOctets octets) {
  absl::Status flushed = co_await WaitFlushed(octets.state(), octets.end());
  co_return flushed;
}

Task<absl::Status> StreamState::CloseWrite() {
  if (write_side_ == WriteSide::kOpen && !closed()) {
    write_side_ = WriteSide::kEnding;
    if (out_.empty()) EndWriting();
    if (write_side_ == WriteSide::kEnding) UpdateInterest();
  }
  return WaitWriteEnded(LocalPtr<StreamState>::Of(this));
}

Task<absl::Status> StreamState::WaitWriteEnded(LocalPtr<StreamState> state) {
  if (!state->closed() && state->write_side_ == WriteSide::kEnding) {
    co_await FlushWaiters::Awaiter(&state->writers_, FlushWaiters::kEnd);
  }
  if (state->write_side_ == WriteSide::kEnded) co_return absl::OkStatus();
  co_return state->EndOfReading();
}

void StreamState::EndWriting() {
  if (transport_->ShutdownWrite() == 0) {
    write_side_ = WriteSide::kEnded;
    if (eof_reported_) ReportEof();
  } else if (errno == ENOTSOCK) {
    write_side_ = WriteSide::kEnded;
    Close(absl::OkStatus());
  } else if (!WouldBlock(errno)) {
    BreakWriting("ending the writing").IgnoreError();
  }
}

absl::Status StreamState::BreakWriting(std::string_view doing) {
  absl::Status broken = transport_->ErrorStatus(errno, doing);
  // The peer's last words are still to be read.
  FillAll();
  Close(broken);
  return EndOfReading();
}

void StreamState::Flush() {
  while (!out_.empty()) {
    iovec buffers[kMaxBuffersPerWrite];
    const ssize_t written = WriteNow(buffers, out_.Fill(buffers, kMaxBuffersPerWrite));
    if (written >= 0) {
      out_.Remove(written);
      continue;
    }
    if (WouldBlock(errno)) break;
    return BreakWriting("writing to the stream").IgnoreError();
  }
  if (out_.empty() && write_side_ == WriteSide::kEnding) EndWriting();
  UpdateInterest();
  if (!closed() && out_.empty() && eof_reported_) ReportEof();
}

void StreamState::ResumeWriters() {
  const bool ended = closed() || write_side_ == WriteSide::kEnded;
  writers_.ResumeUpTo(ended ? FlushWaiters::kEnd : out_.total_removed());
}

}  // namespace squall::internal
