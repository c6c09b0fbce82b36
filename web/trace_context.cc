#include "squall/web/trace_context.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "squall/base/string_view.h"
#include "squall/web/random_octets.h"

namespace squall {

namespace {

constexpr uint8_t kKnownFlags = 0x01;
// 3.3.1.1 and 3.3.1.5.
constexpr size_t kMostMembers = 32;
constexpr size_t kMostState = 512;
constexpr size_t kLargeMember = 128;

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

bool IsLowerAlpha(char c) { return c >= 'a' && c <= 'z'; }

bool IsKeyText(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return IsLowerAlpha(c) || absl::ascii_isdigit(c) ||
           std::string_view("_-*/").find(c) != std::string_view::npos;
  });
}

// simple-key, or tenant-id "@" system-id.
bool IsStateKey(std::string_view key) {
  const size_t at = key.find('@');
  if (at == std::string_view::npos) {
    return !key.empty() && key.size() <= 256 && IsLowerAlpha(key[0]) && IsKeyText(key);
  }
  const std::string_view tenant = key.substr(0, at);
  const std::string_view system = key.substr(at + 1);
  return !tenant.empty() && tenant.size() <= 241 && IsKeyText(tenant) &&
         (IsLowerAlpha(tenant[0]) || absl::ascii_isdigit(tenant[0])) && !system.empty() &&
         system.size() <= 14 && IsLowerAlpha(system[0]) && IsKeyText(system);
}

// Its end is no space, for it was trimmed.
bool IsStateValue(std::string_view value) {
  return !value.empty() && value.size() <= 256 &&
         std::all_of(value.begin(), value.end(),
                     [](char c) { return c >= ' ' && c <= '~' && c != '='; });
}

struct StateMember {
  std::string_view key;
  std::string_view text;  // key=value
};

// Octets of them in one field.
size_t StateSize(const std::vector<StateMember>& members) {
  size_t size = members.empty() ? 0 : members.size() - 1;
  for (const StateMember& member : members) size += member.text.size();
  return size;
}

uint8_t FromHex(std::string_view two) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  return static_cast<uint8_t>(digit(two[0]) << 4 | digit(two[1]));
}

}  // namespace

TraceContext TraceContext::New() { return {RandomId(16), RandomId(8), "", 0, ""}; }

TraceContext TraceContext::Child() const {
  return {trace_id, RandomId(8), span_id, static_cast<uint8_t>(flags & kKnownFlags), tracestate};
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
  return TraceContext{std::string(trace_id), std::string(span_id), "", FromHex(flags), ""};
}

std::string ParseTracestate(std::string_view value) {
  std::vector<StateMember> members;
  size_t count = 0;
  for (const absl::string_view piece : absl::StrSplit(ToAbsl(value), ',')) {
    const absl::string_view stripped = absl::StripAsciiWhitespace(piece);
    const std::string_view text(stripped.data(), stripped.size());
    if (text.empty()) continue;
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos || ++count > kMostMembers) return "";
    const std::string_view key = text.substr(0, equals);
    if (!IsStateKey(key) || !IsStateValue(text.substr(equals + 1))) return "";
    const auto same_key = [key](const StateMember& member) { return member.key == key; };
    // The first is the latest.
    if (std::none_of(members.begin(), members.end(), same_key)) members.push_back({key, text});
  }
  for (size_t i = members.size(); i > 0 && StateSize(members) > kMostState; --i) {
    if (members[i - 1].text.size() > kLargeMember) {
      members.erase(members.begin() + static_cast<ptrdiff_t>(i - 1));
    }
  }
  while (StateSize(members) > kMostState) members.pop_back();
  return absl::StrJoin(members, ",", [](std::string* out, const StateMember& member) {
    absl::StrAppend(out, ToAbsl(member.text));
  });
}

bool IsValidRequestId(std::string_view id) {
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isalnum(c) ||
           std::string_view("-._~+/=:@").find(c) != std::string_view::npos;
  });
}

std::string NewRequestId() { return absl::BytesToHexString(internal::RandomOctets(16)); }

}  // namespace squall
