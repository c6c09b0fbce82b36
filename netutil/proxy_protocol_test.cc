#include "squall/netutil/proxy_protocol.h"

#include <sys/socket.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/address.h"
#include "squall/netutil/proxy_header.h"
#include "squall/netutil/run_until.h"

namespace squall {
namespace {

using internal::RunUntil;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kLine = "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";

std::string V2Header(size_t authority_size = 0) {
  ProxyHeader header;
  header.version = 2;
  header.source = SocketAddress::Parse("[2001:db8::1]:4").value();
  header.destination = SocketAddress::Parse("[2001:db8::2]:5").value();
  header.authority.assign(authority_size, 'a');
  return FormatProxyHeader(header, ProxyChecksum::kCrc32c).value();
}

const SocketAddress& Proxy() {
  static const SocketAddress address = SocketAddress::Parse("10.0.0.1:1234").value();
  return address;
}

struct Accepted {
  UniqueFd connection;
  SocketAddress peer;
  ProxyHeader header;

  std::string client() const { return ClientOf(header, peer).ToString(); }
  // What the receiver has left in the socket.
  std::string Rest() const {
    char data[256];
    const ssize_t size = ::recv(connection.get(), data, sizeof data, MSG_DONTWAIT);
    return size > 0 ? std::string(data, static_cast<size_t>(size)) : "";
  }
};

class ProxyProtocolTest : public testing::Test {
 protected:
  void Make(ProxyProtocolOptions options) {
    receiver_.emplace(
        std::move(options),
        [this](UniqueFd connection, SocketAddress peer, ProxyHeader header) {
          accepted_.push_back({std::move(connection), peer, std::move(header)});
        },
        [this](size_t waiting) { counts_.push_back(waiting); });
  }

  // The proxy's end of a connection; `sent` is there when the receiver gets the other one.
  UniqueFd Connect(std::string_view sent, SocketAddress peer = Proxy()) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    UniqueFd proxy(ends[0]);
    Send(proxy, sent);
    receiver_->Receive(UniqueFd(ends[1]), peer);
    return proxy;
  }

