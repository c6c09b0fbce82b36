#include "squall/web/trace_context.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "squall/web/random_octets.h"

namespace squall {

namespace {

constexpr uint8_t kKnownFlags = 0x01;

bool IsLowerHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsId(std::string_view text) {
  return IsLowerHex(text) && text.find_first_not_of('0') != std::string_view::npos;
}

std::string RandomId(size_t octets) {
  std::string id;
  do {
    id = absl::BytesToHexString(internal::RandomOctets(octets));
  } while (!IsId(id));
  return id;
}

uint8_t FromHex(std::string_view two) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  return static_cast<uint8_t>(digit(two[0]) << 4 | digit(two[1]));
}

}  // namespace

TraceContext TraceContext::New() { return {RandomId(16), RandomId(8), "", 0}; }

TraceContext TraceContext::Child() const {
  return {trace_id, RandomId(8), span_id, static_cast<uint8_t>(flags & kKnownFlags)};
}

std::string TraceContext::Traceparent() const {
  return absl::StrCat("00-", trace_id, "-", span_id, "-", absl::Hex(flags, absl::kZeroPad2));
}

std::optional<TraceContext> ParseTraceparent(std::string_view value) {
  // 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
  constexpr size_t kSize = 55;
  if (value.size() < kSize || value[2] != '-' || value[35] != '-' || value[52] != '-') {
    return std::nullopt;
  }
  const std::string_view version = value.substr(0, 2);
  const std::string_view trace_id = value.substr(3, 32);
  const std::string_view span_id = value.substr(36, 16);
  const std::string_view flags = value.substr(53, 2);
  if (!IsLowerHex(version) || version == "ff" || !IsLowerHex(flags)) return std::nullopt;
  if (!IsId(trace_id) || !IsId(span_id)) return std::nullopt;
  if (value.size() > kSize && (version == "00" || value[kSize] != '-')) return std::nullopt;
  return TraceContext{std::string(trace_id), std::string(span_id), "", FromHex(flags)};
}

bool IsValidRequestId(std::string_view id) {
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isalnum(c) ||
           std::string_view("-._~+/=:@").find(c) != std::string_view::npos;
  });
}

std::string NewRequestId() { return absl::BytesToHexString(internal::RandomOctets(16)); }

}  // namespace squall
