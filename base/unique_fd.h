// An owning file descriptor: closed when it goes out of scope, moved but never copied.
//
//   squall::UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
//   if (!fd.valid()) return squall::StatusFromErrno(errno, "open /dev/null");
//   ::read(fd.get(), buffer, sizeof buffer);
//
// Any thread; one owner at a time.
#ifndef SQUALL_BASE_UNIQUE_FD_H_
#define SQUALL_BASE_UNIQUE_FD_H_

#include <unistd.h>

#include <utility>

namespace squall {

class UniqueFd {
 public:
  UniqueFd() = default;
  // Takes ownership of `fd`; -1 means none.
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

  // Gives the descriptor up; the caller closes it.
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }

  // Closes the present descriptor and owns `fd` instead. EINTR of close is ignored: on Linux the
  // descriptor is gone all the same, see close(2).
  void reset(int fd = -1) {
    const int old = std::exchange(fd_, fd);
    if (old >= 0 && old != fd) ::close(old);
  }

 private:
  int fd_ = -1;
};

}  // namespace squall

#endif  // SQUALL_BASE_UNIQUE_FD_H_
