// HttpServerOptions::decompress_request: which bodies are decoded.
#include <zlib.h>

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/raw_client.h"
#include "squall/httpserver/test_app.h"

namespace squall {
namespace {

std::string Gzip(std::string_view text) {
  z_stream stream = {};
  EXPECT_EQ(::deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(1024, '\0');
  std::string input(text);
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(packed.size() - stream.avail_out);
  ::deflateEnd(&stream);
  return packed;
}

class ContentEncodingTest : public testing::Test {
 protected:
  ContentEncodingTest() : server_(app_, {.decompress_request = true}) {
    app_.Route(
        "/echo", {.finish = [](TestApp::Exchange& e) {
          const HttpHeaders& headers = e.connection->head().headers();
          e.Answer(absl::StrCat(headers.GetJoined("Content-Encoding"), "|",
                                headers.GetJoined("X-Consumed-Content-Encoding"), "|", e.body))
              .IgnoreError();
        }});
  }

  std::string Echo(const std::string& fields, const std::string& body) {
    RawClient client(server_.port());
    client.Send(absl::StrCat("POST /echo HTTP/1.1\r\nHost: a\r\n", fields,
                             "Content-Length: ", body.size(), "\r\n\r\n", body));
    return client.ReadResponse().body;
  }

  TestApp app_;
  HttpServerThread server_;
};

TEST_F(ContentEncodingTest, Gzip) {
  EXPECT_EQ(Echo("Content-Encoding: gzip\r\n", Gzip("text")), "|gzip|text");
  EXPECT_EQ(Echo("Content-Encoding: GZip\r\n", Gzip("text")), "|GZip|text");
}

// RFC 9110 8.4.1.3.
TEST_F(ContentEncodingTest, XGzipIsGzip) {
  EXPECT_EQ(Echo("Content-Encoding: x-gzip\r\n", Gzip("text")), "|x-gzip|text");
}

// Several lines are one list (RFC 9110 5.3), and its last member is the outermost coding.
TEST_F(ContentEncodingTest, SeveralCodingsAreLeftAlone) {
  const std::string once = Gzip("text");
  const std::string twice = Gzip(once);
  EXPECT_EQ(Echo("Content-Encoding: gzip, gzip\r\n", twice), "gzip, gzip||" + twice);
  EXPECT_EQ(Echo("Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n", twice),
            "gzip, gzip||" + twice);
  EXPECT_EQ(Echo("Content-Encoding: gzip\r\nContent-Encoding: br\r\n", once), "gzip, br||" + once);
}

}  // namespace
}  // namespace squall
