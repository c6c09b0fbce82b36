// Internal to ioloop: received octets, contiguous, taken from the front.
#ifndef SQUALL_IOLOOP_READ_BUFFER_H_
#define SQUALL_IOLOOP_READ_BUFFER_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace squall::internal {

// Amortised O(1) per octet. Empty it holds no memory, for idle connections are many.
class ReadBuffer {
 public:
  size_t size() const { return data_.size() - begin_; }
  bool empty() const { return size() == 0; }
  // Valid until the next Append or Take.
  std::string_view view() const { return std::string_view(data_).substr(begin_); }

  void Append(std::string_view octets) {
    // Moves at most as many octets as were taken since the last move.
    if (begin_ > data_.size() / 2) {
      data_.erase(0, begin_);
      begin_ = 0;
    }
    data_.append(octets);
  }

  // The first `n` <= size() octets.
  std::string Take(size_t n) {
    std::string taken;
    if (n == data_.size()) {
      taken.swap(data_);
      return taken;
    }
    taken.assign(data_, begin_, n);
    begin_ += n;
    if (begin_ == data_.size()) {
      std::string().swap(data_);
      begin_ = 0;
    }
    return taken;
  }

 private:
  std::string data_;
  size_t begin_ = 0;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_READ_BUFFER_H_
