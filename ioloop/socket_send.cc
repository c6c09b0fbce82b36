#include "squall/ioloop/socket_send.h"

#include <fcntl.h>
#include <sys/sendfile.h>

#include "squall/ioloop/sigpipe_held_back.h"

namespace squall::internal {

ssize_t FileSender::Send(int socket, const iovec* buffers, int count, int buffer_flags, int file,
                         off_t offset, size_t size) {
  // It has no flag for one call, and would wait for the peer.
  if (!NonBlocking(socket)) {
    errno = ENOTSUP;
    return -1;
  }
  size_t before = 0;
  for (int i = 0; i < count; ++i) before += buffers[i].iov_len;
  const ssize_t sent = before == 0 ? 0 : SendBuffers(socket, buffers, count, buffer_flags);
  if (sent < 0 || static_cast<size_t>(sent) < before) return sent;
  const SigpipeHeldBack held_back;
  ssize_t result;
  do {
    result = ::sendfile(socket, file, &offset, size);
  } while (result < 0 && errno == EINTR);
  if (result < static_cast<ssize_t>(size)) held_back.Discard();
  if (result >= 0) return sent + result;
  // Its file system cannot.
  if (errno == EINVAL || errno == ENOSYS) errno = ENOTSUP;
  return sent > 0 ? sent : -1;
}

bool FileSender::NonBlocking(int socket) {
  if (mode_ == Mode::kUnknown) {
    const int flags = ::fcntl(socket, F_GETFL);
    mode_ = flags >= 0 && (flags & O_NONBLOCK) != 0 ? Mode::kNonBlocking : Mode::kBlocking;
  }
  return mode_ == Mode::kNonBlocking;
}

}  // namespace squall::internal
