#include "squall/ioloop/tls_raw_client.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/socket.h>

#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "squall/base/logging.h"
#include "squall/base/string_view.h"

namespace squall::internal {
namespace {

constexpr size_t kTag = 16;

const unsigned char* Octets(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* Octets(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

// HKDF-Expand-Label of RFC 8446 7.1, without a context and up to 32 octets.
std::string Expand(const std::string& secret, std::string_view label, size_t size) {
  std::string input = absl::StrCat("tls13 ", ToAbsl(label));
  input.insert(0, {'\0', static_cast<char>(size), static_cast<char>(input.size())});
  input.append({'\0', '\x01'});
  std::string result(EVP_MAX_MD_SIZE, '\0');
  ::HMAC(::EVP_sha256(), secret.data(), static_cast<int>(secret.size()), Octets(input),
         input.size(), Octets(result), nullptr);
  return result.substr(0, size);
}

}  // namespace

TlsRawClient::TlsRawClient() : ctx_(::SSL_CTX_new(::TLS_client_method())) {
  ::SSL_CTX_set_min_proto_version(ctx_.get(), TLS1_3_VERSION);
  ::SSL_CTX_set_ciphersuites(ctx_.get(), "TLS_AES_128_GCM_SHA256");
  SSL_CTX_set_app_data(ctx_.get(), this);
  ::SSL_CTX_set_keylog_callback(ctx_.get(), OnSecret);
  ssl_.reset(::SSL_new(ctx_.get()));
  ::SSL_set_bio(ssl_.get(), ::BIO_new(::BIO_s_mem()), ::BIO_new(::BIO_s_mem()));
  ::SSL_set_connect_state(ssl_.get());
}

void TlsRawClient::OnSecret(const SSL* ssl, const char* line) {
  auto* const self = static_cast<TlsRawClient*>(SSL_CTX_get_app_data(::SSL_get_SSL_CTX(ssl)));
  const std::vector<std::string> words = absl::StrSplit(line, ' ');
  if (words.front() == "CLIENT_TRAFFIC_SECRET_0") self->secret_ = absl::HexStringToBytes(words[2]);
}

bool TlsRawClient::ShakeHands(int socket, absl::FunctionRef<void()> server_turn) {
  for (int i = 0; i < 1000; ++i) {
    if (::SSL_do_handshake(ssl_.get()) == 1) return true;
    const std::string output = TakeOutput();
    ::send(socket, output.data(), output.size(), MSG_NOSIGNAL);
    server_turn();
    TakeInput(socket);
  }
  return false;
}

void TlsRawClient::Say(std::string_view data) {
  CHECK_EQ(::SSL_write(ssl_.get(), data.data(), static_cast<int>(data.size())),
           static_cast<int>(data.size()));
}

void TlsRawClient::UpdateKeys() {
  CHECK_EQ(::SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
  CHECK_EQ(::SSL_do_handshake(ssl_.get()), 1);
}

void TlsRawClient::UpdateAllKeys() {
  CHECK_EQ(::SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED), 1);
  CHECK_EQ(::SSL_do_handshake(ssl_.get()), 1);
}

std::string TlsRawClient::TakeOutput() {
  std::string output(::BIO_ctrl_pending(::SSL_get_wbio(ssl_.get())), '\0');
  ::BIO_read(::SSL_get_wbio(ssl_.get()), output.data(), static_cast<int>(output.size()));
  return output;
}

void TlsRawClient::TakeInput(int socket) {
  char data[4096];
  ssize_t size;
  while ((size = ::recv(socket, data, sizeof data, MSG_DONTWAIT)) > 0) {
    ::BIO_write(::SSL_get_rbio(ssl_.get()), data, static_cast<int>(size));
  }
}

std::string TlsRawClient::Listen(int socket) {
  TakeInput(socket);
  std::string heard;
  char data[4096];
  int size;
  while ((size = ::SSL_read(ssl_.get(), data, sizeof data)) > 0) {
    heard.append(data, static_cast<size_t>(size));
  }
  return heard;
}

// RFC 8446 5.2 and 5.3.
std::string TlsRawClient::Seal(uint8_t type, std::string_view content, uint64_t sequence) const {
  std::string plain(content);
  plain.push_back(static_cast<char>(type));
  const size_t size = plain.size() + kTag;
  std::string record = {'\x17', '\x03', '\x03', static_cast<char>(size >> 8),
                        static_cast<char>(size)};
  const std::string key = Expand(secret_, "key", 16);
  std::string nonce = Expand(secret_, "iv", 12);
  for (size_t i = 0; i < 8; ++i) nonce[11 - i] ^= static_cast<char>(sequence >> (8 * i));
  std::string sealed(plain.size(), '\0');
  std::string tag(kTag, '\0');
  EVP_CIPHER_CTX* const cipher = ::EVP_CIPHER_CTX_new();
  int done = 0;
  ::EVP_EncryptInit_ex(cipher, ::EVP_aes_128_gcm(), nullptr, Octets(key), Octets(nonce));
  ::EVP_EncryptUpdate(cipher, nullptr, &done, Octets(record), static_cast<int>(record.size()));
  ::EVP_EncryptUpdate(cipher, Octets(sealed), &done, Octets(plain), static_cast<int>(plain.size()));
  ::EVP_EncryptFinal_ex(cipher, Octets(tag), &done);
  ::EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(tag.size()), tag.data());
  ::EVP_CIPHER_CTX_free(cipher);
  return record + sealed + tag;
}

}  // namespace squall::internal
