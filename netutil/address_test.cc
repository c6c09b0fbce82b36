#include "squall/netutil/address.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstring>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"

namespace squall {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string ErrorOf(std::string_view text) {
  const auto address = SocketAddress::Parse(text);
  EXPECT_THAT(address, StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  return std::string(address.status().message());
}

TEST(SocketAddressTest, DefaultIsUnspecified) {
  const SocketAddress address;
  EXPECT_EQ(address.family(), AF_UNSPEC);
  EXPECT_EQ(address.size(), 0u);
  EXPECT_EQ(address.host(), "");
  EXPECT_EQ(address.port(), 0);
  EXPECT_EQ(address.ToString(), "unspecified");
  EXPECT_EQ(address, SocketAddress());
}

TEST(SocketAddressTest, ParsesAndPrintsIPv4) {
  const auto address = SocketAddress::Parse("127.0.0.1:8090");
  ASSERT_THAT(address, IsOk());
  EXPECT_EQ(address->family(), AF_INET);
  EXPECT_EQ(address->size(), sizeof(sockaddr_in));
  EXPECT_EQ(address->host(), "127.0.0.1");
  EXPECT_EQ(address->port(), 8090);
  EXPECT_EQ(address->ToString(), "127.0.0.1:8090");
  EXPECT_EQ(SocketAddress::Parse("0.0.0.0:0")->ToString(), "0.0.0.0:0");
  EXPECT_EQ(SocketAddress::Parse("1.2.3.4:65535")->port(), 65535);
}

TEST(SocketAddressTest, ParsesAndPrintsIPv6) {
  const auto address = SocketAddress::Parse("[2001:DB8:0::1]:443");
  ASSERT_THAT(address, IsOk());
  EXPECT_EQ(address->family(), AF_INET6);
  EXPECT_EQ(address->size(), sizeof(sockaddr_in6));
  EXPECT_EQ(address->host(), "2001:db8::1");
  EXPECT_EQ(address->port(), 443);
  EXPECT_EQ(address->ToString(), "[2001:db8::1]:443");
}

TEST(SocketAddressTest, KeepsTheScopeOfLinkLocalAddresses) {
  const auto by_name = SocketAddress::Parse("[fe80::1%lo]:80");
  ASSERT_THAT(by_name, IsOk());
  EXPECT_EQ(reinterpret_cast<const sockaddr_in6*>(by_name->data())->sin6_scope_id,
            ::if_nametoindex("lo"));
  EXPECT_EQ(by_name->host(), "fe80::1%lo");
  EXPECT_EQ(by_name->ToString(), "[fe80::1%lo]:80");
  const auto by_number = SocketAddress::Parse("[fe80::1%4000000000]:80");
  ASSERT_THAT(by_number, IsOk());
  EXPECT_EQ(by_number->ToString(), "[fe80::1%4000000000]:80");
  EXPECT_NE(*by_name, *by_number);
  EXPECT_THAT(ErrorOf("[fe80::1%nosuchif]:80"),
              HasSubstr("\"nosuchif\" is not a network interface"));
  EXPECT_THAT(ErrorOf("[fe80::1%]:80"), HasSubstr("is not a network interface"));
}

TEST(SocketAddressTest, ParsesAndPrintsUnixPaths) {
  const auto address = SocketAddress::Parse("unix:/run/a:b.sock");
  ASSERT_THAT(address, IsOk());
  EXPECT_TRUE(address->is_unix());
  EXPECT_EQ(address->unix_path(), "/run/a:b.sock");
  EXPECT_EQ(address->host(), "");
  EXPECT_EQ(address->port(), 0);
  EXPECT_EQ(address->ToString(), "unix:/run/a:b.sock");
}

TEST(SocketAddressTest, ParsesAndPrintsAbstractNames) {
  const auto address = SocketAddress::Parse("unix-abstract:squall/control");
  ASSERT_THAT(address, IsOk());
  EXPECT_EQ(address->unix_path(), std::string_view("\0squall/control", 15));
  EXPECT_EQ(address->size(), offsetof(sockaddr_un, sun_path) + 15);
  EXPECT_EQ(address->ToString(), "unix-abstract:squall/control");
  EXPECT_NE(*address, *SocketAddress::Parse("unix:squall/control"));
}

TEST(SocketAddressTest, UnixPathsEndAtTheKernelsLimit) {
  const std::string longest(SocketAddress::kMaxUnixPath, 'x');
  for (const std::string prefix : {"unix:", "unix-abstract:"}) {
    const auto address = SocketAddress::Parse(prefix + longest);
    ASSERT_THAT(address, IsOk());
    EXPECT_EQ(address->ToString(), prefix + longest);
    EXPECT_THAT(ErrorOf(prefix + longest + "x"), HasSubstr("at most 107 bytes, this one has 108"));
    EXPECT_THAT(ErrorOf(prefix), HasSubstr("must not be empty"));
    EXPECT_THAT(ErrorOf(prefix + std::string("a\0b", 3)), HasSubstr("must not contain a NUL"));
  }
}

TEST(SocketAddressTest, PrintsOneLineWhateverIsInAName) {
  EXPECT_EQ(SocketAddress::Parse("unix:/tmp/a\nb")->ToString(), "unix:/tmp/a\\nb");
}

TEST(SocketAddressTest, WhatIsPrintedOfANameIsReadBack) {
  const std::pair<std::string, std::string> names[] = {
      {"/tmp/a\\b", "/tmp/a\\\\b"},
      {"/tmp/\xc3\xa4", "/tmp/\\xc3\\xa4"},
      {"/tmp/\xc3\xa4"
       "a",
       "/tmp/\\xc3\\xa4\\x61"},
      {"/tmp/it's \"so\"", "/tmp/it\\'s \\\"so\\\""},
      {"/\n\r\t\x7f", "/\\n\\r\\t\\x7f"},
  };
  for (const auto& [name, printed] : names) {
    const auto path = SocketAddress::FromUnixPath(name);
    EXPECT_EQ(path->ToString(), "unix:" + printed);
    EXPECT_THAT(SocketAddress::Parse(path->ToString()), IsOkAndHolds(*path));
    const auto abstract = SocketAddress::FromUnixPath(std::string(1, '\0') + name);
    EXPECT_EQ(abstract->ToString(), "unix-abstract:" + printed);
    EXPECT_THAT(SocketAddress::Parse(abstract->ToString()), IsOkAndHolds(*abstract));
  }
  // As somebody writes it who has not seen it printed.
  EXPECT_EQ(SocketAddress::Parse("unix:/tmp/\xc3\xa4's")->unix_path(), "/tmp/\xc3\xa4's");
  EXPECT_EQ(SocketAddress::Parse("unix:/\\xAF")->unix_path(), "/\xaf");
}

TEST(SocketAddressTest, OtherEscapesAreRefused) {
  EXPECT_EQ(
      ErrorOf("unix:/tmp/a\\b"),
      "\"unix:/tmp/a\\\\b\": a backslash in the path of a unix socket is written \\\\; one begins "
      "\\n, \\r, \\t, a quote, or \\x and two hexadecimal digits");
  for (const char* const name : {"/\\", "/\\x", "/\\x1", "/\\xg1", "/\\x1g", "/\\x-1", "/\\101"}) {
    EXPECT_THAT(ErrorOf(std::string("unix:") + name), HasSubstr("a backslash")) << name;
  }
  EXPECT_THAT(ErrorOf("unix:\\x00a"), HasSubstr("must not contain a NUL"));
  EXPECT_THAT(ErrorOf("unix-abstract:a\\x00"), HasSubstr("must not contain a NUL"));
}

TEST(SocketAddressTest, ErrorsNameTheTextAndTheCause) {
  EXPECT_EQ(ErrorOf("127.0.0.1:99999"), "\"127.0.0.1:99999\": the port must be 0 to 65535");
  EXPECT_THAT(ErrorOf("127.0.0.1:65536"), HasSubstr("the port must be 0 to 65535"));
  EXPECT_THAT(ErrorOf("[::1]:"), HasSubstr("the port must be 0 to 65535"));
  for (const char* const port : {"-1", "+1", " 1", "1 ", "http", "0x50", "1e3"}) {
    EXPECT_THAT(ErrorOf(std::string("127.0.0.1:") + port),
                HasSubstr("the port must be 0 to 65535"));
  }
  EXPECT_THAT(ErrorOf(""), HasSubstr("expected ADDRESS:PORT"));
  EXPECT_THAT(ErrorOf("127.0.0.1"), HasSubstr("expected ADDRESS:PORT"));
  EXPECT_THAT(ErrorOf("[::1]"), HasSubstr("expected ADDRESS:PORT"));
  EXPECT_THAT(ErrorOf("::1:80"), HasSubstr("in brackets"));
  EXPECT_THAT(ErrorOf("localhost:80"), HasSubstr("\"localhost\" is not an IPv4 address"));
  EXPECT_THAT(ErrorOf("[127.0.0.1]:80"), HasSubstr("\"127.0.0.1\" is not an IPv6 address"));
  EXPECT_THAT(ErrorOf("127.1:80"), HasSubstr("\"127.1\" is not an IPv4 address"));
  EXPECT_THAT(ErrorOf(":80"), HasSubstr("\"\" is not an IPv4 address"));
  EXPECT_THAT(ErrorOf(std::string("1.2.3.4\0:80", 11)), HasSubstr("NUL"));
  EXPECT_THAT(ErrorOf("bad\nline:80"),
              AllOf(HasSubstr("bad\\nline"), testing::Not(HasSubstr("\n"))));
}

TEST(SocketAddressTest, TakesOnlyWholeSockaddrs) {
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  const auto* const data = reinterpret_cast<const sockaddr*>(&address);
  EXPECT_EQ(SocketAddress::FromSockaddr(data, sizeof address).ToString(), "[::]:0");
  EXPECT_EQ(SocketAddress::FromSockaddr(data, sizeof(sockaddr_in)).family(), AF_UNSPEC);
  EXPECT_EQ(SocketAddress::FromSockaddr(data, 1).family(), AF_UNSPEC);
  EXPECT_EQ(SocketAddress::FromSockaddr(nullptr, 0).family(), AF_UNSPEC);
}

TEST(SocketAddressTest, ReadsUnixPathsWithAndWithoutTheirNul) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, "/a");
  const auto* const data = reinterpret_cast<const sockaddr*>(&address);
  const socklen_t offset = offsetof(sockaddr_un, sun_path);
  EXPECT_EQ(SocketAddress::FromSockaddr(data, offset + 2).unix_path(), "/a");
  EXPECT_EQ(SocketAddress::FromSockaddr(data, offset + 3).unix_path(), "/a");
  EXPECT_EQ(SocketAddress::FromSockaddr(data, sizeof address).unix_path(), "/a");
  EXPECT_EQ(SocketAddress::FromSockaddr(data, offset), SocketAddress::FromSockaddr(data, offset));
  EXPECT_EQ(SocketAddress::FromSockaddr(data, offset).ToString(), "unix:");
}

