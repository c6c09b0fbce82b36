#include "squall/ioloop/ktls_emulator.h"

#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>

#include "squall/base/logging.h"

namespace squall::internal {
namespace {

constexpr uint8_t kApplicationData = 23;
constexpr size_t kMaxRecord = 16384;
constexpr size_t kTag = 16;

KtlsEmulator* current = nullptr;

uint64_t InodeOf(int fd) {
  struct stat status = {};
  return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
}

template <size_t kSize>
std::string Text(const unsigned char (&octets)[kSize]) {
  return std::string(reinterpret_cast<const char*>(octets), kSize);
}

const unsigned char* Octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string BigEndian(uint64_t number, size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i, number >>= 8) text[size - 1 - i] = static_cast<char>(number);
  return text;
}

uint64_t NumberOf(std::string_view text) {
  uint64_t number = 0;
  for (const char octet : text) number = number << 8 | static_cast<unsigned char>(octet);
  return number;
}

}  // namespace

KtlsEmulator::KtlsEmulator(Tls tls) : tls_(tls) {
  CHECK(current == nullptr) << "there is one kernel";
  current = this;
}

KtlsEmulator::~KtlsEmulator() { current = nullptr; }

KtlsEmulator::Socket* KtlsEmulator::Find(int fd) {
  const auto found = sockets_.find(InodeOf(fd));
  return found == sockets_.end() ? nullptr : &found->second;
}

bool KtlsEmulator::SetOption(int fd, int level, int name, const void* value, int* result) {
  if (current == nullptr) return false;
  const bool attaches = level == IPPROTO_TCP && name == TCP_ULP;
  if (!attaches && level != SOL_TLS) return false;
  *result = -1;
  if (attaches) {
    ++current->asked_;
    errno = ENOENT;
    if (current->tls_ == Tls::kMissing) return true;
    current->sockets_[InodeOf(fd)].fd = fd;
    *result = 0;
    return true;
  }
  Socket* const socket = current->Find(fd);
  errno = ENOPROTOOPT;
  if (socket == nullptr) return true;
  errno = EINVAL;
  if (name == TLS_TX && current->Start(socket, value)) *result = 0;
  return true;
}

bool KtlsEmulator::Start(Socket* socket, const void* info) {
  tls_crypto_info kind;
  memcpy(&kind, info, sizeof kind);
  socket->version = kind.version;
  socket->cipher = kind.cipher_type;
  const auto take = [&](const auto& keys) {
    socket->key = Text(keys.key);
    socket->iv = Text(keys.iv);
    socket->sequence = NumberOf(Text(keys.rec_seq));
  };
  if (kind.cipher_type == TLS_CIPHER_AES_GCM_128) {
    const auto& keys = *static_cast<const tls12_crypto_info_aes_gcm_128*>(info);
    take(keys);
    socket->salt = Text(keys.salt);
  } else if (kind.cipher_type == TLS_CIPHER_AES_GCM_256) {
    const auto& keys = *static_cast<const tls12_crypto_info_aes_gcm_256*>(info);
    take(keys);
    socket->salt = Text(keys.salt);
  } else if (kind.cipher_type == TLS_CIPHER_CHACHA20_POLY1305) {
    take(*static_cast<const tls12_crypto_info_chacha20_poly1305*>(info));
  } else {
    return false;
  }
  ++started_;
  return true;
}

// RFC 8446 5.2 and 5.3; RFC 5246 6.2.3.3 with RFC 5288 3 for AES-GCM and RFC 7905 2 for ChaCha20.
std::string KtlsEmulator::Seal(Socket* socket, uint8_t type, std::string_view data) {
  ++records_[type];
  const bool tls13 = socket->version == TLS_1_3_VERSION;
  const bool counts_iv = !tls13 && socket->cipher != TLS_CIPHER_CHACHA20_POLY1305;
  std::string plain(data);
  if (tls13) plain.push_back(static_cast<char>(type));
  std::string nonce = socket->salt + socket->iv;
  const std::string sequence = BigEndian(socket->sequence++, nonce.size());
  const std::string explicit_nonce = counts_iv ? socket->iv : "";
  if (counts_iv) {
    socket->iv = BigEndian(NumberOf(socket->iv) + 1, 8);
  } else {
    for (size_t i = 0; i < nonce.size(); ++i) nonce[i] ^= sequence[i];
  }
  const size_t size = explicit_nonce.size() + plain.size() + kTag;
  const std::string start = {static_cast<char>(tls13 ? kApplicationData : type), '\x03', '\x03'};
  const std::string head = start + BigEndian(size, 2);
  const std::string bound =
      tls13 ? head : sequence.substr(sequence.size() - 8) + start + BigEndian(plain.size(), 2);
  const EVP_CIPHER* const cipher = socket->cipher == TLS_CIPHER_AES_GCM_128 ? ::EVP_aes_128_gcm()
                                   : socket->cipher == TLS_CIPHER_AES_GCM_256
                                       ? ::EVP_aes_256_gcm()
                                       : ::EVP_chacha20_poly1305();
  std::string sealed(plain.size(), '\0');
  std::string tag(kTag, '\0');
  EVP_CIPHER_CTX* const context = ::EVP_CIPHER_CTX_new();
  auto* const out = reinterpret_cast<unsigned char*>(sealed.data());
  int done = 0;
  ::EVP_EncryptInit_ex(context, cipher, nullptr, Octets(socket->key), Octets(nonce));
  ::EVP_EncryptUpdate(context, nullptr, &done, Octets(bound), static_cast<int>(bound.size()));
  ::EVP_EncryptUpdate(context, out, &done, Octets(plain), static_cast<int>(plain.size()));
  ::EVP_EncryptFinal_ex(context, out + done, &done);
  ::EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTag, tag.data());
  ::EVP_CIPHER_CTX_free(context);
  return head + explicit_nonce + sealed + tag;
}

