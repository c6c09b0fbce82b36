// The byte pipe under IOStream and under the HTTP connection, so that TLS can be another one.
//
//   std::unique_ptr<squall::Transport> transport = squall::MakePlainTransport(std::move(socket));
//   char data[4096];
//   const ssize_t size = transport->Read(data, sizeof data);  // as recv(2), never blocks
//
// A transport owns its descriptor and closes it when destroyed. One thread at a time.
#ifndef SQUALL_IOLOOP_TRANSPORT_H_
#define SQUALL_IOLOOP_TRANSPORT_H_

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <memory>

#include "squall/base/unique_fd.h"

namespace squall {

class Transport {
 public:
  virtual ~Transport() = default;

  // The descriptor to wait on, owned by the transport.
  virtual int fd() const = 0;

  // Up to `size` > 0 octets: their number, 0 at the end of the stream, or -1 with errno, EAGAIN
  // when there is nothing now. Never EINTR.
  virtual ssize_t Read(char* data, size_t size) = 0;

  // Writes from `count` <= IOV_MAX buffers: the octets taken, maybe fewer than given, or -1 with
  // errno, EAGAIN when there is no room now. Never EINTR, and never SIGPIPE.
  virtual ssize_t Write(const iovec* buffers, int count) = 0;

  // Tells the peer that nothing more will be written; reading goes on. 0, or -1 with errno.
  virtual int ShutdownWrite() = 0;
};

// A connected stream socket as it is, TCP or unix. It need not be in non-blocking mode.
std::unique_ptr<Transport> MakePlainTransport(UniqueFd socket);

}  // namespace squall

#endif  // SQUALL_IOLOOP_TRANSPORT_H_
