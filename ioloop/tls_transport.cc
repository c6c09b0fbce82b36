#include "squall/ioloop/tls_transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/base/string_view.h"
#include "squall/ioloop/openssl_ptr.h"
#include "squall/ioloop/prefixed_transport.h"
#include "squall/ioloop/socket_bio.h"
#include "squall/ioloop/socket_send.h"
#include "squall/ioloop/tls_certificate.h"
#include "squall/ioloop/tls_error.h"

namespace squall {
namespace {

using internal::SocketBio;

// The largest record's content.
constexpr size_t kMaxRecord = SSL3_RT_MAX_PLAIN_LENGTH;

// Small pieces are put together here, so that they leave as one record.
char* Gathering() {
  thread_local const std::unique_ptr<char[]> gathering(new char[kMaxRecord]);
  return gathering.get();
}

bool IsIpAddress(const std::string& name) {
  unsigned char address[16];
  return ::inet_pton(AF_INET, name.c_str(), address) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), address) == 1;
}

// "host." is the same host; neither certificates nor SNI (RFC 6066 3) have the dot.
std::string WithoutDot(std::string name) {
  if (name.size() > 1 && name.back() == '.') name.pop_back();
  return name;
}

int IndexOfTransport() {
  static const int index = ::SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

class TlsTransportImpl final : public TlsTransport {
 public:
  TlsTransportImpl(UniqueFd socket, std::shared_ptr<const TlsServerContext> context)
      : socket_(std::move(socket)), server_(std::move(context)) {
    Begin(server_->ssl_ctx());
    if (ssl_ != nullptr) ::SSL_set_accept_state(ssl_.get());
  }

  TlsTransportImpl(UniqueFd socket, std::shared_ptr<TlsClientContext> context,
                   std::string server_name)
      : socket_(std::move(socket)),
        client_(std::move(context)),
        wanted_(WithoutDot(std::move(server_name))) {
    Begin(client_->ssl_ctx());
    if (ssl_ != nullptr) BeginClient();
  }

  ~TlsTransportImpl() override {
    if (ssl_ != nullptr) SendCloseNotify();
    if (client_ != nullptr && close_notify_sent_) DiscardTickets();
    ::ERR_clear_error();
  }

  int fd() const override { return socket_.fd(); }

  int Handshake() override {
    if (read_failure_ != 0) return Again(read_failure_);
    return handshake_done() ? 0 : Shake(Direction::kRead);
  }

  ssize_t Read(char* data, size_t size) override {
    if (read_failure_ != 0) return Again(read_failure_);
    Before();
    size_t got = 0;
    const int result = ::SSL_read_ex(ssl_.get(), data, size, &got);
    NoteHandshake();
    if (result == 1) {
      read_events_ = EPOLLIN;
      stalled_at_ = kNowhere;
      return static_cast<ssize_t>(got);
    }
    return After(result, Direction::kRead);
  }

  ssize_t Write(const iovec* buffers, int count) override {
    if (write_failure_ != 0) return Again(write_failure_);
    if (!handshake_done() && Shake(Direction::kWrite) != 0) return -1;
    if (socket_.ktls_send()) {
      return ThroughKernel([&] { return internal::SendBuffers(fd(), buffers, count); });
    }
    size_t total = 0;
    size_t skip = 0;  // Of the first buffer.
    while (count > 0) {
      const std::string_view record = NextRecord(buffers, count, skip);
      if (record.empty()) break;
      Before();
      size_t written = 0;
      const int result = ::SSL_write_ex(ssl_.get(), record.data(), record.size(), &written);
      NoteHandshake();
      if (result != 1) {
        const int failed = After(result, Direction::kWrite);
        // What is wrong comes up again in the next call.
        if (total > 0) break;
        return failed;
      }
      total += written;
      for (skip += written; count > 0 && skip >= buffers->iov_len; --count) {
        skip -= (buffers++)->iov_len;
      }
    }
    return static_cast<ssize_t>(total);
  }

  ssize_t SendFile(const iovec* buffers, int count, int file, off_t offset, size_t size) override {
    if (write_failure_ != 0) return Again(write_failure_);
    if (!handshake_done() && Shake(Direction::kWrite) != 0) return -1;
    if (!socket_.ktls_send()) return Again(ENOTSUP);
    // Without MSG_MORE: a record that is begun and not ended waits for the next one.
    return ThroughKernel(
        [&] { return file_sender_.Send(fd(), buffers, count, 0, file, offset, size); });
  }

  int ShutdownWrite() override {
    if (write_failure_ != 0) return Again(write_failure_);
    if (!handshake_done() && Shake(Direction::kWrite) != 0) return -1;
    // What the kernel's TLS has taken may still wait before TCP, which would then end without it. Where
    // there is room, the last record takes it along.
    if (socket_.ktls_send() && !HasRoom()) {
      write_events_ = EPOLLOUT;
      return Again(EAGAIN);
    }
    if (!SendCloseNotify()) return Again(EAGAIN);
    return ::shutdown(fd(), SHUT_WR);
  }

  uint32_t read_events() const override { return read_events_; }
  uint32_t write_events() const override {
    // Only a handshake has a write wait for input, and so does a message of it that comes later and
    // in pieces, such as a KeyUpdate. A read may have ended that.
    const bool in_order = ssl_ == nullptr || ::SSL_is_init_finished(ssl_.get()) == 1;
    return in_order ? uint32_t{EPOLLOUT} : write_events_;
  }

  bool HasBufferedInput() const override {
    // What is there may be a part of a record. Then it does not count until more has come, which a
    // write may be the one to fetch.
    return read_failure_ == 0 && socket_.octets_read() != stalled_at_ &&
           ::SSL_has_pending(ssl_.get()) == 1;
  }

  // With what HasBufferedInput() tells; epoll tells of the rest.
  bool short_read_drains() const override { return true; }

  absl::Status ErrorStatus(int error_number, std::string_view doing) const override {
    if (failure_.ok()) return Transport::ErrorStatus(error_number, doing);
    return absl::Status(failure_.code(), absl::StrCat(ToAbsl(doing), ": ", failure_.message()));
  }

  bool handshake_done() const override { return handshake_done_; }
  std::string version() const override {
    return handshake_done() ? ::SSL_get_version(ssl_.get()) : "";
  }
  std::string cipher() const override {
    return handshake_done() ? ::SSL_get_cipher_name(ssl_.get()) : "";
  }
  std::string alpn() const override {
    const unsigned char* name = nullptr;
    unsigned int size = 0;
    if (handshake_done()) ::SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    return std::string(reinterpret_cast<const char*>(name), size);
  }
  std::string server_name() const override {
    const char* const name =
        handshake_done() ? ::SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name) : nullptr;
    return name != nullptr ? name : "";
  }
  bool resumed() const override {
    return handshake_done() && ::SSL_session_reused(ssl_.get()) == 1;
  }
  bool ktls_send() const override { return handshake_done() && socket_.ktls_send(); }
  std::optional<TlsPeerCertificate> peer_certificate() const override;

 private:
  enum class Direction { kRead, kWrite };

  static constexpr uint64_t kNowhere = ~uint64_t{0};

  void Begin(ssl_ctx_st* ctx) {
    ssl_.reset(::SSL_new(ctx));
    if (ssl_ == nullptr || !socket_.AttachTo(ssl_.get())) {
      ssl_.reset();
      failure_ = absl::ResourceExhaustedError(
          absl::StrCat("OpenSSL makes no connection: ", internal::TakeTlsErrors()));
      read_failure_ = write_failure_ = ENOMEM;
      return;
    }
    ::SSL_set_ex_data(ssl_.get(), IndexOfTransport(), this);
    // With SSL_VERIFY_NONE OpenSSL calls it, too, for what it then lets pass.
    const int mode = ::SSL_get_verify_mode(ssl_.get());
    if (mode != SSL_VERIFY_NONE) ::SSL_set_verify(ssl_.get(), mode, OnVerified);
  }

  void BeginClient();
  void RefuseName();
  // Once done it stays done, whatever state a failure takes OpenSSL to.
  void NoteHandshake() {
    if (handshake_done_ || ::SSL_is_init_finished(ssl_.get()) != 1) return;
    handshake_done_ = true;
    if (client_ != nullptr) KeepRenewedSession();
  }
  void KeepRenewedSession();
  static int OnVerified(int good, X509_STORE_CTX* verification);

  static int Again(int error) {
    errno = error;
    return -1;
  }

  void Before() {
    ::ERR_clear_error();
    socket_.Forget();
  }

  // What a call came to that did not succeed: 0 for the end of the stream, or -1 with errno.
  int After(int result, Direction direction);
  // `send` writes to the socket, whose kernel makes the records.
  ssize_t ThroughKernel(absl::FunctionRef<ssize_t()> send);
  bool HasRoom() const;
  int EndWithoutNotice();
  int FailOfSocket(Direction direction);
  int Fail(absl::Status failure, int error) {
    // The queue is the thread's, and the next to look at it may be somebody else.
    ::ERR_clear_error();
    failure_ = std::move(failure);
    read_failure_ = write_failure_ = error;
    return Again(error);
  }

  static std::string_view NextRecord(const iovec* buffers, int count, size_t skip);
  int Shake(Direction direction) {
    Before();
    const int result = ::SSL_do_handshake(ssl_.get());
    NoteHandshake();
    return result == 1 ? 0 : After(result, direction);
  }
  // False when it waits for room.
  bool SendCloseNotify();
  void DiscardTickets();

  SocketBio socket_;
  internal::FileSender file_sender_;
  internal::SslPtr ssl_;
  const std::shared_ptr<const TlsServerContext> server_;
  const std::shared_ptr<TlsClientContext> client_;
  const std::string wanted_;  // The name of the client's server.
  uint32_t read_events_ = EPOLLIN;
  uint32_t write_events_ = EPOLLOUT;
  uint64_t stalled_at_ = kNowhere;  // socket_.octets_read() when a read found no whole record.
  bool handshake_done_ = false;
  bool close_notify_sent_ = false;
  // errno of what ended that direction, else 0.
  int read_failure_ = 0;
  int write_failure_ = 0;
  absl::Status failure_;     // In words, unless errno says it all.
  absl::Status unverified_;  // What is wrong with the peer's certificate.
};

