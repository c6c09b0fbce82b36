// RFC 9110 and RFC 9112 over a socket: the rows of testdata/protocol_rows.json against a server
// whose answer tells what it has understood, whole and one octet per segment.
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/protocol_rows.h"
#include "squall/httpserver/raw_client.h"

namespace squall {
namespace {

using internal::ProtocolRow;
using End = internal::ProtocolRow::End;

constexpr std::string_view kNext = "GET /next HTTP/1.1\r\nHost: next\r\nConnection: close\r\n\r\n";

// Answers 200 and what it has got.
class Echo : public HttpServerConnectionDelegate {
 public:
  std::unique_ptr<HttpMessageDelegate> StartRequest(HttpConnection& connection) override {
    return std::make_unique<Message>(connection);
  }

 private:
  class Message : public HttpMessageDelegate {
   public:
    explicit Message(HttpConnection& connection) : connection_(connection) {}
    void DataReceived(std::string_view data) override { body_.append(data); }
    void Finish() override {
      const RequestHead& head = connection_.head();
      std::string text = absl::StrCat(ToAbsl(head.method()), " ", ToAbsl(head.target()),
                                      " path=", ToAbsl(head.path()), " host=", ToAbsl(head.host()));
      for (const auto [name, value] : head.headers()) {
        absl::StrAppend(&text, " ", ToAbsl(name), "=", ToAbsl(value));
      }
      absl::StrAppend(&text, " body=", body_);
      connection_.FinishWith(ResponseHead(), text).IgnoreError();
    }

   private:
    HttpConnection& connection_;
    std::string body_;
  };
};

enum class Segments { kWhole, kOctets };

// Everything that the server sends, to its end; for a row that keeps the connection, with the
// answer to one more request.
std::string Converse(uint16_t port, const ProtocolRow& row, Segments segments) {
  RawClient client(port);
  const std::string input =
      row.end == End::kKeep ? absl::StrCat(row.input, ToAbsl(kNext)) : row.input;
  // A server that refuses need not take the rest.
  if (segments == Segments::kWhole) {
    client.Send(input);
  } else {
    client.SendSlowly(input);
  }
  if (row.end == End::kIncomplete) client.ShutdownWrite();
  std::string all = client.ReadAll();
  EXPECT_FALSE(client.was_reset());
  // The second may be another one.
  for (size_t at; (at = all.find("Date: ")) != std::string::npos;) {
    all.erase(at, all.find("\r\n", at) + 2 - at);
  }
  return all;
}

std::vector<int> Statuses(std::string_view answers) {
  std::vector<int> statuses;
  constexpr std::string_view kStart = "HTTP/1.1 ";
  for (size_t at = 0; (at = answers.find(kStart, at)) != std::string_view::npos;) {
    at += kStart.size();
    // The echo has the version elsewhere only behind a space and with a CRLF.
    statuses.push_back(std::stoi(std::string(answers.substr(at, 3))));
  }
  return statuses;
}

TEST(ProtocolTest, RowsAreAnsweredAsTheRuleSays) {
  Echo app;
  HttpServerThread server(app);
  for (const ProtocolRow& row : internal::ProtocolRows()) {
    SCOPED_TRACE(row.name + ": " + row.rule);
    const std::string whole = Converse(server.port(), row, Segments::kWhole);
    std::vector<int> expected = row.answers;
    if (row.end == End::kKeep) expected.push_back(200);
    EXPECT_EQ(Statuses(whole), expected) << whole;
    if (row.end == End::kKeep) {
      EXPECT_NE(whole.find("path=/next"), std::string::npos) << whole;
    }
    EXPECT_NE(whole.find(row.echo), std::string::npos) << whole;
    if (!expected.empty() && row.end == End::kClose && expected.back() >= 400) {
      EXPECT_NE(whole.find("Connection: close\r\n"), std::string::npos) << whole;
    }
  }
}

TEST(ProtocolTest, OneOctetPerSegmentIsAnsweredWithTheSameOctets) {
  Echo app;
  HttpServerThread server(app);
  for (const ProtocolRow& row : internal::ProtocolRows()) {
    if (row.input.size() > 2000) continue;  // those are limits, for which the parser's test will do
    EXPECT_EQ(Converse(server.port(), row, Segments::kOctets),
              Converse(server.port(), row, Segments::kWhole))
        << row.name;
  }
}

TEST(ProtocolTest, AnHttpsTargetIsServedWhereTheConnectionIsSecured) {
  Echo app;
  const std::string request = "GET https://a/ HTTP/1.1\r\nHost: a\r\n";
  HttpServerThread behind_tls(app, {.protocol = "https"});
  RawClient client(behind_tls.port());
  client.Send(request + "\r\n");
  EXPECT_EQ(client.ReadResponse().status, 200);
  HttpServerThread behind_proxy(app, {.xheaders = true});
  RawClient secured(behind_proxy.port());
  secured.Send(request + "X-Forwarded-Proto: https\r\n\r\n");
  EXPECT_EQ(secured.ReadResponse().status, 200);
  RawClient plain(behind_proxy.port());
  plain.Send(request + "\r\n");
  EXPECT_EQ(plain.ReadResponse().status, 421);
  EXPECT_TRUE(plain.AtEnd());
}

}  // namespace
}  // namespace squall
