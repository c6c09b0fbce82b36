#include "squall/httpserver/url.h"

#include <arpa/inet.h>

#include <algorithm>

#include "squall/httpserver/http_scan.h"

namespace squall {
namespace {

using internal::HasClass;
using internal::HexValue;
using internal::kHexChar;
using internal::kHostChar;

// Decodes into `out`; returns whether every "%" was followed by two hexadecimal digits.
bool Decode(std::string_view text, UrlSpace space, std::string& out) {
  bool strict = true;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? HexValue(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexValue(text[i + 2]) : -1;
      if (high >= 0 && low >= 0) {
        out.push_back(static_cast<char>(high << 4 | low));
        i += 2;
        continue;
      }
      strict = false;
    }
    out.push_back(c == '+' && space == UrlSpace::kPlus ? ' ' : c);
  }
  return strict;
}

void EscapeInto(std::string_view text, UrlSpace space, std::string& out) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (internal::IsAlpha(octet) || internal::IsDigit(octet) || c == '_' || c == '.' || c == '-' ||
        c == '~' || (c == '/' && space == UrlSpace::kPercent)) {
      out.push_back(c);
    } else if (c == ' ' && space == UrlSpace::kPlus) {
      out.push_back('+');
    } else {
      out.push_back('%');
      out.push_back(kHex[octet >> 4]);
      out.push_back(kHex[octet & 15]);
    }
  }
}

bool AllDigits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return internal::IsDigit(c); });
}

// The value of at most five digits up to 65535.
std::optional<int> ParsePort(std::string_view digits) {
  // Leading zeros do not make a port larger.
  while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
  if (digits.empty() || digits.size() > 5 || !AllDigits(digits)) return std::nullopt;
  int port = 0;
  for (const char c : digits) port = port * 10 + (c - '0');
  if (port > 65535) return std::nullopt;
  return port;
}

// What stands between "[" and "]": IPv6address / IPvFuture.
bool IsValidIpLiteral(std::string_view text) {
  if (!text.empty() && internal::ToLower(text.front()) == 'v') {
    const size_t dot = text.find('.');
    if (dot == std::string_view::npos || dot < 2 || dot + 1 == text.size()) return false;
    return std::all_of(text.begin() + 1, text.begin() + dot,
                       [](char c) { return HasClass(c, kHexChar); }) &&
           std::all_of(text.begin() + dot + 1, text.end(),
                       [](char c) { return HasClass(c, kHostChar) || c == ':'; });
  }
  in6_addr address;
  const std::string copy(text);
  return text.find('\0') == std::string_view::npos &&
         inet_pton(AF_INET6, copy.c_str(), &address) == 1;
}

bool IsValidRegName(std::string_view text) {
  const auto is_host_char = [](char c) { return HasClass(c, kHostChar); };
  auto at = text.begin();
  while ((at = std::find_if_not(at, text.end(), is_host_char)) != text.end()) {
    if (*at != '%' || text.end() - at < 3) return false;
    if (HexValue(at[1]) < 0 || HexValue(at[2]) < 0) return false;
    at += 3;
  }
  return true;
}

}  // namespace

std::optional<std::string> PercentDecode(std::string_view text, UrlSpace space) {
  std::string out;
  if (!Decode(text, space, out)) return std::nullopt;
  return out;
}

std::string PercentDecodeLenient(std::string_view text, UrlSpace space) {
  std::string out;
  Decode(text, space, out);
  return out;
}

std::string UrlEscape(std::string_view text, UrlSpace space) {
  std::string out;
  EscapeInto(text, space, out);
  return out;
}

TargetParts SplitTarget(std::string_view target) {
  const size_t mark = target.find('?');
  if (mark == std::string_view::npos) return {target, {}};
  return {target.substr(0, mark), target.substr(mark + 1)};
}

UrlArguments ParseQuery(std::string_view query) {
  UrlArguments arguments;
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    const size_t equals = std::min(pair.find('='), pair.size());
    arguments.emplace_back(
        PercentDecodeLenient(pair.substr(0, equals), UrlSpace::kPlus),
        PercentDecodeLenient(pair.substr(std::min(equals + 1, pair.size())), UrlSpace::kPlus));
  }
  return arguments;
}

std::string EncodeQuery(const UrlArguments& arguments) {
  std::string out;
  for (const auto& [name, value] : arguments) {
    if (!out.empty()) out.push_back('&');
    EscapeInto(name, UrlSpace::kPlus, out);
    out.push_back('=');
    EscapeInto(value, UrlSpace::kPlus, out);
  }
  return out;
}

std::string UrlConcat(std::string_view url, const UrlArguments& arguments) {
  if (arguments.empty()) return std::string(url);
  const size_t hash = std::min(url.find('#'), url.size());
  const auto [path, query] = SplitTarget(url.substr(0, hash));
  UrlArguments all = ParseQuery(query);
  all.insert(all.end(), arguments.begin(), arguments.end());
  std::string out(path);
  out.push_back('?');
  out.append(EncodeQuery(all));
  out.append(url.substr(hash));
  return out;
}

HostAndPort SplitHostAndPort(std::string_view netloc) {
  const size_t colon = netloc.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return {netloc, std::nullopt};
  const std::optional<int> port = ParsePort(netloc.substr(colon + 1));
  if (!port.has_value()) return {netloc, std::nullopt};
  return {netloc.substr(0, colon), port};
}

std::string HostName(std::string_view authority) {
  std::string_view host = SplitHostAndPort(authority).host;
  if (host.ends_with(':')) host.remove_suffix(1);
  std::string lower(host);
  std::transform(lower.begin(), lower.end(), lower.begin(), internal::ToLower);
  return lower;
}

bool IsValidHost(std::string_view text) {
  if (text.empty()) return true;
  std::string_view port;
  bool has_port = false;
  if (text.front() == '[') {
    const size_t close = text.find(']');
    if (close == std::string_view::npos || !IsValidIpLiteral(text.substr(1, close - 1))) {
      return false;
    }
    port = text.substr(close + 1);
    if (!port.empty() && port.front() != ':') return false;
    has_port = !port.empty();
  } else {
    const size_t colon = std::min(text.find(':'), text.size());
    // An http URI with a port but no host has to be refused, RFC 9110 §4.2.1.
    if (colon == 0 || !IsValidRegName(text.substr(0, colon))) return false;
    port = text.substr(colon);
    has_port = !port.empty();
  }
  // "a:" is fine: the port may be empty, RFC 3986 §3.2.3.
  return !has_port || port.size() == 1 || ParsePort(port.substr(1)).has_value();
}

}  // namespace squall