TEST(SocketAddressTest, ComparesWhatMatters) {
  EXPECT_EQ(*SocketAddress::Parse("[::1]:80"), *SocketAddress::Parse("[0:0::1]:80"));
  EXPECT_NE(*SocketAddress::Parse("[::1]:80"), *SocketAddress::Parse("[::1]:81"));
  EXPECT_NE(*SocketAddress::Parse("[::1]:80"), *SocketAddress::Parse("[::2]:80"));
  EXPECT_NE(*SocketAddress::Parse("1.2.3.4:80"), *SocketAddress::Parse("1.2.3.5:80"));
  EXPECT_NE(*SocketAddress::Parse("1.2.3.4:80"), *SocketAddress::Parse("1.2.3.4:81"));
  EXPECT_NE(*SocketAddress::Parse("0.0.0.0:0"), SocketAddress());
  EXPECT_NE(*SocketAddress::Parse("unix:/a"), *SocketAddress::Parse("unix:/b"));
}

TEST(SocketAddressTest, WithPortChangesThePortOnly) {
  EXPECT_EQ(SocketAddress::Parse("1.2.3.4:0")->WithPort(80).ToString(), "1.2.3.4:80");
  EXPECT_EQ(SocketAddress::Parse("[::1]:9")->WithPort(80).ToString(), "[::1]:80");
}

TEST(SocketAddressTest, ReadsBothEndsOfASocket) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd first(ends[0]);
  const UniqueFd second(ends[1]);
  EXPECT_EQ(SocketAddress::Local(first.get())->ToString(), "unix:");
  EXPECT_EQ(SocketAddress::Peer(first.get())->ToString(), "unix:");
  const UniqueFd unconnected(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(SocketAddress::Local(unconnected.get())->ToString(), "0.0.0.0:0");
  EXPECT_THAT(SocketAddress::Peer(unconnected.get()),
              StatusIs(testing::_, HasSubstr("Transport endpoint is not connected")));
  EXPECT_THAT(SocketAddress::Local(-1), StatusIs(testing::_, HasSubstr("Bad file descriptor")));
}

}  // namespace
}  // namespace squall
