// Internal to ioloop: what transports send over a stream socket, without waiting, EINTR or SIGPIPE.
//
//   const ssize_t sent = internal::SendBuffers(socket, buffers, count);
//   internal::FileSender sender;
//   const ssize_t sent = sender.Send(socket, buffers, count, MSG_MORE, file, offset, size);
#ifndef SQUALL_IOLOOP_SOCKET_SEND_H_
#define SQUALL_IOLOOP_SOCKET_SEND_H_

#include <errno.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

namespace squall::internal {

// As Transport::Write, with more flags of send(2).
[[gnu::hot]] inline ssize_t SendBuffers(int socket, const iovec* buffers, int count,
                                        int more_flags = 0) {
  const int flags = MSG_DONTWAIT | MSG_NOSIGNAL | more_flags;
  ssize_t result;
  do {
    if (count == 1) {
      // Spares the kernel the copy of the array.
      result = ::send(socket, buffers->iov_base, buffers->iov_len, flags);
    } else {
      msghdr message = {};
      message.msg_iov = const_cast<iovec*>(buffers);
      message.msg_iovlen = count;
      result = ::sendmsg(socket, &message, flags);
    }
  } while (result < 0 && errno == EINTR);
  return result;
}

// For one socket, which is asked for its mode once.
class FileSender {
 public:
  // As Transport::SendFile; the buffers go with `buffer_flags` of send(2).
  ssize_t Send(int socket, const iovec* buffers, int count, int buffer_flags, int file,
               off_t offset, size_t size);

 private:
  enum class Mode : uint8_t { kUnknown, kNonBlocking, kBlocking };

  bool NonBlocking(int socket);

  Mode mode_ = Mode::kUnknown;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_SOCKET_SEND_H_
