// Internal to ioloop: octets that wait for room in the socket.
#ifndef SQUALL_IOLOOP_WRITE_QUEUE_H_
#define SQUALL_IOLOOP_WRITE_QUEUE_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace squall::internal {

// Small writes are joined, large ones are kept as they are. Empty it holds no memory.
class WriteQueue {
 public:
  bool empty() const { return blocks_ == nullptr; }
  size_t size() const { return blocks_ == nullptr ? 0 : blocks_->size; }
  // Octets that were ever added and ever removed.
  uint64_t total_added() const { return added_; }
  uint64_t total_removed() const { return added_ - size(); }

  // All but the first `skip` <= data.size() octets.
  void Add(std::string data, size_t skip = 0);
  // As Add, but points at the octets, which stay where they are until they are removed, or until
  // CopyBorrowed.
  void AddBorrowed(std::string_view data);
  // Copies what is left of the borrowed octets from number `begin` to `end` of all that were ever
  // added.
  void CopyBorrowed(uint64_t begin, uint64_t end);

  // Points `buffers` at the front of the queue; returns how many were filled.
  int Fill(iovec* buffers, int max_buffers) const;
  // Drops the first `n` <= size() octets.
  void Remove(size_t n);
  void Clear();

 private:
  struct Block {
    std::string_view unwritten() const {
      const std::string_view all = borrowed.data() == nullptr ? std::string_view(owned) : borrowed;
      return all.substr(written);
    }
    std::string owned;
    std::string_view borrowed;  // Instead of `owned`.
    size_t written = 0;
  };
  struct Blocks {
    std::vector<Block> list;
    size_t first = 0;  // Those before are written.
    size_t size = 0;   // Octets in all.
  };

  // Whether so few octets were copied into the last block.
  bool Joined(std::string_view data);
  void Push(Block block);

  std::unique_ptr<Blocks> blocks_;  // Null when there are none.
  uint64_t added_ = 0;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_WRITE_QUEUE_H_
