// OpenSSL's way to a socket that never blocks, never raises SIGPIPE and remembers what went wrong,
// which OpenSSL's own (BIO_s_socket) does not. Internal to ioloop's TLS.
//
//   SocketBio socket(std::move(fd));
//   if (!socket.AttachTo(ssl)) ...
//   socket.Forget();
//   SSL_read(ssl, ...);       // calls recv(2)
//   if (socket.error() != 0)  // errno of it
#ifndef SQUALL_IOLOOP_SOCKET_BIO_H_
#define SQUALL_IOLOOP_SOCKET_BIO_H_

#include <openssl/ssl.h>

#include <cstdint>

#include "squall/base/unique_fd.h"

namespace squall::internal {

class SocketBio {
 public:
  explicit SocketBio(UniqueFd socket);
  // OpenSSL points to it.
  SocketBio(const SocketBio&) = delete;
  SocketBio& operator=(const SocketBio&) = delete;

  // Makes `ssl` read and write here, for as long as this lives. False when there is no memory.
  bool AttachTo(SSL* ssl);

  int fd() const { return socket_.get(); }
  uint64_t octets_read() const { return octets_read_; }

  // What the last calls came to: errno that is not EAGAIN, and whether the peer's end was read.
  int error() const { return error_; }
  bool at_end() const { return at_end_; }
  // Begins a call of OpenSSL's. One call makes at most kMaxReceives of recv(2), and then fails as if
  // there were nothing more: OpenSSL reads on for as long as there are messages that are no data,
  // such as KeyUpdate, and a peer that sends nothing else would keep the loop's thread. epoll, which
  // is level-triggered here, tells of the rest.
  void Forget() {
    error_ = 0;
    receives_left_ = kMaxReceives;
  }
  static constexpr int kMaxReceives = 4;

 private:
  struct Method;

  void Failed(bio_st* bio, int direction);

  const UniqueFd socket_;
  uint64_t octets_read_ = 0;
  int receives_left_ = kMaxReceives;
  int error_ = 0;
  bool at_end_ = false;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_SOCKET_BIO_H_