  static void Send(const UniqueFd& fd, std::string_view octets) {
    EXPECT_EQ(::send(fd.get(), octets.data(), octets.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(octets.size()));
  }

  static bool IsClosed(const UniqueFd& fd) {
    char octet;
    const ssize_t size = ::recv(fd.get(), &octet, 1, MSG_DONTWAIT);
    return size == 0 || (size < 0 && errno == ECONNRESET);
  }

  // Lets the receiver see all that is there.
  void RunTurns() {
    int turns = 0;
    RunUntil([&] { return ++turns == 3; });
  }

  std::optional<ProxyProtocolReceiver> receiver_;
  std::vector<Accepted> accepted_;
  std::vector<size_t> counts_;
};

TEST_F(ProxyProtocolTest, AHeaderThatIsThereIsTakenAtOnceAndNothingElse) {
  Make({.trusted = {"10.0.0.0/8"}});
  for (const std::string& header : {std::string(kLine), V2Header()}) {
    accepted_.clear();
    const UniqueFd proxy = Connect(header + "GET / HTTP/1.1\r\n");
    ASSERT_EQ(accepted_.size(), 1u);
    EXPECT_EQ(accepted_[0].peer, Proxy());
    EXPECT_EQ(accepted_[0].Rest(), "GET / HTTP/1.1\r\n");
  }
  EXPECT_EQ(accepted_[0].client(), "[2001:db8::1]:4");
  EXPECT_EQ(receiver_->stats().received, 2u);
  EXPECT_THAT(counts_, IsEmpty());
}

TEST_F(ProxyProtocolTest, OneOctetPerSegment) {
  Make({.trusted = {"10.0.0.1"}});
  for (const std::string& header : {std::string(kLine), V2Header(), V2Header(3000)}) {
    accepted_.clear();
    counts_.clear();
    const UniqueFd proxy = Connect("");
    for (size_t i = 0; i + 1 < header.size(); ++i) {
      Send(proxy, header.substr(i, 1));
      // A long one in fewer turns, for the time's sake; the socket holds some 200 such segments.
      if (header.size() < 200 || i % 100 == 0) RunTurns();
    }
    RunTurns();
    EXPECT_THAT(accepted_, IsEmpty());
    EXPECT_EQ(receiver_->waiting(), 1u);
    Send(proxy, header.substr(header.size() - 1) + "rest");
    RunUntil([&] { return accepted_.size() == 1; });
    EXPECT_EQ(accepted_[0].Rest(), "rest");
    EXPECT_EQ(receiver_->waiting(), 0u);
    EXPECT_THAT(counts_, ElementsAre(1, 0));
  }
}

// An incomplete header must not keep the loop busy.
TEST_F(ProxyProtocolTest, WaitingDoesNotSpin) {
  Make({.trusted = {"10.0.0.1"}});
  const UniqueFd proxy = Connect(kLine.substr(0, 20));
  RunTurns();
  IOLoop& loop = IOLoop::Current();
  const uint64_t before = loop.stats().iterations;
  const Timeout end = loop.CallLater(absl::Milliseconds(50), [&] { loop.Stop(); });
  loop.Start();
  EXPECT_LT(loop.stats().iterations - before, 10u);
  Send(proxy, kLine.substr(20));
  RunUntil([&] { return accepted_.size() == 1; });
  EXPECT_EQ(accepted_[0].client(), "192.0.2.1:56324");
}

TEST_F(ProxyProtocolTest, WithoutAddressesTheConnectionsOwnCounts) {
  Make({.trusted = {"10.0.0.1"}});
  ProxyHeader local;
  local.version = 2;
  local.command = ProxyHeader::Command::kLocal;
  for (const std::string& header :
       {std::string("PROXY UNKNOWN\r\n"), FormatProxyHeader(local).value()}) {
    accepted_.clear();
    const UniqueFd proxy = Connect(header + "x");
    ASSERT_EQ(accepted_.size(), 1u);
    EXPECT_EQ(accepted_[0].client(), "10.0.0.1:1234");
    EXPECT_EQ(accepted_[0].Rest(), "x");
  }
}

TEST_F(ProxyProtocolTest, ATrustedProxyHasToSendAHeader) {
  Make({.trusted = {"10.0.0.1"}, .untrusted = UntrustedSource::kServe});
  for (const std::string_view octets :
       {std::string_view("GET / HTTP/1.1\r\n\r\n"), std::string_view("PROXY TCP4 a b c d\r\n"),
        std::string_view("\r\n\r\n\0\r\nQUIT\n\x31", 13)}) {
    const UniqueFd proxy = Connect(octets);
    EXPECT_TRUE(IsClosed(proxy));
  }
  EXPECT_THAT(accepted_, IsEmpty());
  EXPECT_EQ(receiver_->stats().malformed, 3u);
}

TEST_F(ProxyProtocolTest, LaterOctetsMayBeWrong) {
  Make({.trusted = {"10.0.0.1"}});
  const UniqueFd proxy = Connect("PROXY TCP4 1.1.1.1 ");
  EXPECT_EQ(receiver_->waiting(), 1u);
  Send(proxy, "1.1.1.1 1 1\nGET /");
  RunUntil([&] { return receiver_->waiting() == 0; });
  EXPECT_TRUE(IsClosed(proxy));
  EXPECT_EQ(receiver_->stats().malformed, 1u);
  EXPECT_THAT(counts_, ElementsAre(1, 0));
}

TEST_F(ProxyProtocolTest, UntrustedSourcesAreRefused) {
  Make({.trusted = {"10.0.0.1"}});
  for (const char* const source : {"10.0.0.2:5", "[::1]:5", "unix:/a"}) {
    const UniqueFd client = Connect(kLine, SocketAddress::Parse(source).value());
    EXPECT_TRUE(IsClosed(client)) << source;
  }
  EXPECT_THAT(accepted_, IsEmpty());
  EXPECT_EQ(receiver_->stats().untrusted, 3u);
}

TEST_F(ProxyProtocolTest, OrServedWithTheirOwnAddressWhateverTheySend) {
  Make({.trusted = {"10.0.0.1"}, .untrusted = UntrustedSource::kServe});
  const UniqueFd client = Connect(kLine, SocketAddress::Parse("192.0.2.9:5").value());
  ASSERT_EQ(accepted_.size(), 1u);
  EXPECT_EQ(accepted_[0].client(), "192.0.2.9:5");
  EXPECT_EQ(accepted_[0].header.version, 0);
  EXPECT_EQ(accepted_[0].Rest(), kLine);
  EXPECT_EQ(receiver_->stats().untrusted, 1u);
}

TEST_F(ProxyProtocolTest, UnixSocketsAreTrustedByName) {
  Make({.trusted = {"unix:"}});
  const UniqueFd proxy = Connect(kLine, SocketAddress::FromSockaddr(nullptr, 0));
  EXPECT_TRUE(IsClosed(proxy));
  const UniqueFd other = Connect(kLine, SocketAddress::Parse("unix:/run/proxy").value());
  ASSERT_EQ(accepted_.size(), 1u);
  EXPECT_EQ(accepted_[0].client(), "192.0.2.1:56324");
}

TEST_F(ProxyProtocolTest, TheWholeHeaderHasADeadline) {
  Make({.trusted = {"10.0.0.1"}, .timeout = absl::Milliseconds(100)});
  const UniqueFd silent = Connect("");
  const UniqueFd slow = Connect("PROXY");
  const Timeout drip =
      IOLoop::Current().CallLater(absl::Milliseconds(60), [&] { Send(slow, " TCP4"); });
  RunUntil([&] { return receiver_->waiting() == 0; });
  EXPECT_TRUE(IsClosed(silent));
  EXPECT_TRUE(IsClosed(slow));
  EXPECT_EQ(receiver_->stats().timed_out, 2u);
  EXPECT_THAT(counts_, ElementsAre(1, 2, 1, 0));
}

TEST_F(ProxyProtocolTest, ADoneHeaderHasNoDeadlineAnyMore) {
  Make({.trusted = {"10.0.0.1"}, .timeout = absl::Milliseconds(50)});
  const UniqueFd proxy = Connect("PROXY UNK");
  Send(proxy, "NOWN\r\n");
  RunUntil([&] { return accepted_.size() == 1; });
  IOLoop& loop = IOLoop::Current();
  const Timeout end = loop.CallLater(absl::Milliseconds(80), [&] { loop.Stop(); });
  loop.Start();
  EXPECT_EQ(receiver_->stats().timed_out, 0u);
  EXPECT_FALSE(IsClosed(proxy));
}

TEST_F(ProxyProtocolTest, EndsBeforeTheHeaderDoes) {
  Make({.trusted = {"10.0.0.1"}});
  UniqueFd check = Connect("");
  UniqueFd torn = Connect(kLine.substr(0, 30));
  check.reset();
  torn.reset();
  RunUntil([&] { return receiver_->waiting() == 0; });
  EXPECT_EQ(receiver_->stats().silent, 1u);
  EXPECT_EQ(receiver_->stats().malformed, 1u);
  EXPECT_THAT(accepted_, IsEmpty());
}

TEST_F(ProxyProtocolTest, AHeaderAndTheEndTogether) {
  Make({.trusted = {"10.0.0.1"}});
  const UniqueFd proxy = Connect("");
  Send(proxy, std::string(kLine) + "bye");
  ::shutdown(proxy.get(), SHUT_WR);
  RunUntil([&] { return accepted_.size() == 1; });
  EXPECT_EQ(accepted_[0].Rest(), "bye");
}

TEST_F(ProxyProtocolTest, LongerThanAllowed) {
  Make({.trusted = {"10.0.0.1"}, .max_header_size = 200});
  const UniqueFd proxy = Connect(V2Header(300));
  EXPECT_TRUE(IsClosed(proxy));
  EXPECT_EQ(receiver_->stats().malformed, 1u);
}

TEST_F(ProxyProtocolTest, CloseWaitingAndDestruction) {
  Make({.trusted = {"10.0.0.1"}});
  const UniqueFd first = Connect("PROXY");
  receiver_->CloseWaiting();
  EXPECT_TRUE(IsClosed(first));
  EXPECT_THAT(counts_, ElementsAre(1, 0));
  const UniqueFd second = Connect("PROXY");
  receiver_.reset();
  EXPECT_TRUE(IsClosed(second));
  EXPECT_THAT(counts_, ElementsAre(1, 0, 1));
  RunTurns();
}

// A server may be destroyed by what its connection asks for.
TEST_F(ProxyProtocolTest, DestroyedInItsCallback) {
  receiver_.emplace(ProxyProtocolOptions{.trusted = {"10.0.0.1"}},
                    [this](UniqueFd connection, SocketAddress, ProxyHeader) {
                      const UniqueFd keep = std::move(connection);
                      Make({.trusted = {"10.0.0.1"}});
                    });
  const UniqueFd other = Connect("PROXY");
  const UniqueFd proxy = Connect("PROXY");
  Send(proxy, " UNKNOWN\r\n");
  RunUntil([&] { return IsClosed(other); });
  EXPECT_EQ(receiver_->stats().received, 0u);
}

TEST(ProxyProtocolOptionsTest, Validate) {
  EXPECT_THAT(Validate(ProxyProtocolOptions{.trusted = {"127.0.0.1", "unix:"}}), IsOk());
  const auto error = [](ProxyProtocolOptions options) {
    if (options.trusted.empty()) options.trusted = {"::1"};
    const absl::Status status = Validate(options);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, testing::_));
    return std::string(status.message());
  };
  EXPECT_THAT(Validate(ProxyProtocolOptions()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("proxy_protocol.trusted is empty; it must name the proxies")));
  EXPECT_THAT(error({.trusted = {"proxy.example"}}),
              HasSubstr("proxy_protocol.trusted: \"proxy.example\" is not an IP address"));
  EXPECT_THAT(error({.timeout = absl::ZeroDuration()}), HasSubstr("must be positive"));
  EXPECT_THAT(error({.max_header_size = 106}), HasSubstr("must be 107 to 65551, not 106"));
  EXPECT_THAT(error({.max_header_size = 65552}), HasSubstr("not 65552"));
}

}  // namespace
}  // namespace squall
