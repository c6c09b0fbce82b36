// Brotli and Zstandard, each read by its own library's decoder.
#include <brotli/decode.h>
#include <zstd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "squall/web/application.h"
#include "squall/web/brotli_coding.h"
#include "squall/web/content_coding.h"
#include "squall/web/fake_exchange.h"
#include "squall/web/gzip_coding.h"
#include "squall/web/handler.h"
#include "squall/web/settings.h"
#include "squall/web/zstd_coding.h"

namespace squall {
namespace {

// What can be read of `data`, also when its end is not there yet.
std::string Decode(std::string_view coding, std::string_view data) {
  std::string text(8 << 20, '\0');
  if (coding == "br") {
    const std::unique_ptr<BrotliDecoderState, decltype(&BrotliDecoderDestroyInstance)> state(
        BrotliDecoderCreateInstance(nullptr, nullptr, nullptr), &BrotliDecoderDestroyInstance);
    size_t left = data.size();
    const auto* next = reinterpret_cast<const uint8_t*>(data.data());
    size_t room = text.size();
    auto* out = reinterpret_cast<uint8_t*>(text.data());
    EXPECT_NE(BrotliDecoderDecompressStream(state.get(), &left, &next, &room, &out, nullptr),
              BROTLI_DECODER_RESULT_ERROR);
    text.resize(text.size() - room);
  } else {
    const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(),
                                                                       &ZSTD_freeDCtx);
    // As a browser has it.
    EXPECT_FALSE(ZSTD_isError(ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, 23)));
    ZSTD_inBuffer input = {data.data(), data.size(), 0};
    ZSTD_outBuffer output = {text.data(), text.size(), 0};
    while (input.pos < input.size) {
      const size_t result = ZSTD_decompressStream(context.get(), &output, &input);
      if (ZSTD_isError(result)) {
        ADD_FAILURE() << ZSTD_getErrorName(result);
        break;
      }
    }
    text.resize(output.pos);
  }
  return text;
}

// Compresses to about half.
std::string Text(size_t size) {
  std::string text;
  for (uint32_t i = 1; text.size() < size; ++i) absl::StrAppend(&text, i * 2654435761u, " ");
  text.resize(size);
  return text;
}

class OptionalCodingTest : public testing::TestWithParam<ContentCoding> {};

TEST_P(OptionalCodingTest, WholeBodies) {
  for (const size_t size : {0u, 1u, 1024u, 100000u, 400000u}) {
    const auto encoder = GetParam().make_encoder();
    const std::string text = Text(size);
    std::string body = text;
    encoder->Encode(body, true);
    EXPECT_TRUE(Decode(GetParam().name, body) == text) << size;
    if (size > 1000) {
      EXPECT_LT(body.size(), text.size() * 3 / 4);
    }
  }
}

TEST_P(OptionalCodingTest, PiecesCanBeShownAsTheyCome) {
  const auto encoder = GetParam().make_encoder();
  std::string all;
  std::string sent;
  for (const std::string& piece : {std::string("o"), std::string(), Text(200000), Text(10)}) {
    std::string body = piece;
    encoder->Encode(body, false);
    all += piece;
    sent += body;
    EXPECT_TRUE(Decode(GetParam().name, sent) == all) << all.size();
  }
  std::string last = "k";
  encoder->Encode(last, true);
  EXPECT_TRUE(Decode(GetParam().name, sent + last) == all + "k");
}

INSTANTIATE_TEST_SUITE_P(All, OptionalCodingTest,
                         testing::Values(BrotliCoding(), BrotliCoding({.quality = 9}),
                                         BrotliCoding({.quality = 0, .window_bits = 10}),
                                         ZstdCoding(), ZstdCoding(1), ZstdCoding(19)));

struct Page : RequestHandler {
  void Get() { Write(std::string(2000, 'x')); }
  void Post() {
    Write("now");
    Flush();
    Write("later");
  }
};

TEST(OptionalCodingsTest, TheClientChoosesAndThenTheOrder) {
  Settings settings{.compress_response = true, .log_function = nullptr};
  settings.compression.codings = {BrotliCoding(), ZstdCoding(), GzipCoding()};
  Application app({{"/", Handler<Page>()}}, settings);
  const auto coding = [&](const char* accept) {
    const FakeExchange exchange(app,
                                GetRequest("/", absl::StrCat("Accept-Encoding: ", accept, "\r\n")));
    EXPECT_EQ(exchange.header("Vary"), "Accept-Encoding");
    const std::string name = exchange.header("Content-Encoding");
    if (name == "br" || name == "zstd") {
      EXPECT_EQ(Decode(name, exchange.body()), std::string(2000, 'x'));
    }
    return name;
  };
  EXPECT_EQ(coding("gzip, deflate, br, zstd"), "br");
  EXPECT_EQ(coding("gzip, zstd"), "zstd");
  EXPECT_EQ(coding("gzip"), "gzip");
  EXPECT_EQ(coding("br;q=0.5, zstd;q=0.9, gzip;q=0.7"), "zstd");
  EXPECT_EQ(coding("*, br;q=0"), "zstd");
  EXPECT_EQ(coding("deflate"), "");
  EXPECT_EQ(coding("identity, br;q=0.5"), "");
  EXPECT_EQ(coding("identity;q=0.1, br;q=0.5"), "br");
}

TEST(OptionalCodingsTest, AFlushedPieceLeavesAtOnce) {
  Settings settings{.compress_response = true, .log_function = nullptr};
  settings.compression.codings = {ZstdCoding()};
  Application app({{"/", Handler<Page>()}}, settings);
  std::string request = BodyRequest("POST", "/", "", "");
  request.insert(request.find("\r\n") + 2, "Accept-Encoding: zstd\r\n");
  const FakeExchange exchange(app, request);
  EXPECT_EQ(exchange.header("Content-Encoding"), "zstd");
  EXPECT_FALSE(exchange.has_header("Content-Length"));
  EXPECT_EQ(exchange.writes(), 2);
  EXPECT_EQ(Decode("zstd", exchange.body()), "nowlater");
}

}  // namespace
}  // namespace squall
