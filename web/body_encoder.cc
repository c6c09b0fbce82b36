#include "squall/web/body_encoder.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/http_headers.h"
#include "squall/web/accept_encoding.h"
#include "squall/web/compression_options.h"
#include "squall/web/content_coding.h"

namespace squall::internal {

namespace {

bool IsCompressible(const CompressionOptions& options, std::string_view content_type) {
  const std::string type = absl::AsciiStrToLower(
      absl::StripTrailingAsciiWhitespace(ToAbsl(content_type.substr(0, content_type.find(';')))));
  return std::any_of(options.content_types.begin(), options.content_types.end(),
                     [&](std::string_view listed) {
                       if (!listed.ends_with("/*")) return listed == type;
                       return type.starts_with(listed.substr(0, listed.size() - 1));
                     });
}

}  // namespace

void VaryByEncoding(HttpHeaders& headers) {
  if (headers.HasToken("Vary", "Accept-Encoding")) return;
  const std::string vary = headers.GetJoined("Vary");
  headers.Set("Vary", vary.empty() ? "Accept-Encoding" : absl::StrCat(vary, ", Accept-Encoding"));
}

const ContentCoding* ChooseCoding(const CompressionOptions& options, const EncodingRequest& request,
                                  const HttpHeaders& headers) {
  if (request.accept_encoding.empty()) return nullptr;
  if (request.whole && request.body_size < options.min_length) return nullptr;
  // A part of something: its octets must be those of the whole (RFC 9110 14.4).
  if (headers.Has("Content-Encoding") || headers.Has("Content-Range")) return nullptr;
  if (!IsCompressible(options, headers.Get("Content-Type").value_or(""))) return nullptr;
  const ContentCoding* best = nullptr;
  int most = 0;
  for (const ContentCoding& coding : options.codings) {
    const int weight = AcceptedWeight(request.accept_encoding, coding.name);
    if (weight <= most) continue;
    most = weight;
    best = &coding;
  }
  // "*" is no wish for identity, which is acceptable without a word.
  const std::optional<int> identity = NamedWeight(request.accept_encoding, "identity");
  return identity.has_value() && *identity > most ? nullptr : best;
}

void WeakenEtag(HttpHeaders& headers) {
  if (const auto etag = headers.Get("Etag"); etag.has_value() && etag->starts_with('"')) {
    headers.Set("Etag", absl::StrCat("W/", ToAbsl(*etag)));
  }
}

std::unique_ptr<BodyEncoder> MakeBodyEncoder(const CompressionOptions& options,
                                             const EncodingRequest& request, HttpHeaders& headers) {
  const ContentCoding* const coding = ChooseCoding(options, request, headers);
  if (coding == nullptr) return nullptr;
  WeakenEtag(headers);
  headers.Set("Content-Encoding", coding->name);
  headers.Remove("Content-Length");
  return coding->make_encoder();
}

}  // namespace squall::internal
