// GzipTestCase of Tornado, and RFC 9110 12.5.3.
#include "squall/web/body_encoder.h"

#include <memory>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "squall/httpserver/http_headers.h"
#include "squall/web/compression_options.h"
#include "squall/web/content_coding.h"
#include "squall/web/gunzip.h"
#include "squall/web/gzip_coding.h"

namespace squall::internal {
namespace {

HttpHeaders TextHeaders() {
  HttpHeaders headers;
  headers.Set("Content-Type", "text/html; charset=UTF-8");
  return headers;
}

std::unique_ptr<BodyEncoder> Make(const char* accept, HttpHeaders& headers, size_t size = 2000,
                                  bool whole = true, const CompressionOptions& options = {}) {
  VaryByEncoding(headers);
  return MakeBodyEncoder(options, {accept, size, whole}, headers);
}

TEST(BodyEncoderTest, WholeBody) {
  HttpHeaders headers = TextHeaders();
  headers.Set("Content-Length", "1000000");
  headers.Set("Etag", "\"x\"");
  const auto encoder = Make("gzip", headers);
  ASSERT_NE(encoder, nullptr);
  EXPECT_EQ(headers.Get("Content-Encoding"), "gzip");
  EXPECT_EQ(headers.Get("Vary"), "Accept-Encoding");
  EXPECT_EQ(headers.Get("Etag"), "W/\"x\"");
  EXPECT_FALSE(headers.Has("Content-Length"));
  std::string body;
  for (int i = 0; i < 100000; ++i) body += std::to_string(i * 7919);
  const std::string text = body;
  encoder->Encode(body, true);
  EXPECT_LT(body.size(), text.size());
  EXPECT_EQ(Gunzip(body), text);
}

TEST(BodyEncoderTest, PiecesCanBeShownAsTheyCome) {
  HttpHeaders headers = TextHeaders();
  const auto encoder = Make("gzip", headers, 1, false);
  ASSERT_NE(encoder, nullptr);
  std::string all;
  for (std::string piece : {"o", "", "k"}) {
    encoder->Encode(piece, false);
    all += piece;
  }
  std::string last;
  encoder->Encode(last, true);
  EXPECT_EQ(Gunzip(all + last), "ok");
}

TEST(BodyEncoderTest, WhenNot) {
  const auto refused = [](auto&& change, const char* accept, size_t size) {
    HttpHeaders headers = TextHeaders();
    change(headers);
    const bool none = Make(accept, headers, size) == nullptr;
    EXPECT_TRUE(headers.HasToken("Vary", "Accept-Encoding"));
    return none;
  };
  const auto nothing = [](HttpHeaders&) {};
  EXPECT_TRUE(refused(nothing, "gzip", 1023));
  EXPECT_FALSE(refused(nothing, "gzip", 1024));
  EXPECT_TRUE(refused([](HttpHeaders& h) { h.Set("Content-Type", "image/png"); }, "gzip", 2000));
  EXPECT_TRUE(refused([](HttpHeaders& h) { h.Set("Content-Encoding", "br"); }, "gzip", 2000));
  EXPECT_TRUE(refused([](HttpHeaders& h) { h.Set("Content-Range", "bytes 0-1/2"); }, "gzip", 2000));
  EXPECT_FALSE(
      refused([](HttpHeaders& h) { h.Set("Content-Type", "Application/JSON"); }, "gzip", 2000));
}

TEST(BodyEncoderTest, LengthAndTypesAreOptions) {
  const CompressionOptions options = {.min_length = 10,
                                      .content_types = {"application/wasm", "font/*"}};
  const auto compresses = [&](const char* type, size_t size) {
    HttpHeaders headers;
    headers.Set("Content-Type", type);
    return Make("gzip", headers, size, true, options) != nullptr;
  };
  EXPECT_TRUE(compresses("application/wasm", 10));
  EXPECT_FALSE(compresses("application/wasm", 9));
  EXPECT_TRUE(compresses("font/ttf ; x=y", 10));
  EXPECT_FALSE(compresses("fonts/ttf", 10));
  EXPECT_FALSE(compresses("text/html", 2000));
  EXPECT_FALSE(compresses("", 2000));
}

TEST(BodyEncoderTest, LevelIsAnOption) {
  const auto size = [](int level) {
    HttpHeaders headers = TextHeaders();
    std::string body;
    for (int i = 0; i < 20000; ++i) body += std::to_string(i * 7919 % 1000);
    Make("gzip", headers, body.size(), true, {.codings = {GzipCoding(level)}})->Encode(body, true);
    return body.size();
  };
  EXPECT_LT(size(9), size(1));
  EXPECT_DEATH(GzipCoding(10), "from 1 to 9");
}

TEST(BodyEncoderTest, AcceptEncoding) {
  const auto accepts = [](const char* accept) {
    HttpHeaders headers = TextHeaders();
    return Make(accept, headers) != nullptr;
  };
  for (const char* good : {"gzip", "GZip", "x-gzip", "deflate, gzip;q=0.5", "*", "gzip ; q=1.0",
                           "identity;q=0.5, gzip", "identity, gzip"}) {
    EXPECT_TRUE(accepts(good)) << good;
  }
  for (const char* bad : {"", "deflate", "gzip;q=0", "gzip; q=0.000", "gzipped", "*;q=0",
                          "*, gzip;q=0", "identity", "identity, gzip;q=0.9"}) {
    EXPECT_FALSE(accepts(bad)) << bad;
  }
}

// test_vary_already_present and test_vary_already_present_multiple.
TEST(BodyEncoderTest, VaryIsMerged) {
  HttpHeaders headers = TextHeaders();
  headers.Add("Vary", "Accept-Language");
  headers.Add("Vary", "Cookie");
  Make("", headers);
  EXPECT_EQ(headers.GetJoined("Vary"), "Accept-Language, Cookie, Accept-Encoding");
  Make("", headers);
  EXPECT_EQ(headers.GetJoined("Vary"), "Accept-Language, Cookie, Accept-Encoding");
}

}  // namespace
}  // namespace squall::internal
