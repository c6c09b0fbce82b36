#include "squall/httpserver/gzip_decompressor.h"

#include <zlib.h>

#include <string>

#include "gtest/gtest.h"

namespace squall {
namespace {

using Result = GzipDecompressor::Result;

std::string Gzip(const std::string& text) {
  z_stream z = {};
  EXPECT_EQ(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(text.size() + 1000, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

// The whole of `input` in pieces of `in`, with an output buffer of `out` octets.
Result Inflate(GzipDecompressor& gzip, std::string_view input, size_t in, size_t out,
               std::string* text) {
  std::string buffer(out, '\0');
  Result result = Result::kNeedInput;
  while (!input.empty() && result != Result::kCorrupt) {
    std::string_view piece = input.substr(0, in);
    input.remove_prefix(piece.size());
    do {
      size_t size = 0;
      result = gzip.Next(piece, buffer.data(), out, &size);
      text->append(buffer, 0, size);
    } while (result == Result::kOutput);
  }
  return result;
}

TEST(GzipDecompressorTest, EverySegmentation) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += std::to_string(i * 7919);
  const std::string input = Gzip(text) + Gzip("tail") + Gzip("");
  for (size_t in : {size_t{1}, size_t{7}, size_t{4096}, input.size()}) {
    for (size_t out : {size_t{1}, size_t{16}, size_t{65536}}) {
      GzipDecompressor gzip;
      std::string result;
      EXPECT_EQ(Inflate(gzip, input, in, out, &result), Result::kNeedInput);
      EXPECT_EQ(result, text + "tail");
      EXPECT_TRUE(gzip.complete());
    }
  }
}

TEST(GzipDecompressorTest, TruncatedIsNotComplete) {
  const std::string input = Gzip("hello, world");
  for (size_t size = 1; size < input.size(); ++size) {
    GzipDecompressor gzip;
    std::string result;
    EXPECT_EQ(Inflate(gzip, input.substr(0, size), 3, 5, &result), Result::kNeedInput);
    EXPECT_FALSE(gzip.complete()) << size;
  }
}

TEST(GzipDecompressorTest, RubbishIsCorruptForGood) {
  for (const std::string& bad : {std::string("plain text, not gzip"), Gzip("a") + "rubbish here"}) {
    GzipDecompressor gzip;
    std::string result;
    EXPECT_EQ(Inflate(gzip, bad, bad.size(), 64, &result), Result::kCorrupt);
    EXPECT_FALSE(gzip.complete());
    EXPECT_EQ(Inflate(gzip, Gzip("b"), 100, 64, &result), Result::kCorrupt);
  }
}

TEST(GzipDecompressorTest, NothingIsComplete) {
  GzipDecompressor gzip;
  EXPECT_TRUE(gzip.complete());
  std::string_view nothing;
  char buffer[4];
  size_t size = 1;
  EXPECT_EQ(gzip.Next(nothing, buffer, sizeof buffer, &size), Result::kNeedInput);
  EXPECT_EQ(size, 0u);
}

}  // namespace
}  // namespace squall
