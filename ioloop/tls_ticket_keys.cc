#include "squall/ioloop/tls_ticket_keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "squall/base/logging.h"

namespace squall {
namespace {

// HKDF-Expand with SHA-256, its first block, which is all that is needed: T(1) of RFC 5869 2.3.
std::array<unsigned char, 32> Expand(const std::array<unsigned char, 32>& secret,
                                     std::string_view info) {
  std::string input(info);
  input.push_back('\x01');
  std::array<unsigned char, 32> result;
  unsigned int size = 0;
  const unsigned char* const done = ::HMAC(
      ::EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
      reinterpret_cast<const unsigned char*>(input.data()), input.size(), result.data(), &size);
  CHECK(done != nullptr && size == result.size()) << "OpenSSL has no HMAC-SHA-256";
  return result;
}

TlsTicketKeys::Key KeyOf(const std::array<unsigned char, 32>& secret) {
  TlsTicketKeys::Key key;
  // Stands in the ticket in the clear.
  const std::array<unsigned char, 32> name = Expand(secret, "squall ticket name");
  std::copy_n(name.begin(), key.name.size(), key.name.begin());
  key.encryption = Expand(secret, "squall ticket encryption");
  key.authentication = Expand(secret, "squall ticket authentication");
  return key;
}

void Erase(TlsTicketKeys::Key& key) { ::OPENSSL_cleanse(&key, sizeof key); }

}  // namespace

TlsTicketKeys::TlsTicketKeys(Options options) : options_(options), begun_(options.clock->Now()) {
  CHECK(options_.period >= absl::Seconds(1))
      << "the period of ticket keys is at least 1s, not " << absl::FormatDuration(options_.period);
  CHECK_EQ(::RAND_priv_bytes(secret_.data(), static_cast<int>(secret_.size())), 1)
      << "OpenSSL has no random octets";
  current_ = KeyOf(secret_);
}

TlsTicketKeys::~TlsTicketKeys() {
  ::OPENSSL_cleanse(secret_.data(), secret_.size());
  Erase(current_);
  if (previous_) Erase(*previous_);
}

void TlsTicketKeys::Advance() {
  const std::lock_guard<std::mutex> lock(mutex_);
  AdvanceLocked();
}

TlsTicketKeys::Key TlsTicketKeys::Current() {
  const std::lock_guard<std::mutex> lock(mutex_);
  AdvanceLocked();
  return current_;
}

std::optional<TlsTicketKeys::Found> TlsTicketKeys::Find(const unsigned char name[16]) {
  const std::lock_guard<std::mutex> lock(mutex_);
  AdvanceLocked();
  if (std::equal(current_.name.begin(), current_.name.end(), name)) {
    return Found{.key = current_, .current = true};
  }
  if (previous_ && std::equal(previous_->name.begin(), previous_->name.end(), name)) {
    return Found{.key = *previous_, .current = false};
  }
  return std::nullopt;
}

int64_t TlsTicketKeys::Period() const { return (options_.clock->Now() - begun_) / options_.period; }

void TlsTicketKeys::AdvanceLocked() {
  const int64_t now = Period();
  while (period_ < now) {
    Secret next = Expand(secret_, "squall ticket next");
    secret_ = next;
    ::OPENSSL_cleanse(next.data(), next.size());
    ++period_;
    // Those between are nobody's, and a process that was idle for days has many steps to make.
    if (period_ < now - 1) continue;
    if (previous_) Erase(*previous_);
    previous_ = current_;
    current_ = KeyOf(secret_);
  }
}

}  // namespace squall
