#include "squall/web/body_encoder.h"

#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/base/string_view.h"
#include "squall/web/accept_encoding.h"

namespace squall::internal {

namespace {

constexpr size_t kLeastBody = 1024;
constexpr int kGzipLevel = 6;
constexpr int kGzipWindow = 15 + 16;  // zlib writes a gzip header and trailer for this

class GzipEncoder final : public BodyEncoder {
 public:
  GzipEncoder() {
    CHECK_EQ(deflateInit2(&stream_, kGzipLevel, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY),
             Z_OK);
  }
  ~GzipEncoder() override { deflateEnd(&stream_); }
  GzipEncoder(const GzipEncoder&) = delete;
  GzipEncoder& operator=(const GzipEncoder&) = delete;

  void Encode(std::string& body, bool last) override {
    std::string encoded;
    stream_.next_in = reinterpret_cast<Bytef*>(body.data());
    stream_.avail_in = body.size();
    const int flush = last ? Z_FINISH : Z_SYNC_FLUSH;
    size_t used = 0;
    do {
      encoded.resize(used + std::max<size_t>(deflateBound(&stream_, stream_.avail_in), 64));
      stream_.next_out = reinterpret_cast<Bytef*>(encoded.data()) + used;
      stream_.avail_out = encoded.size() - used;
      deflate(&stream_, flush);
      used = encoded.size() - stream_.avail_out;
    } while (stream_.avail_out == 0);
    encoded.resize(used);
    body = std::move(encoded);
  }

 private:
  z_stream stream_ = {};
};

bool IsCompressible(std::string_view content_type) {
  const std::string type =
      absl::AsciiStrToLower(ToAbsl(content_type.substr(0, content_type.find(';'))));
  if (type.starts_with("text/")) return true;
  static constexpr std::string_view kTypes[] = {
      "application/javascript", "application/x-javascript", "application/xml",
      "application/atom+xml",   "application/json",         "application/xhtml+xml",
      "image/svg+xml"};
  return std::find(std::begin(kTypes), std::end(kTypes), type) != std::end(kTypes);
}

}  // namespace

std::unique_ptr<BodyEncoder> MakeBodyEncoder(const EncodingRequest& request, HttpHeaders& headers) {
  if (!headers.HasToken("Vary", "Accept-Encoding")) {
    const std::string vary = headers.GetJoined("Vary");
    headers.Set("Vary", vary.empty() ? "Accept-Encoding" : absl::StrCat(vary, ", Accept-Encoding"));
  }
  if (headers.Has("Content-Encoding") || AcceptedWeight(request.accept_encoding, "gzip") == 0)
    return nullptr;
  if (request.whole && request.body_size < kLeastBody) return nullptr;
  if (!IsCompressible(headers.Get("Content-Type").value_or(""))) return nullptr;
  // A part of something: its octets must be those of the whole (RFC 9110 14.4).
  if (headers.Has("Content-Range")) return nullptr;
  // The same tag may not name two octet strings, unless it is a weak one (RFC 9110 8.8.3).
  if (const auto etag = headers.Get("Etag"); etag.has_value() && etag->starts_with('"')) {
    headers.Set("Etag", absl::StrCat("W/", ToAbsl(*etag)));
  }
  headers.Set("Content-Encoding", "gzip");
  headers.Remove("Content-Length");
  return std::make_unique<GzipEncoder>();
}

}  // namespace squall::internal
