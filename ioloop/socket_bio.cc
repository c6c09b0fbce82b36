#include "squall/ioloop/socket_bio.h"

#include <errno.h>
#include <openssl/bio.h>
#include <sys/socket.h>

#include <utility>

namespace squall::internal {

// The functions that OpenSSL calls.
struct SocketBio::Method {
  static SocketBio* Of(BIO* bio) { return static_cast<SocketBio*>(::BIO_get_data(bio)); }

  static int Read(BIO* bio, char* data, int size) {
    SocketBio* const self = Of(bio);
    ::BIO_clear_retry_flags(bio);
    if (self->receives_left_ == 0) {
      ::BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
      return -1;
    }
    --self->receives_left_;
    ssize_t got;
    do {
      got = ::recv(self->fd(), data, static_cast<size_t>(size), MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got > 0) self->octets_read_ += static_cast<uint64_t>(got);
    if (got == 0) self->at_end_ = true;
    if (got < 0) self->Failed(bio, BIO_FLAGS_READ);
    return static_cast<int>(got);
  }

  static int Write(BIO* bio, const char* data, int size) {
    SocketBio* const self = Of(bio);
    ::BIO_clear_retry_flags(bio);
    ssize_t sent;
    do {
      sent = ::send(self->fd(), data, static_cast<size_t>(size), MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) self->Failed(bio, BIO_FLAGS_WRITE);
    return static_cast<int>(sent);
  }

  static long Control(BIO* bio, int command, long /*number*/, void* /*pointer*/) {
    switch (command) {
      case BIO_CTRL_FLUSH:
      case BIO_CTRL_DUP:
        return 1;
      case BIO_CTRL_EOF:
        return Of(bio)->at_end_ ? 1 : 0;
      default:
        return 0;
    }
  }

  static BIO_METHOD* Make() {
    BIO_METHOD* const method =
        ::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "squall socket");
    if (method == nullptr) return nullptr;
    ::BIO_meth_set_read(method, Read);
    ::BIO_meth_set_write(method, Write);
    ::BIO_meth_set_ctrl(method, Control);
    return method;
  }
};

SocketBio::SocketBio(UniqueFd socket) : socket_(std::move(socket)) {}

void SocketBio::Failed(bio_st* bio, int direction) {
  if (errno == EAGAIN || errno == EWOULDBLOCK) {
    ::BIO_set_flags(bio, direction | BIO_FLAGS_SHOULD_RETRY);
  } else {
    error_ = errno;
  }
}

bool SocketBio::AttachTo(SSL* ssl) {
  static BIO_METHOD* const method = Method::Make();
  BIO* const bio = method != nullptr ? ::BIO_new(method) : nullptr;
  if (bio == nullptr) return false;
  ::BIO_set_data(bio, this);
  ::BIO_set_init(bio, 1);
  ::SSL_set_bio(ssl, bio, bio);
  return true;
}

}  // namespace squall::internal
