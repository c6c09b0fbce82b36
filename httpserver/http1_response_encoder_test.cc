#include "squall/httpserver/http1_response_encoder.h"

#include <string>

#include "gtest/gtest.h"

namespace squall::internal {
namespace {

using Facts = Http1ResponseEncoder::RequestFacts;

std::string Encode(const Facts& facts, const ResponseHead& head, std::string_view body, bool whole,
                   bool close = false) {
  Http1ResponseEncoder encoder;
  encoder.Start(facts);
  Http1ResponseEncoder::BeginOptions options{.close = close, .date = "now"};
  if (whole) options.whole_body_size = body.size();
  std::string out;
  EXPECT_TRUE(encoder.Begin(head, options, &out).ok());
  EXPECT_TRUE(encoder.Body(body, &out).ok());
  EXPECT_TRUE(encoder.End(&out).ok());
  return out;
}

constexpr Facts kKept{.http11 = true, .keep_alive = true};
constexpr Facts kHead{.http11 = true, .keep_alive = true, .method_is_head = true};

TEST(Http1ResponseEncoderTest, WholeBody) {
  ResponseHead head;
  head.headers.Add("Server", "squall");
  EXPECT_EQ(Encode(kKept, head, "hello", true),
            "HTTP/1.1 200 OK\r\nServer: squall\r\nDate: now\r\nContent-Length: 5\r\n\r\nhello");
}

TEST(Http1ResponseEncoderTest, FieldsOfTheHandlerWin) {
  ResponseHead head;
  head.status = 435;
  head.headers.Add("date", "mine");
  head.headers.Add("content-length", "5");
  EXPECT_EQ(Encode(kKept, head, "hello", true),
            "HTTP/1.1 435 Unknown\r\ndate: mine\r\ncontent-length: 5\r\n\r\nhello");
  head.status = 200;
  head.reason = "Foo";
  head.headers.Clear();
  head.headers.Add("Connection", "x, Close");
  EXPECT_EQ(Encode(kKept, head, "", true),
            "HTTP/1.1 200 Foo\r\nDate: now\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

TEST(Http1ResponseEncoderTest, Chunked) {
  const std::string body(300, 'a');
  EXPECT_EQ(Encode(kKept, {}, body, false),
            "HTTP/1.1 200 OK\r\nDate: now\r\nTransfer-Encoding: chunked\r\n\r\n12c\r\n" + body +
                "\r\n0\r\n\r\n");
}

TEST(Http1ResponseEncoderTest, ConnectionFieldByVersion) {
  const auto connection = [](const Facts& facts, bool close) -> std::string {
    const std::string out = Encode(facts, {}, "", true, close);
    const size_t at = out.find("Connection: ");
    return at == std::string::npos ? "" : out.substr(at + 12, out.find('\r', at) - at - 12);
  };
  EXPECT_EQ(connection({.http11 = true, .keep_alive = true}, false), "");
  EXPECT_EQ(connection({.http11 = true, .keep_alive = true}, true), "close");
  EXPECT_EQ(connection({.http11 = true, .keep_alive = false}, false), "close");
  EXPECT_EQ(connection({.http11 = false, .keep_alive = true}, false), "Keep-Alive");
  EXPECT_EQ(connection({.http11 = false, .connection_field = true}, true), "close");
  EXPECT_EQ(connection({.http11 = false, .keep_alive = false}, false), "");
}

TEST(Http1ResponseEncoderTest, NoBodyWhereNoneMayBe) {
  ResponseHead head;
  EXPECT_EQ(Encode(kHead, head, "hello", true),
            "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(Encode(kHead, head, "hello", false), "HTTP/1.1 200 OK\r\nDate: now\r\n\r\n");
  head.status = 304;
  EXPECT_EQ(Encode(kKept, head, "hello", true), "HTTP/1.1 304 Not Modified\r\nDate: now\r\n\r\n");
  head.status = 204;
  head.headers.Add("Content-Length", "0");
  EXPECT_EQ(Encode(kKept, head, "", false), "HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n");
  const std::string reset = "HTTP/1.1 205 Reset Content\r\nDate: now\r\nContent-Length: 0\r\n\r\n";
  head.status = 205;
  head.headers.Set("Content-Length", "5");
  EXPECT_EQ(Encode(kKept, head, "hello", true), reset);
  head.headers.Clear();
  EXPECT_EQ(Encode(kKept, head, "hello", true), reset);
  EXPECT_EQ(Encode(kKept, head, "hello", false), reset);
  EXPECT_EQ(Encode(kHead, head, "", true), reset);
}

TEST(Http1ResponseEncoderTest, ErrorsAppendNothing) {
  Http1ResponseEncoder encoder;
  encoder.Start(kKept);
  std::string out;
  ResponseHead head;
  head.headers.Add("Content-Length", "1");
  head.headers.Add("Content-Length", "1");
  EXPECT_TRUE(absl::IsInvalidArgument(encoder.Begin(head, {}, &out)));
  EXPECT_TRUE(absl::IsFailedPrecondition(encoder.Body("a", &out)));
  EXPECT_EQ(out, "");
  head.headers.Set("Content-Length", "1");
  EXPECT_TRUE(encoder.Begin(head, {}, &out).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(encoder.Begin(head, {}, &out)));
  const std::string begun = out;
  EXPECT_TRUE(absl::IsOutOfRange(encoder.Body("ab", &out)));
  EXPECT_TRUE(absl::IsOutOfRange(encoder.End(&out)));
  EXPECT_EQ(out, begun);
  EXPECT_TRUE(encoder.Body("a", &out).ok());
  EXPECT_TRUE(encoder.End(&out).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(encoder.End(&out)));
}

}  // namespace
}  // namespace squall::internal
