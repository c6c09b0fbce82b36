#include "squall/ioloop/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "squall/base/status.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/sigpipe_held_back.h"

namespace squall {
namespace {

class PlainTransport : public Transport {
 public:
  explicit PlainTransport(UniqueFd socket) : socket_(std::move(socket)) {}

  int fd() const override { return socket_.get(); }

  [[gnu::hot]] ssize_t Read(char* data, size_t size) override {
    ssize_t result;
    do {
      result = ::recv(socket_.get(), data, size, MSG_DONTWAIT);
    } while (result < 0 && errno == EINTR);
    return result;
  }

  [[gnu::hot]] ssize_t Write(const iovec* buffers, int count) override {
    return Send(buffers, count, 0);
  }

  ssize_t SendFile(const iovec* buffers, int count, int file, off_t offset, size_t size) override {
    // It has no flag for one call, and would wait for the peer.
    if (!NonBlocking()) {
      errno = ENOTSUP;
      return -1;
    }
    size_t before = 0;
    for (int i = 0; i < count; ++i) before += buffers[i].iov_len;
    const ssize_t sent = before == 0 ? 0 : Send(buffers, count, MSG_MORE);
    if (sent < 0 || static_cast<size_t>(sent) < before) return sent;
    const internal::SigpipeHeldBack held_back;
    ssize_t result;
    do {
      result = ::sendfile(socket_.get(), file, &offset, size);
    } while (result < 0 && errno == EINTR);
    if (result < static_cast<ssize_t>(size)) held_back.Discard();
    if (result >= 0) return sent + result;
    // Its file system cannot.
    if (errno == EINVAL || errno == ENOSYS) errno = ENOTSUP;
    return sent > 0 ? sent : -1;
  }

  int ShutdownWrite() override { return ::shutdown(socket_.get(), SHUT_WR); }
  bool plain() const override { return true; }
  bool short_read_drains() const override { return true; }
  UniqueFd Release() override { return std::move(socket_); }

 private:
  [[gnu::hot]] ssize_t Send(const iovec* buffers, int count, int more) {
    const int flags = MSG_DONTWAIT | MSG_NOSIGNAL | more;
    ssize_t result;
    do {
      if (count == 1) {
        // Spares the kernel the copy of the array.
        result = ::send(socket_.get(), buffers->iov_base, buffers->iov_len, flags);
      } else {
        msghdr message = {};
        message.msg_iov = const_cast<iovec*>(buffers);
        message.msg_iovlen = count;
        result = ::sendmsg(socket_.get(), &message, flags);
      }
    } while (result < 0 && errno == EINTR);
    return result;
  }

  // Asked for once; the socket is this transport's alone.
  bool NonBlocking() {
    if (mode_ == Mode::kUnknown) {
      const int flags = ::fcntl(socket_.get(), F_GETFL);
      mode_ = flags >= 0 && (flags & O_NONBLOCK) != 0 ? Mode::kNonBlocking : Mode::kBlocking;
    }
    return mode_ == Mode::kNonBlocking;
  }

  enum class Mode : uint8_t { kUnknown, kNonBlocking, kBlocking };

  UniqueFd socket_;
  Mode mode_ = Mode::kUnknown;
};

}  // namespace

absl::Status Transport::ErrorStatus(int error_number, std::string_view doing) const {
  const absl::Status status = StatusFromErrno(error_number, doing);
  if (error_number != EPIPE) return status;
  absl::Status gone = absl::UnavailableError(status.message());
  status.ForEachPayload(
      [&gone](auto type, const auto& payload) { gone.SetPayload(type, payload); });
  return gone;
}

std::unique_ptr<Transport> MakePlainTransport(UniqueFd socket) {
  return std::make_unique<PlainTransport>(std::move(socket));
}

}  // namespace squall
