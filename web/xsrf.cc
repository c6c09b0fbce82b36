#include "squall/web/xsrf.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "squall/base/logging.h"
#include "squall/base/string_view.h"
#include "squall/web/random_octets.h"

namespace squall::internal {

namespace {

constexpr size_t kMaskSize = 4;
constexpr size_t kSecretSize = 16;

std::optional<std::string> FromHex(absl::string_view text) {
  const auto is_hex = [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; };
  if (text.size() % 2 != 0 || !std::all_of(text.begin(), text.end(), is_hex)) return std::nullopt;
  return absl::HexStringToBytes(text);
}

// "2" of "2|...". Tokens of version 1 do not say so.
std::optional<std::string_view> VersionOf(std::string_view token) {
  const size_t bar = token.find('|');
  if (bar == std::string_view::npos || bar == 0 || token[0] == '0') return std::nullopt;
  const std::string_view number = token.substr(0, bar);
  const bool digits = std::all_of(number.begin(), number.end(),
                                  [](unsigned char c) { return std::isdigit(c) != 0; });
  return digits ? std::optional(number) : std::nullopt;
}

// `mask` must have kMaskSize octets: Tornado's C version read behind a shorter one
// (CVE-2026-49854).
std::string Masked(std::string_view mask, std::string_view text) {
  CHECK_EQ(mask.size(), kMaskSize);
  std::string result(text);
  for (size_t i = 0; i < result.size(); ++i) result[i] ^= mask[i % kMaskSize];
  return result;
}

}  // namespace

XsrfSecret NewXsrfSecret(absl::Time now) {
  return {RandomOctets(kSecretSize), absl::ToUnixSeconds(now)};
}

std::optional<XsrfSecret> ReadXsrfToken(std::string_view token) {
  if (token.empty()) return std::nullopt;
  const std::optional<std::string_view> version = VersionOf(token);
  if (!version.has_value()) {
    std::optional<std::string> octets = FromHex(ToAbsl(token));
    return XsrfSecret{octets.has_value() ? *octets : std::string(token), 0};
  }
  if (*version != "2") return std::nullopt;
  const std::vector<absl::string_view> parts = absl::StrSplit(ToAbsl(token), '|');
  if (parts.size() != 4) return std::nullopt;
  const std::optional<std::string> mask = FromHex(parts[1]);
  const std::optional<std::string> masked = FromHex(parts[2]);
  if (!mask || mask->size() != kMaskSize || !masked || masked->empty()) return std::nullopt;
  int64_t time = 0;
  const char* const end = parts[3].data() + parts[3].size();
  const auto [stop, error] = std::from_chars(parts[3].data(), end, time);
  if (error != std::errc() || stop != end) return std::nullopt;
  return XsrfSecret{Masked(*mask, *masked), time};
}

std::string MaskXsrfSecret(const XsrfSecret& secret) {
  const std::string mask = RandomOctets(kMaskSize);
  return absl::StrCat("2|", absl::BytesToHexString(mask), "|",
                      absl::BytesToHexString(Masked(mask, secret.octets)), "|", secret.time);
}

bool XsrfTokensMatch(std::string_view cookie, std::string_view token) {
  const std::optional<XsrfSecret> a = ReadXsrfToken(cookie);
  const std::optional<XsrfSecret> b = ReadXsrfToken(token);
  return a && b && a->octets.size() == b->octets.size() &&
         CRYPTO_memcmp(a->octets.data(), b->octets.data(), a->octets.size()) == 0;
}

}  // namespace squall::internal
