// The byte pipe under IOStream and under the HTTP connection, so that TLS can be another one.
//
//   std::unique_ptr<squall::Transport> transport = squall::MakePlainTransport(std::move(socket));
//   char data[4096];
//   const ssize_t size = transport->Read(data, sizeof data);  // as recv(2), never blocks
//   if (size < 0 && errno == EAGAIN) WaitFor(transport->fd(), transport->read_events());
//
// A transport owns its descriptor. Its destructor says to the peer what ends its protocol in an
// orderly way, as far as that is possible without waiting, and closes the descriptor. One thread at
// a time.
#ifndef SQUALL_IOLOOP_TRANSPORT_H_
#define SQUALL_IOLOOP_TRANSPORT_H_

#include <errno.h>
#include <sys/epoll.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "squall/base/unique_fd.h"

namespace squall {

class Transport {
 public:
  virtual ~Transport() = default;

  // The descriptor to wait on, owned by the transport.
  virtual int fd() const = 0;

  // What has to pass before the first octet of the user's, such as the handshake of TLS. Read and
  // Write do it by themselves; Handshake() of ioloop/handshake.h does it before, with a deadline. 0
  // when it is done, or -1 with errno, EAGAIN when read_events() must come first.
  virtual int Handshake() { return 0; }

  // Whether what passes is hidden from everybody else on the way.
  virtual bool encrypted() const { return false; }

  // Up to `size` > 0 octets: their number, 0 at the end of the stream, or -1 with errno, EAGAIN
  // when there is nothing now. Never EINTR.
  virtual ssize_t Read(char* data, size_t size) = 0;

  // Writes from `count` <= IOV_MAX buffers: the octets taken, maybe fewer than given, or -1 with
  // errno, EAGAIN when there is no room now. Never EINTR, and never SIGPIPE.
  virtual ssize_t Write(const iovec* buffers, int count) = 0;

  // As Write(), and goes on behind the buffers, if `count` > 0, with up to `size` > 0 octets of `file`
  // from `offset`, which the kernel takes from its page cache: sendfile(2). The octets taken of both;
  // 0 when there were no buffers and the file has none there. -1 with ENOTSUP, and nothing is
  // written, when the transport has to see the octets: read them and Write() them. The file's own
  // offset stays.
  virtual ssize_t SendFile(const iovec* buffers, int count, int file, off_t offset, size_t size) {
    errno = ENOTSUP;
    return -1;
  }

  // Tells the peer that nothing more will be written; reading goes on. 0, or -1 with errno: EAGAIN
  // when that has to wait for write_events(), ENOTSOCK when only the end of the descriptor says it.
  virtual int ShutdownWrite() = 0;

  // What to wait for with epoll after EAGAIN: inside, a read may have to write first and a write
  // to read. Each changes with every Read and Write.
  virtual uint32_t read_events() const { return EPOLLIN; }
  virtual uint32_t write_events() const { return EPOLLOUT; }

  // Whether the next Read has octets to look at that have left the descriptor already, so that epoll
  // does not tell of them. False after a Read that failed with EAGAIN.
  virtual bool HasBufferedInput() const { return false; }

  // Whether it adds nothing to a stream socket: read_events() and write_events() stay EPOLLIN and
  // EPOLLOUT, HasBufferedInput() stays false and short_read_drains() true, and instead of Read() and
  // Write() a stream may use recv and send on fd().
  virtual bool plain() const { return false; }

  // Whether a Read that gave fewer octets than asked for has taken all that there was, so that a
  // stream need not try again before epoll tells of more. True spares a system call per message.
  virtual bool short_read_drains() const { return false; }

  // Gives up the descriptor, as it is and without a word to the peer; only the destructor may be
  // called then. Invalid when there is a protocol on it that has no meaning elsewhere.
  virtual UniqueFd Release() { return UniqueFd(); }

  // The failure of the last call, whose errno was `error_number`, in words; `doing` is such as
  // "reading from the stream". Here: as StatusFromErrno, but for EPIPE, which says that the peer is
  // gone as ECONNRESET does, and is UNAVAILABLE as well.
  virtual absl::Status ErrorStatus(int error_number, std::string_view doing) const;
};

// A connected stream socket as it is, TCP or unix. It need not be in non-blocking mode.
std::unique_ptr<Transport> MakePlainTransport(UniqueFd socket);

}  // namespace squall

#endif  // SQUALL_IOLOOP_TRANSPORT_H_
