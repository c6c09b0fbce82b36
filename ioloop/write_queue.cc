#include "squall/ioloop/write_queue.h"

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace squall::internal {
namespace {

// Copying this much is cheaper than another entry in each sendmsg.
constexpr size_t kJoinBelow = 2048;
constexpr size_t kMaxJoined = 16 << 10;

}  // namespace

void WriteQueue::Add(std::string data, size_t skip) {
  if (Joined(std::string_view(data).substr(skip))) return;
  Block block;
  block.owned = std::move(data);
  block.written = skip;
  Push(std::move(block));
}

void WriteQueue::AddBorrowed(std::string_view data) {
  if (Joined(data)) return;
  Block block;
  if (data.size() < kJoinBelow) {
    block.owned.assign(data);
  } else {
    block.borrowed = data;
  }
  Push(std::move(block));
}

bool WriteQueue::Joined(std::string_view data) {
  if (data.empty()) return true;
  if (blocks_ == nullptr || data.size() >= kJoinBelow) return false;
  Block& last = blocks_->list.back();
  if (last.borrowed.data() != nullptr || last.owned.size() + data.size() > kMaxJoined) return false;
  last.owned.append(data);
  blocks_->size += data.size();
  added_ += data.size();
  return true;
}

void WriteQueue::Push(Block block) {
  if (blocks_ == nullptr) blocks_ = std::make_unique<Blocks>();
  const size_t size = block.unwritten().size();
  blocks_->size += size;
  added_ += size;
  blocks_->list.push_back(std::move(block));
}

void WriteQueue::CopyBorrowed(uint64_t begin, uint64_t end) {
  if (blocks_ == nullptr) return;
  uint64_t at = total_removed();
  for (size_t i = blocks_->first; i < blocks_->list.size() && at < end; ++i) {
    Block& block = blocks_->list[i];
    const std::string_view unwritten = block.unwritten();
    at += unwritten.size();
    if (block.borrowed.data() == nullptr || at <= begin) continue;
    block.owned.assign(unwritten);
    block.borrowed = {};
    block.written = 0;
  }
}

int WriteQueue::Fill(iovec* buffers, int max_buffers) const {
  int count = 0;
  if (blocks_ == nullptr) return count;
  for (size_t i = blocks_->first; i < blocks_->list.size() && count < max_buffers; ++i) {
    const std::string_view unwritten = blocks_->list[i].unwritten();
    buffers[count].iov_base = const_cast<char*>(unwritten.data());
    buffers[count].iov_len = unwritten.size();
    ++count;
  }
  return count;
}

void WriteQueue::Remove(size_t n) {
  if (blocks_ == nullptr) return;
  blocks_->size -= n;
  if (blocks_->size == 0) return blocks_.reset();
  while (n > 0) {
    Block& front = blocks_->list[blocks_->first];
    const size_t left = front.unwritten().size();
    if (n < left) {
      front.written += n;
      return;
    }
    n -= left;
    front = Block();
    ++blocks_->first;
  }
  // Moves at most as many blocks as were written since the last move.
  if (blocks_->first > blocks_->list.size() / 2) {
    blocks_->list.erase(blocks_->list.begin(), blocks_->list.begin() + blocks_->first);
    blocks_->first = 0;
  }
}

void WriteQueue::Clear() {
  added_ -= size();
  blocks_.reset();
}

}  // namespace squall::internal
