#include "squall/web/signed_value.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/base/logging.h"
#include "squall/base/string_view.h"

namespace squall {

namespace {

constexpr std::string_view kFormat = "2|";
constexpr std::string_view kKeyVersion = "0";

std::string Sign(std::string_view secret, std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK(HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest,
             &size) != nullptr);
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest), size});
}

std::string Field(std::string_view text) {
  return absl::StrCat(text.size(), ":", ToAbsl(text), "|");
}

// Takes "length:text|" from the front of `rest`.
std::optional<std::string_view> TakeField(std::string_view& rest) {
  size_t size = 0;
  const char* const end = rest.data() + rest.size();
  const auto [stop, error] = std::from_chars(rest.data(), end, size);
  if (error != std::errc() || stop == end || *stop != ':') return std::nullopt;
  rest.remove_prefix(stop + 1 - rest.data());
  if (size >= rest.size() || rest[size] != '|') return std::nullopt;
  const std::string_view text = rest.substr(0, size);
  rest.remove_prefix(size + 1);
  return text;
}

}  // namespace

std::string CreateSignedValue(std::string_view secret, std::string_view name,
                              std::string_view value, absl::Time now) {
  const std::string time = absl::StrCat(absl::ToUnixSeconds(now));
  const std::string encoded = absl::Base64Escape(ToAbsl(value));
  const std::string text =
      absl::StrCat(ToAbsl(kFormat), Field(kKeyVersion), Field(time), Field(name), Field(encoded));
  return absl::StrCat(text, Sign(secret, text));
}

std::optional<std::string> DecodeSignedValue(std::string_view secret, std::string_view name,
                                             std::string_view signed_value,
                                             const SignedValueOptions& options, absl::Time now) {
  if (!signed_value.starts_with(kFormat)) return std::nullopt;
  std::string_view rest = signed_value.substr(kFormat.size());
  const auto key_version = TakeField(rest);
  const auto time_text = TakeField(rest);
  const auto signed_name = TakeField(rest);
  const auto encoded = TakeField(rest);
  if (!key_version || !time_text || !signed_name || !encoded) return std::nullopt;
  if (*key_version != kKeyVersion) return std::nullopt;
  const std::string_view text = signed_value.substr(0, signed_value.size() - rest.size());
  const std::string expected = Sign(secret, text);
  if (rest.size() != expected.size() ||
      CRYPTO_memcmp(rest.data(), expected.data(), expected.size()) != 0) {
    return std::nullopt;
  }
  if (*signed_name != name) return std::nullopt;
  int64_t time = 0;
  const char* const end = time_text->data() + time_text->size();
  const auto [stop, error] = std::from_chars(time_text->data(), end, time);
  if (error != std::errc() || stop != end) return std::nullopt;
  if (absl::FromUnixSeconds(time) < now - options.max_age) return std::nullopt;
  std::string value;
  if (!absl::Base64Unescape(ToAbsl(*encoded), &value)) return std::nullopt;
  return value;
}

}  // namespace squall
