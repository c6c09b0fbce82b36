#include "squall/ioloop/socket_bio.h"

#include <errno.h>
#include <linux/tls.h>
#include <openssl/bio.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <utility>

#include "squall/ioloop/openssl_ptr.h"

namespace squall::internal {
namespace {

// What OpenSSL asks of a BIO for kTLS. <openssl/bio.h> has the numbers in a comment, to keep them
// free; the names are those of its internal/bio.h.
constexpr int kSetKtls = 72;
constexpr int kSetKtlsRecordType = 74;

}  // namespace

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
      sent = self->Send(data, static_cast<size_t>(size));
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) self->Failed(bio, BIO_FLAGS_WRITE);
    return static_cast<int>(sent);
  }

  static long Control(BIO* bio, int command, long number, void* pointer) {
    SocketBio* const self = Of(bio);
    switch (command) {
      case BIO_CTRL_FLUSH:
      case BIO_CTRL_DUP:
        return 1;
      case BIO_CTRL_EOF:
        return self->at_end_ ? 1 : 0;
      case kSetKtls: {
        const bool of_sending = number != 0;
        return of_sending && self->StartKtlsSend(pointer) ? 1 : 0;
      }
      case BIO_CTRL_GET_KTLS_SEND:
        return self->ktls_send_ ? 1 : 0;
      case kSetKtlsRecordType:
        self->record_type_ = static_cast<uint8_t>(number);
        return 0;
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

// Only OpenSSL's own BIO knows the form of the keys; afterwards the socket needs it no more.
bool SocketBio::StartKtlsSend(void* keys) {
  const BioPtr of_openssl(::BIO_new_socket(fd(), BIO_NOCLOSE));
  ktls_send_ = of_openssl != nullptr && ::BIO_ctrl(of_openssl.get(), kSetKtls, 1, keys) == 1;
  return ktls_send_;
}

ssize_t SocketBio::Send(const char* data, size_t size) {
  if (record_type_ != kApplicationData) return SendRecord(data, size);
  return ::send(fd(), data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

ssize_t SocketBio::SendRecord(const char* data, size_t size) {
  iovec buffer = {const_cast<char*>(data), size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof record_type_)] = {};
  msghdr message = {};
  message.msg_iov = &buffer;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const type = CMSG_FIRSTHDR(&message);
  type->cmsg_level = SOL_TLS;
  type->cmsg_type = TLS_SET_RECORD_TYPE;
  type->cmsg_len = CMSG_LEN(sizeof record_type_);
  *CMSG_DATA(type) = record_type_;
  return ::sendmsg(fd(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

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
