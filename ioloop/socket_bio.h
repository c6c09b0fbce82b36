// OpenSSL's way to a socket that never blocks, never raises SIGPIPE and remembers what went wrong,
// which OpenSSL's own (BIO_s_socket) does not. Internal to ioloop's TLS.
//
//   SocketBio socket(std::move(fd));
//   if (!socket.AttachTo(ssl)) ...
//   socket.Forget();
//   SSL_read(ssl, ...);       // calls recv(2)
//   if (socket.error() != 0)  // errno of it
//
// With SSL_OP_ENABLE_KTLS it also hands the keys of what is sent to the kernel, if that has TLS
// ("modprobe tls") and takes the cipher; else all stays as it is. From then on ktls_send() is true,
// and whatever is written to the socket leaves as records of application data. What OpenSSL has to
// say besides, alerts and tickets, it still says through here. Data must not go through SSL_write any
// more: without room, OpenSSL 3.0 keeps a pointer to the caller's memory and sends what is there
// later (its issue 21202), and it answers a KeyUpdate with keys that the kernel does not have. The
// reading stays OpenSSL's: for TLS 1.3 it can do no else, and there is nothing to sendfile.
#ifndef SQUALL_IOLOOP_SOCKET_BIO_H_
#define SQUALL_IOLOOP_SOCKET_BIO_H_

#include <openssl/ssl.h>

#include <cstddef>
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
  bool ktls_send() const { return ktls_send_; }

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

  // Of records, RFC 8446 5.1: nothing special.
  static constexpr uint8_t kApplicationData = 23;

  // `keys` are in a form that is OpenSSL's own.
  bool StartKtlsSend(void* keys);
  ssize_t Send(const char* data, size_t size);
  ssize_t SendRecord(const char* data, size_t size);
  void Failed(bio_st* bio, int direction);

  const UniqueFd socket_;
  uint64_t octets_read_ = 0;
  int receives_left_ = kMaxReceives;
  int error_ = 0;
  bool at_end_ = false;
  bool ktls_send_ = false;
  // Of what OpenSSL says next; it sets that each time, once the kernel makes the records.
  uint8_t record_type_ = kApplicationData;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_SOCKET_BIO_H_