void TlsTransportImpl::BeginClient() {
  SSL* const ssl = ssl_.get();
  ::SSL_set_connect_state(ssl);
  client_->KeepSessions(ssl, &wanted_);
  const bool is_address = IsIpAddress(wanted_);
  if (!is_address && !wanted_.empty() && ::SSL_set_tlsext_host_name(ssl, wanted_.c_str()) != 1) {
    return RefuseName();
  }
  if (client_->verification() == TlsVerification::kPeerAndName) {
    ::SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const int set = is_address
                        ? ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(ssl), wanted_.c_str())
                        : ::SSL_set1_host(ssl, wanted_.c_str());
    if (set != 1 || wanted_.empty()) return RefuseName();
  }
  if (SSL_SESSION* const session = client_->TakeSession(wanted_)) {
    // When it does not fit there is a whole handshake.
    if (::SSL_set_session(ssl, session) != 1) ::ERR_clear_error();
    ::SSL_SESSION_free(session);
  }
}

void TlsTransportImpl::RefuseName() {
  ::ERR_clear_error();
  Fail(absl::InvalidArgumentError(
           absl::StrCat("\"", wanted_, "\" is no server's name, so no certificate can be for it")),
       EINVAL);
}

// The verification goes on or ends as OpenSSL decides; only the reason is kept.
int TlsTransportImpl::OnVerified(int good, X509_STORE_CTX* verification) {
  if (good == 1) return good;
  const auto* const ssl = static_cast<const SSL*>(
      ::X509_STORE_CTX_get_ex_data(verification, ::SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* const self = static_cast<TlsTransportImpl*>(::SSL_get_ex_data(ssl, IndexOfTransport()));
  self->unverified_ = internal::CertificateFailure(::X509_STORE_CTX_get_error(verification),
                                                   ::X509_STORE_CTX_get_current_cert(verification),
                                                   self->server_ != nullptr, self->wanted_);
  return good;
}

// With TLS 1.2 OpenSSL does not tell of a ticket that a resumed session has got.
void TlsTransportImpl::KeepRenewedSession() {
  if (!resumed() || ::SSL_version(ssl_.get()) != TLS1_2_VERSION) return;
  if (SSL_SESSION* const session = ::SSL_get1_session(ssl_.get())) {
    client_->PutSession(wanted_, session);
  }
}

int TlsTransportImpl::After(int result, Direction direction) {
  uint32_t& events = direction == Direction::kRead ? read_events_ : write_events_;
  switch (::SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      events = EPOLLIN;
      if (direction == Direction::kRead) stalled_at_ = socket_.octets_read();
      return Again(EAGAIN);
    case SSL_ERROR_WANT_WRITE:
      events = EPOLLOUT;
      if (direction == Direction::kRead) stalled_at_ = socket_.octets_read();
      return Again(EAGAIN);
    case SSL_ERROR_ZERO_RETURN:
      // What a write came to after the peer's end, too.
      if (socket_.error() != 0) return FailOfSocket(direction);
      if (handshake_done() && direction == Direction::kRead) return 0;
      return EndWithoutNotice();
    case SSL_ERROR_SYSCALL:
      return socket_.error() == 0 ? EndWithoutNotice() : FailOfSocket(direction);
    default:
      break;
  }
  const int reason = ERR_GET_REASON(::ERR_peek_error());
  if (socket_.at_end() && reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) return EndWithoutNotice();
  const bool unverified = reason == SSL_R_CERTIFICATE_VERIFY_FAILED && !unverified_.ok();
  return Fail(unverified ? unverified_ : internal::TlsFailure(), EPROTO);
}

ssize_t TlsTransportImpl::ThroughKernel(absl::FunctionRef<ssize_t()> send) {
  // The peer is to get no more data under the old ones (RFC 8446 4.6.3).
  if (::SSL_get_key_update_type(ssl_.get()) != SSL_KEY_UPDATE_NONE) {
    return Fail(
        absl::AbortedError("the peer asks for new keys (KeyUpdate), and those that the kernel "
                           "has cannot be changed; without ktls they can"),
        EPROTO);
  }
  write_events_ = EPOLLOUT;
  const ssize_t sent = send();
  if (sent < 0 && errno != EAGAIN && errno != ENOTSUP) write_failure_ = errno;
  return sent;
}

bool TlsTransportImpl::HasRoom() const {
  pollfd room = {.fd = fd(), .events = POLLOUT, .revents = 0};
  return ::poll(&room, 1, 0) == 1;
}

int TlsTransportImpl::FailOfSocket(Direction direction) {
  write_failure_ = socket_.error();
  // Why the peer does not take it may be what it has said last.
  if (direction == Direction::kRead) read_failure_ = socket_.error();
  return Again(socket_.error());
}

int TlsTransportImpl::EndWithoutNotice() {
  ::ERR_clear_error();
  if (!handshake_done()) {
    return Fail(absl::UnavailableError("the peer left during the TLS handshake"), ECONNRESET);
  }
  return Fail(absl::DataLossError("the peer's connection ended without TLS's close_notify, so "
                                  "something may be missing"),
              ECONNRESET);
}

// What to put into one record: up to kMaxRecord octets from the front of the buffers. While a record
// waits for room, OpenSSL wants the same octets again, and maybe more, never fewer.
std::string_view TlsTransportImpl::NextRecord(const iovec* buffers, int count, size_t skip) {
  const std::string_view first =
      std::string_view(static_cast<const char*>(buffers->iov_base), buffers->iov_len).substr(skip);
  if (count == 1 || first.size() >= kMaxRecord) return first.substr(0, kMaxRecord);
  char* const gathering = Gathering();
  size_t size = 0;
  for (; count > 0 && size < kMaxRecord; ++buffers, --count, skip = 0) {
    const size_t part = std::min(buffers->iov_len - skip, kMaxRecord - size);
    memcpy(gathering + size, static_cast<const char*>(buffers->iov_base) + skip, part);
    size += part;
  }
  return std::string_view(gathering, size);
}

// Once, and only where the protocol is in order: OpenSSL wants no more calls after a failure.
bool TlsTransportImpl::SendCloseNotify() {
  if (write_failure_ != 0 || !handshake_done() || close_notify_sent_) return true;
  Before();
  const int result = ::SSL_shutdown(ssl_.get());
  close_notify_sent_ = result >= 0 || ::SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_WRITE;
  ::ERR_clear_error();
  return close_notify_sent_;
}

// A client that only writes has not read what the server sends behind a handshake (RFC 8446 4.6.1). TCP
// answers a close with unread data by a reset (RFC 1122 4.2.2.13), and drops what is not sent yet.
void TlsTransportImpl::DiscardTickets() {
  constexpr size_t kMoreThanTickets = 64 * 1024;
  ::recv(fd(), nullptr, kMoreThanTickets, MSG_DONTWAIT | MSG_TRUNC);
}

std::optional<TlsPeerCertificate> TlsTransportImpl::peer_certificate() const {
  X509* const certificate = handshake_done() ? ::SSL_get0_peer_certificate(ssl_.get()) : nullptr;
  if (certificate == nullptr) return std::nullopt;
  TlsPeerCertificate result;
  result.subject = internal::DistinguishedName(*certificate);
  result.common_name = internal::CommonName(*certificate);
  result.dns_names = internal::DnsNames(*certificate);
  result.uris = internal::Uris(*certificate);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  ::X509_digest(certificate, ::EVP_sha256(), digest, &size);
  result.sha256 =
      absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), size));
  return result;
}

}  // namespace

const TlsTransport* TlsTransport::From(const Transport* transport) {
  // Octets that were read too far, as at a change of protocols, change nothing about the session.
  return dynamic_cast<const TlsTransport*>(internal::WithoutPrefix(transport));
}

std::unique_ptr<Transport> MakeTlsTransport(UniqueFd socket,
                                            std::shared_ptr<const TlsServerContext> context) {
  CHECK(context != nullptr) << "a TLS server needs a context";
  return std::make_unique<TlsTransportImpl>(std::move(socket), std::move(context));
}

std::unique_ptr<Transport> MakeTlsTransport(UniqueFd socket,
                                            std::shared_ptr<TlsClientContext> context,
                                            std::string server_name) {
  CHECK(context != nullptr) << "a TLS client needs a context";
  return std::make_unique<TlsTransportImpl>(std::move(socket), std::move(context),
                                            std::move(server_name));
}

}  // namespace squall
