#include "squall/ioloop/write_queue.h"

#include <sys/uio.h>

#include <cstddef>
#include <string>
#include <utility>

namespace squall::internal {
namespace {

// Copying this much is cheaper than another entry in each sendmsg.
constexpr size_t kJoinBelow = 2048;
constexpr size_t kMaxJoined = 16 << 10;

}  // namespace

void WriteQueue::Add(std::string data) {
  if (data.empty()) return;
  size_ += data.size();
  added_ += data.size();
  if (!blocks_.empty() && data.size() < kJoinBelow &&
      blocks_.back().size() + data.size() <= kMaxJoined) {
    blocks_.back().append(data);
  } else {
    blocks_.push_back(std::move(data));
  }
}

int WriteQueue::Fill(iovec* buffers, int max_buffers) const {
  int count = 0;
  size_t offset = front_offset_;
  for (const std::string& block : blocks_) {
    if (count == max_buffers) break;
    buffers[count].iov_base = const_cast<char*>(block.data() + offset);
    buffers[count].iov_len = block.size() - offset;
    offset = 0;
    ++count;
  }
  return count;
}

void WriteQueue::Remove(size_t n) {
  size_ -= n;
  while (n > 0) {
    const size_t left = blocks_.front().size() - front_offset_;
    if (n < left) {
      front_offset_ += n;
      return;
    }
    n -= left;
    blocks_.pop_front();
    front_offset_ = 0;
  }
}

void WriteQueue::Clear() {
  blocks_.clear();
  front_offset_ = 0;
  added_ -= size_;
  size_ = 0;
}

}  // namespace squall::internal
