#include "squall/web/signed_value.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
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

std::optional<int64_t> ToNumber(std::string_view text) {
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

std::optional<int> ToKeyVersion(std::string_view text) {
  const std::optional<int64_t> number = ToNumber(text);
  if (!number.has_value() || *number < 0 || *number > std::numeric_limits<int>::max()) {
    return std::nullopt;
  }
  return static_cast<int>(*number);
}

}  // namespace

std::string CreateSignedValue(std::string_view secret, int key_version, std::string_view name,
                              std::string_view value, absl::Time now) {
  const std::string time = absl::StrCat(absl::ToUnixSeconds(now));
  const std::string encoded = absl::Base64Escape(ToAbsl(value));
  const std::string text = absl::StrCat(ToAbsl(kFormat), Field(std::to_string(key_version)),
                                        Field(time), Field(name), Field(encoded));
  return absl::StrCat(text, Sign(secret, text));
}

std::string CreateSignedValue(std::string_view secret, std::string_view name,
                              std::string_view value, absl::Time now) {
  return CreateSignedValue(secret, 0, name, value, now);
}

std::optional<std::string> DecodeSignedValue(absl::FunctionRef<std::string_view(int)> secret_of,
                                             std::string_view name, std::string_view signed_value,
                                             const SignedValueOptions& options, absl::Time now) {
  if (!signed_value.starts_with(kFormat)) return std::nullopt;
  std::string_view rest = signed_value.substr(kFormat.size());
  const auto version_text = TakeField(rest);
  const auto time_text = TakeField(rest);
  const auto signed_name = TakeField(rest);
  const auto encoded = TakeField(rest);
  if (!version_text || !time_text || !signed_name || !encoded) return std::nullopt;
  const std::optional<int> key_version = ToKeyVersion(*version_text);
  if (!key_version.has_value()) return std::nullopt;
  const std::string_view secret = secret_of(*key_version);
  if (secret.empty()) return std::nullopt;
  const std::string_view text = signed_value.substr(0, signed_value.size() - rest.size());
  const std::string expected = Sign(secret, text);
  if (rest.size() != expected.size() ||
      CRYPTO_memcmp(rest.data(), expected.data(), expected.size()) != 0) {
    return std::nullopt;
  }
  if (*signed_name != name) return std::nullopt;
  const std::optional<int64_t> time = ToNumber(*time_text);
  if (!time.has_value() || absl::FromUnixSeconds(*time) < now - options.max_age) {
    return std::nullopt;
  }
  std::string value;
  if (!absl::Base64Unescape(ToAbsl(*encoded), &value)) return std::nullopt;
  return value;
}

std::optional<std::string> DecodeSignedValue(const CookieSecrets& secrets, std::string_view name,
                                             std::string_view signed_value,
                                             const SignedValueOptions& options, absl::Time now) {
  const auto secret_of = [&secrets](int version) {
    const auto found = secrets.find(version);
    return found == secrets.end() ? std::string_view() : std::string_view(found->second);
  };
  return DecodeSignedValue(secret_of, name, signed_value, options, now);
}

std::optional<std::string> DecodeSignedValue(std::string_view secret, std::string_view name,
                                             std::string_view signed_value,
                                             const SignedValueOptions& options, absl::Time now) {
  const auto secret_of = [secret](int version) {
    return version == 0 ? secret : std::string_view();
  };
  return DecodeSignedValue(secret_of, name, signed_value, options, now);
}

std::optional<int> GetSignatureKeyVersion(std::string_view signed_value) {
  if (!signed_value.starts_with(kFormat)) return std::nullopt;
  std::string_view rest = signed_value.substr(kFormat.size());
  const std::optional<std::string_view> version = TakeField(rest);
  return version.has_value() ? ToKeyVersion(*version) : std::nullopt;
}

}  // namespace squall
