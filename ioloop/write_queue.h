// Internal to ioloop: octets that wait for room in the socket.
#ifndef SQUALL_IOLOOP_WRITE_QUEUE_H_
#define SQUALL_IOLOOP_WRITE_QUEUE_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

namespace squall::internal {

// Small writes are joined, large ones are kept as they are.
class WriteQueue {
 public:
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  // Octets that were ever added and ever removed.
  uint64_t total_added() const { return added_; }
  uint64_t total_removed() const { return added_ - size_; }

  void Add(std::string data);
  // Points `buffers` at the front of the queue; returns how many were filled.
  int Fill(iovec* buffers, int max_buffers) const;
  // Drops the first `n` <= size() octets.
  void Remove(size_t n);
  void Clear();

 private:
  std::deque<std::string> blocks_;
  size_t front_offset_ = 0;
  size_t size_ = 0;
  uint64_t added_ = 0;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_WRITE_QUEUE_H_
