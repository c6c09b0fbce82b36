// Handing the write buffer and the files in it to the socket.
#include <sys/types.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "squall/base/clock.h"
#include "squall/base/logging.h"
#include "squall/httpserver/file_range.h"
#include "squall/httpserver/http1_connection.h"

namespace squall::internal {
namespace {

// Of a file at once, so that its client does not keep the others from their turn.
constexpr size_t kFilePerTurn = 1024 * 1024;
// Where the kernel cannot send it by itself, and with how much in memory there is no need yet.
constexpr size_t kReadFromFile = 64 * 1024;
constexpr size_t kEnoughToSend = 16 * 1024;

}  // namespace

// The answer of the present request has been put together, and ends with what is in the buffer.
void Http1Connection::AnswerEnds() {
  unsent_.Add(sent_ + write_buffer_size(), begun_);
  NoteAnswered();
}

void Http1Connection::NoteSent(size_t octets) {
  core_.stats().BytesOut(octets);
  sent_ += octets;
  if (blocked_) write_budget_end_ += TimeFor(octets, core_.options().write_min_rate);
  NoteAnswered();
}

// Counts the answers that the kernel has to their last octet.
void Http1Connection::NoteAnswered() {
  if (!unsent_.AnySent(sent_)) return;
  // The loop's own time may be as old as the handler took.
  const MonotonicTime now = Clock::Real().Now();
  unsent_.TakeSent(sent_, [&](MonotonicTime begun) { core_.stats().AnswerSent(begun, now); });
  // The client was busy reading until now.
  idle_deadline_ = now + core_.options().idle_connection_timeout;
}

bool Http1Connection::Flush() {
  size_t turn = kFilePerTurn;
  while (output_sent_ < output_.size() || !files_.empty()) {
    size_t offered;
    const ssize_t result = SendFront(&offered);
    if (result < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) {
        NoteBlocked();
      } else {
        Fail(errno, "write to client");
      }
      return false;
    }
    const size_t sent = static_cast<size_t>(result);
    const size_t of_memory = std::min(sent, output_.size() - output_sent_);
    output_sent_ += of_memory;
    if (!files_.empty()) files_.Sent(sent - of_memory);
    NoteSent(sent);
    turn -= std::min(turn, sent);
    const bool in_file = !files_.empty() && files_.front().size > 0;
    if (sent < offered || (in_file && turn == 0)) {
      NoteBlocked();
      // What is sent is given back once it is the larger part, so the copying stays linear.
      if (output_sent_ > output_.size() / 2) {
        output_.erase(0, output_sent_);
        output_sent_ = 0;
      }
      if (gate_ != nullptr && write_buffer_size() < core_.options().write_low_mark) {
        gate_->Open(core_.loop());
      }
      return false;
    }
    output_.clear();
    output_sent_ = 0;
    if (!files_.empty() && !in_file) output_.append(files_.TakeFront());
  }
  output_.clear();
  output_sent_ = 0;
  blocked_ = false;
  if (gate_ != nullptr) gate_->Open(core_.loop());
  return true;
}

// Offers the socket what comes next: what is in memory, and of a file behind it one turn's share.
ssize_t Http1Connection::SendFront(size_t* offered) {
  const iovec memory = {output_.data() + output_sent_, output_.size() - output_sent_};
  *offered = memory.iov_len;
  return files_.empty() ? transport_->Write(&memory, 1) : SendFile(memory, offered);
}

ssize_t Http1Connection::SendFile(iovec memory, size_t* offered) {
  const FileRange& file = files_.front();
  // The head goes first: the client wakes up while the file is under way, and takes over a part of the
  // kernel's work. In one piece (MSG_MORE), 100 KB cost the server twice as much.
  if (file.size > 0 && memory.iov_len > 0 && transport_->plain()) {
    return transport_->Write(&memory, 1);
  }
  if (file.size > 0) {
    const size_t size = std::min<uint64_t>(file.size, kFilePerTurn);
    const ssize_t sent = transport_->SendFile(&memory, memory.iov_len > 0 ? 1 : 0, file.file->get(),
                                              file.offset, size);
    if (sent > 0) {
      *offered += size;
      return sent;
    }
    if (sent < 0 && errno != ENOTSUP) return sent;
    if (!ReadFile()) {
      errno = EIO;
      return -1;
    }
    memory = {output_.data() + output_sent_, output_.size() - output_sent_};
    *offered = memory.iov_len;
  }
  return transport_->Write(&memory, 1);
}

// Moves the next octets of the file into memory, when there are few. False: there are none.
bool Http1Connection::ReadFile() {
  const size_t waiting = output_.size() - output_sent_;
  if (waiting >= kEnoughToSend) return true;
  const FileRange& file = files_.front();
  const size_t size = std::min<uint64_t>(file.size, kReadFromFile);
  if (!HoldsMemory(output_)) TakeOutput();
  const size_t end = output_.size();
  output_.resize(end + size);
  const ssize_t got = ReadFileRange(file, output_.data() + end, size);
  output_.resize(end + static_cast<size_t>(std::max<ssize_t>(got, 0)));
  if (got <= 0) {
    // What is in memory is of the file, and goes first.
    if (waiting > 0) return true;
    LOG(ERROR) << "A file that is sent to " << peer_ << " ends " << file.size
               << " octets before the length that was announced: "
               << (got < 0 ? std::strerror(errno) : "it was cut short meanwhile");
    return false;
  }
  files_.Sent(static_cast<uint64_t>(got));
  return true;
}

}  // namespace squall::internal