bool KtlsEmulator::Push(Socket* socket) {
  while (!socket->waiting.empty()) {
    const long sent = ::syscall(SYS_sendto, socket->fd, socket->waiting.data(),
                                socket->waiting.size(), MSG_DONTWAIT | MSG_NOSIGNAL, nullptr, 0);
    if (sent < 0) return false;
    socket->waiting.erase(0, static_cast<size_t>(sent));
  }
  return true;
}

size_t KtlsEmulator::Push() {
  size_t waiting = 0;
  for (auto& [inode, socket] : sockets_) {
    if (InodeOf(socket.fd) != inode) continue;
    Push(&socket);
    waiting += socket.waiting.size();
  }
  return waiting;
}

ssize_t KtlsEmulator::Take(Socket* socket, uint8_t type, std::string_view data) {
  size_t taken = 0;
  while (taken < data.size()) {
    if (!Push(socket) && (errno != EAGAIN || socket->waiting.size() > room_)) break;
    const std::string_view part = data.substr(taken, kMaxRecord);
    socket->waiting += Seal(socket, type, part);
    taken += part.size();
    Push(socket);
  }
  return taken > 0 || data.empty() ? static_cast<ssize_t>(taken) : -1;
}

bool KtlsEmulator::Send(int fd, uint8_t type, std::string_view data, ssize_t* result) {
  Socket* const socket = current != nullptr ? current->Find(fd) : nullptr;
  if (socket == nullptr || socket->key.empty()) return false;
  *result = current->Take(socket, type, data);
  return true;
}

bool KtlsEmulator::SendFile(int fd, int file, off_t* offset, size_t size, ssize_t* result) {
  Socket* const socket = current != nullptr ? current->Find(fd) : nullptr;
  if (socket == nullptr || socket->key.empty()) return false;
  std::string data(size, '\0');
  const ssize_t got = ::pread(file, data.data(), size, *offset);
  *result = got <= 0 ? got
                     : current->Take(socket, kApplicationData,
                                     std::string_view(data).substr(0, static_cast<size_t>(got)));
  if (*result > 0) current->sendfile_octets_ += static_cast<uint64_t>(*result);
  return true;
}

}  // namespace squall::internal

using squall::internal::KtlsEmulator;

extern "C" {

int setsockopt(int fd, int level, int name, const void* value, socklen_t size) noexcept {
  int result = 0;
  if (KtlsEmulator::SetOption(fd, level, name, value, &result)) return result;
  return static_cast<int>(::syscall(SYS_setsockopt, fd, level, name, value, size));
}

ssize_t send(int fd, const void* data, size_t size, int flags) {
  ssize_t result = 0;
  const std::string_view text(static_cast<const char*>(data), size);
  if (KtlsEmulator::Send(fd, squall::internal::kApplicationData, text, &result)) return result;
  return ::syscall(SYS_sendto, fd, data, size, flags, nullptr, 0);
}

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  uint8_t type = squall::internal::kApplicationData;
  const cmsghdr* const control = CMSG_FIRSTHDR(message);
  if (control != nullptr && control->cmsg_level == SOL_TLS &&
      control->cmsg_type == TLS_SET_RECORD_TYPE) {
    type = *CMSG_DATA(control);
  }
  std::string text;
  for (size_t i = 0; i < message->msg_iovlen; ++i) {
    text.append(static_cast<const char*>(message->msg_iov[i].iov_base),
                message->msg_iov[i].iov_len);
  }
  ssize_t result = 0;
  if (KtlsEmulator::Send(fd, type, text, &result)) return result;
  return ::syscall(SYS_sendmsg, fd, message, flags);
}

ssize_t sendfile(int fd, int file, off_t* offset, size_t size) noexcept {
  ssize_t result = 0;
  if (KtlsEmulator::SendFile(fd, file, offset, size, &result)) return result;
  return ::syscall(SYS_sendfile, fd, file, offset, size);
}

}  // extern "C"
