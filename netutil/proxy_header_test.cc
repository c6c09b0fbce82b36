#include "squall/netutil/proxy_header.h"

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/netutil/crc32c.h"

namespace squall {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr size_t kMax = 4096;

std::string_view Signature() { return {"\r\n\r\n\0\r\nQUIT\n", 12}; }

std::string Octets(std::initializer_list<int> octets) {
  std::string result;
  for (const int octet : octets) result += static_cast<char>(octet);
  return result;
}

// A version 2 header whose length is that of `block`.
std::string V2(int version_and_command, int family_and_transport, std::string_view block) {
  return absl::StrCat(
      std::string(Signature()),
      Octets({version_and_command, family_and_transport, static_cast<int>(block.size() >> 8),
              static_cast<int>(block.size() & 0xff)}),
      std::string(block));
}

std::string Tlv(int type, std::string_view value) {
  return absl::StrCat(
      Octets({type, static_cast<int>(value.size() >> 8), static_cast<int>(value.size() & 0xff)}),
      std::string(value));
}

const std::string& InetBlock() {
  static const std::string block = Octets({192, 0, 2, 1, 198, 51, 100, 7, 0xdc, 0x04, 0x01, 0xbb});
  return block;
}

ProxyHeader Parsed(std::string_view octets) {
  ProxyHeader header;
  EXPECT_THAT(ParseProxyHeader(octets, kMax, &header), IsOkAndHolds(octets.size()));
  return header;
}

// The error for `octets`, which must be the same however few of them came at first.
std::string ErrorOf(std::string_view octets, size_t max_size = kMax) {
  ProxyHeader header;
  const absl::StatusOr<size_t> whole = ParseProxyHeader(octets, max_size, &header);
  EXPECT_FALSE(whole.ok()) << absl::StrCat("it gave ", *whole);
  for (size_t size = 0; size < octets.size(); ++size) {
    const absl::StatusOr<size_t> part = ParseProxyHeader(octets.substr(0, size), max_size, &header);
    if (part.ok()) {
      EXPECT_EQ(*part, 0u) << size;
    } else {
      EXPECT_EQ(part.status().code(), whole.status().code()) << size;
    }
  }
  return std::string(whole.status().message());
}

TEST(ProxyHeaderV1Test, TheExampleOfTheSpecification) {
  ProxyHeader header;
  const std::string line = "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n";
  EXPECT_THAT(ParseProxyHeader(line + "GET / HTTP/1.1\r\n", kMax, &header),
              IsOkAndHolds(line.size()));
  EXPECT_EQ(header.version, 1);
  EXPECT_EQ(header.command, ProxyHeader::Command::kProxy);
  EXPECT_EQ(header.source.ToString(), "192.168.0.1:56324");
  EXPECT_EQ(header.destination.ToString(), "192.168.0.11:443");
}

TEST(ProxyHeaderV1Test, LongestLines) {
  EXPECT_EQ(Parsed("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n").source.ToString(),
            "255.255.255.255:65535");
  const std::string longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  const std::string both = absl::StrCat(longest, " ", longest, " 65535 65535\r\n");
  EXPECT_EQ(Parsed("PROXY TCP6 " + both).destination.ToString(),
            absl::StrCat("[", longest, "]:65535"));
  const std::string unknown = "PROXY UNKNOWN " + both;
  EXPECT_EQ(unknown.size(), 107u);
  EXPECT_EQ(Parsed(unknown).source.family(), AF_UNSPEC);
  EXPECT_THAT(ErrorOf("PROXY UNKNOWN x" + both), HasSubstr("no CRLF in the first 107 octets"));
}

TEST(ProxyHeaderV1Test, UnknownHasNoAddresses) {
  const ProxyHeader header = Parsed("PROXY UNKNOWN\r\n");
  EXPECT_EQ(header.version, 1);
  EXPECT_EQ(header.source, SocketAddress());
  EXPECT_EQ(Parsed("PROXY UNKNOWN what ever\r\n").source, SocketAddress());
}

TEST(ProxyHeaderV1Test, MoreIsNeededUntilTheLastOctet) {
  const std::string line = "PROXY TCP6 2001:db8::1 ::1 1 0\r\n";
  ProxyHeader header;
  for (size_t size = 0; size < line.size(); ++size) {
    EXPECT_THAT(ParseProxyHeader(line.substr(0, size), kMax, &header), IsOkAndHolds(0u)) << size;
    EXPECT_EQ(header, ProxyHeader()) << size;
  }
  EXPECT_EQ(Parsed(line).source.ToString(), "[2001:db8::1]:1");
}

TEST(ProxyHeaderV1Test, ErrorsSayWhatIsWrong) {
  EXPECT_EQ(ErrorOf("GET / HTTP/1.1\r\nHost: a\r\n"),
            "not a PROXY protocol header: it begins with \"GET / HTTP/1.1\\r\\n\"");
  EXPECT_THAT(ErrorOf("PROXX"), HasSubstr("begins with \"PROXX\""));
  EXPECT_THAT(ErrorOf("proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n"), HasSubstr("begins with"));
  EXPECT_THAT(ErrorOf("PROXY\tTCP4 1.1.1.1 1.1.1.1 1 1\r\n"), HasSubstr("begins with"));
  EXPECT_THAT(ErrorOf("PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n"),
              HasSubstr("\"UDP4\" in its line is none of TCP4, TCP6 and UNKNOWN"));
  EXPECT_THAT(ErrorOf("PROXY UNKNOWNS\r\n"), HasSubstr("\"UNKNOWNS\""));
  EXPECT_THAT(ErrorOf("PROXY \r\n"), HasSubstr("\"\" in its line is none"));
  for (const char* const fields : {"TCP4", "TCP4 1.1.1.1 2.2.2.2 3", "TCP4 1.1.1.1 2.2.2.2 3 4 5",
                                   "TCP4 1.1.1.1 2.2.2.2 3 4 ", "TCP4  1.1.1.1 2.2.2.2 3 4"}) {
    EXPECT_THAT(ErrorOf(absl::StrCat("PROXY ", fields, "\r\n")),
                HasSubstr("one space before each"));
  }
  for (const char* const host :
       {"1.1.1", "01.1.1.1", "1.1.1.256", "::1", "a.example", "1.1.1.1%lo", ""}) {
    EXPECT_THAT(ErrorOf(absl::StrCat("PROXY TCP4 ", host, " 2.2.2.2 3 4\r\n")),
                HasSubstr(absl::StrCat("\"", host, "\" is not an IPv4 address")));
    EXPECT_THAT(ErrorOf(absl::StrCat("PROXY TCP4 2.2.2.2 ", host, " 3 4\r\n")),
                HasSubstr("is not an IPv4 address"));
  }
  for (const char* const host : {"1.1.1.1", ":::", "fe80::1%lo", "1:2:3:4:5:6:7:8:9"}) {
    EXPECT_THAT(ErrorOf(absl::StrCat("PROXY TCP6 ", host, " ::2 3 4\r\n")),
                HasSubstr(absl::StrCat("\"", host, "\" is not an IPv6 address")));
  }
  for (const char* const port : {"65536", "-1", "+1", "01", "0x1", "1a", ""}) {
    EXPECT_THAT(ErrorOf(absl::StrCat("PROXY TCP4 1.1.1.1 2.2.2.2 ", port, " 4\r\n")),
                HasSubstr(absl::StrCat("the port \"", port, "\" is not 0 to 65535")));
  }
  using std::literals::string_view_literals::operator""sv;
  EXPECT_THAT(ErrorOf("PROXY TCP4 1.1.1.1\0 2.2.2.2 3 4\r\n"sv), HasSubstr("1.1.1.1\\x00"));
}

TEST(ProxyHeaderV1Test, OnlyCrlfEndsTheLine) {
  EXPECT_THAT(ErrorOf("PROXY TCP4 1.1.1.1 2.2.2.2 3 4\n"), HasSubstr("bare LF"));
  EXPECT_THAT(ErrorOf("PROXY UNKNOWN\nGET /x HTTP/1.1\r\n"), HasSubstr("bare LF"));
  EXPECT_THAT(ErrorOf("PROXY UNKNOWN\rGET /x HTTP/1.1\r\n"), HasSubstr("a CR without LF"));
}

TEST(ProxyHeaderV2Test, Inet) {
  const std::string octets = V2(0x21, 0x11, InetBlock());
  ProxyHeader header;
  EXPECT_THAT(ParseProxyHeader(octets + "GET", kMax, &header), IsOkAndHolds(28u));
  EXPECT_EQ(header.version, 2);
  EXPECT_EQ(header.command, ProxyHeader::Command::kProxy);
  EXPECT_EQ(header.source.ToString(), "192.0.2.1:56324");
  EXPECT_EQ(header.destination.ToString(), "198.51.100.7:443");
  EXPECT_FALSE(header.tls.has_value());
}

TEST(ProxyHeaderV2Test, Inet6) {
  std::string block(32, '\0');
  block[0] = 0x20;
  block[15] = 1;
  block[31] = 1;
  const ProxyHeader header = Parsed(V2(0x21, 0x21, block + Octets({0, 80, 1, 0})));
  EXPECT_EQ(header.source.ToString(), "[2000::1]:80");
  EXPECT_EQ(header.destination.ToString(), "[::1]:256");
}

TEST(ProxyHeaderV2Test, Unix) {
  const auto padded = [](std::string_view path) {
    std::string result(path);
    result.resize(108);
    return result;
  };
  ProxyHeader header = Parsed(V2(0x21, 0x31, padded("/run/a") + padded("/run/b")));
  EXPECT_EQ(header.source.ToString(), "unix:/run/a");
  EXPECT_EQ(header.destination.ToString(), "unix:/run/b");
  header = Parsed(V2(0x21, 0x31, padded({"\0abc", 4}) + padded("")));
  EXPECT_EQ(header.source.ToString(), "unix-abstract:abc");
  EXPECT_EQ(header.destination.ToString(), "unix:");
  header = Parsed(V2(0x21, 0x31, std::string(216, 'x')));
  EXPECT_EQ(header.source.unix_path(), std::string(108, 'x'));
  header = Parsed(V2(0x21, 0x31, padded({"/a\0junk", 7}) + padded("/b")));
  EXPECT_EQ(header.source.ToString(), "unix:/a");
}

TEST(ProxyHeaderV2Test, LocalIsSkippedWhateverIsInIt) {
  ProxyHeader header = Parsed(V2(0x20, 0x00, ""));
  EXPECT_EQ(header.command, ProxyHeader::Command::kLocal);
  EXPECT_EQ(header.source, SocketAddress());
  header = Parsed(V2(0x20, 0x11, InetBlock()));
  EXPECT_EQ(header.source, SocketAddress());
  EXPECT_EQ(Parsed(V2(0x20, 0xff, "nonsense")).command, ProxyHeader::Command::kLocal);
}

TEST(ProxyHeaderV2Test, UnspecifiedAndDatagramsHaveNoAddresses) {
  EXPECT_EQ(Parsed(V2(0x21, 0x00, "nonsense")).source, SocketAddress());
  EXPECT_EQ(Parsed(V2(0x21, 0x01, "")).source, SocketAddress());
  EXPECT_EQ(Parsed(V2(0x21, 0x12, InetBlock())).source, SocketAddress());
  EXPECT_EQ(Parsed(V2(0x21, 0x10, InetBlock() + Tlv(0x05, "id"))).unique_id, "id");
}

TEST(ProxyHeaderV2Test, Fields) {
  const std::string tls = absl::StrCat(
      Octets({0x07, 0, 0, 0, 0}), Tlv(0x21, "TLSv1.3"), Tlv(0x22, "a client"), Tlv(0x23, "AES"),
      Tlv(0x24, "RSA-SHA256"), Tlv(0x25, "RSA2048"), Tlv(0x2f, "later"));
  const ProxyHeader header = Parsed(
      V2(0x21, 0x11,
         absl::StrCat(InetBlock(), Tlv(0x01, "h2"), Tlv(0x04, "pad"), Tlv(0x02, "example.com"),
                      Tlv(0x04, ""), Tlv(0x05, std::string(128, 'u')), Tlv(0x20, tls),
                      Tlv(0x30, "blue"), Tlv(0xea, "vpce"), Tlv(0xe0, ""))));
  EXPECT_EQ(header.alpn, "h2");
  EXPECT_EQ(header.authority, "example.com");
  EXPECT_EQ(header.unique_id, std::string(128, 'u'));
  EXPECT_EQ(header.netns, "blue");
  EXPECT_THAT(header.others, ElementsAre(ProxyTlv{.type = 0xea, .value = "vpce"},
                                         ProxyTlv{.type = 0xe0, .value = ""}));
  ASSERT_TRUE(header.tls.has_value());
  EXPECT_TRUE(header.tls->over_tls);
  EXPECT_TRUE(header.tls->certificate_on_connection);
  EXPECT_TRUE(header.tls->certificate_in_session);
  EXPECT_TRUE(header.tls->verified);
  EXPECT_EQ(header.tls->version, "TLSv1.3");
  EXPECT_EQ(header.tls->common_name, "a client");
  EXPECT_EQ(header.tls->cipher, "AES");
  EXPECT_EQ(header.tls->signature_algorithm, "RSA-SHA256");
  EXPECT_EQ(header.tls->key_algorithm, "RSA2048");
}

TEST(ProxyHeaderV2Test, ACertificateThatWasNotVerified) {
  const auto verified = [](int client, int verify) {
    return Parsed(V2(0x21, 0x11, InetBlock() + Tlv(0x20, Octets({client, 0, 0, 0, verify}))))
        .tls->verified;
  };
  EXPECT_TRUE(verified(0x03, 0));
  EXPECT_TRUE(verified(0x05, 0));
  EXPECT_FALSE(verified(0x03, 18));
  // HAProxy says 0 where no certificate was asked for.
  EXPECT_FALSE(verified(0x01, 0));
}

TEST(ProxyHeaderV2Test, Checksum) {
  EXPECT_EQ(internal::Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(internal::Crc32c("6789", internal::Crc32c("12345")), 0xe3069283u);
  ProxyHeader header;
  header.version = 2;
  header.source = SocketAddress::Parse("192.0.2.1:1").value();
  header.destination = SocketAddress::Parse("192.0.2.2:2").value();
  header.unique_id = "id";
  std::string octets = FormatProxyHeader(header, ProxyChecksum::kCrc32c).value();
  EXPECT_EQ(octets.substr(octets.size() - 7, 3), std::string("\x03\x00\x04", 3));
  EXPECT_EQ(Parsed(octets), header);
  for (size_t i = 16; i < octets.size(); ++i) {
    if (i == octets.size() - 7) continue;  // then it is no checksum any more
    std::string bent = octets;
    bent[i] ^= 0x10;
    ProxyHeader ignored;
    EXPECT_FALSE(ParseProxyHeader(bent, kMax, &ignored).ok()) << i;
  }
  octets.back() ^= 1;
  EXPECT_THAT(ErrorOf(octets), HasSubstr("its checksum is 0x"));
  EXPECT_THAT(ErrorOf(V2(0x21, 0x11, InetBlock() + Tlv(0x03, "abc"))),
              HasSubstr("its checksum has 3 octets, not 4"));
}

TEST(ProxyHeaderV2Test, ErrorsSayWhatIsWrong) {
  EXPECT_THAT(ErrorOf(V2(0x11, 0x11, InetBlock())), HasSubstr("its version is 1"));
  EXPECT_THAT(ErrorOf(V2(0x22, 0x11, InetBlock())), HasSubstr("its command is 2"));
  EXPECT_THAT(ErrorOf(V2(0x21, 0x41, InetBlock())), HasSubstr("its address family is 4"));
  EXPECT_THAT(ErrorOf(V2(0x21, 0x13, InetBlock())), HasSubstr("its transport is 3"));
  EXPECT_THAT(ErrorOf(V2(0x21, 0x11, InetBlock().substr(1))),
              HasSubstr("its length is 11, and the addresses of the family INET have 12 octets"));
  EXPECT_THAT(ErrorOf(V2(0x21, 0x21, InetBlock())), HasSubstr("INET6 have 36 octets"));
  EXPECT_THAT(ErrorOf(V2(0x21, 0x31, InetBlock())), HasSubstr("UNIX have 216 octets"));
  EXPECT_THAT(ErrorOf(V2(0x21, 0x11, InetBlock() + "ab")),
              HasSubstr("cut off after 2 of its first 3 octets"));
  EXPECT_THAT(ErrorOf(V2(0x21, 0x11, InetBlock() + Octets({0x02, 0, 9}) + "short")),
              HasSubstr("the field of type 0x02 says that it has 9 octets, and 5 are left"));
  EXPECT_THAT(ErrorOf(V2(0x21, 0x11, InetBlock() + Tlv(2, "a") + Tlv(2, "b"))),
              HasSubstr("two fields of type 0x02"));
  EXPECT_THAT(ErrorOf(V2(0x21, 0x11, InetBlock() + Tlv(5, std::string(129, 'u')))),
              HasSubstr("a unique id of 129 octets"));
  EXPECT_THAT(ErrorOf(V2(0x21, 0x11, InetBlock() + Tlv(0x20, "1234"))),
              HasSubstr("the field of TLS has 4 octets"));
  EXPECT_THAT(ErrorOf(V2(0x21, 0x11, InetBlock() + Tlv(0x20, "12345" + Octets({0x21, 0, 9})))),
              HasSubstr("type 0x21 says that it has 9 octets, and 0 are left"));
  std::string bent = V2(0x21, 0x11, InetBlock());
  bent[11] = '\r';
  EXPECT_THAT(ErrorOf(bent), HasSubstr("it begins with \"\\r\\n\\r\\n\\x00\\r\\nQUIT\\r!"));
}

TEST(ProxyHeaderV2Test, TheLimitIsToldByTheLengthAlone) {
  ProxyHeader header;
  const std::string octets = V2(0x21, 0x11, InetBlock());
  EXPECT_THAT(ParseProxyHeader(octets, 28, &header), IsOkAndHolds(28u));
  EXPECT_THAT(ParseProxyHeader(octets.substr(0, 16), 27, &header),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       "a PROXY protocol header of 28 octets, where 27 are allowed"));
  const std::string longest = V2(0x20, 0, std::string(65535, 'x'));
  EXPECT_THAT(ParseProxyHeader(longest, kMaxProxyHeaderSize, &header),
              IsOkAndHolds(kMaxProxyHeaderSize));
}

TEST(ProxyHeaderFormatTest, IsReadBack) {
  ProxyHeader header;
  for (const auto& [source, destination] :
       {std::pair("1.2.3.4:5", "6.7.8.9:0"), std::pair("[::1]:65535", "[2001:db8::2]:443"),
        std::pair("unix:/a", "unix-abstract:b")}) {
    header.source = SocketAddress::Parse(source).value();
    header.destination = SocketAddress::Parse(destination).value();
    for (const int version : {1, 2}) {
      header.version = version;
      const absl::StatusOr<std::string> octets = FormatProxyHeader(header);
      if (version == 1 && header.source.is_unix()) {
        EXPECT_THAT(octets, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("unix:/a")));
      } else {
        ASSERT_THAT(octets, IsOk());
        EXPECT_EQ(Parsed(*octets), header) << source << " version " << version;
      }
    }
  }
  header.alpn = "h2";
  header.authority = "example.com";
  header.unique_id = "id";
  header.netns = "net";
  header.tls = ProxyTls{.over_tls = true,
                        .certificate_on_connection = true,
                        .certificate_in_session = true,
                        .verified = true,
                        .version = "TLSv1.2",
                        .common_name = "cn",
                        .cipher = "c",
                        .signature_algorithm = "s",
                        .key_algorithm = "k"};
  header.others = {{.type = 0xee, .value = "azure"}};
  EXPECT_EQ(Parsed(FormatProxyHeader(header, ProxyChecksum::kCrc32c).value()), header);
}

TEST(ProxyHeaderFormatTest, WithoutAddresses) {
  ProxyHeader header;
  header.version = 1;
  EXPECT_THAT(FormatProxyHeader(header), IsOkAndHolds(std::string("PROXY UNKNOWN\r\n")));
  header.version = 2;
  EXPECT_THAT(FormatProxyHeader(header), IsOkAndHolds(V2(0x21, 0, "")));
  header.command = ProxyHeader::Command::kLocal;
  EXPECT_THAT(FormatProxyHeader(header), IsOkAndHolds(V2(0x20, 0, "")));
}

TEST(ProxyHeaderFormatTest, RefusesWhatNobodyCouldRead) {
  ProxyHeader header;
  EXPECT_THAT(FormatProxyHeader(header),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("versions 1 and 2, not 0")));
  header.version = 2;
  header.source = SocketAddress::Parse("1.2.3.4:5").value();
  header.destination = SocketAddress::Parse("[::1]:5").value();
  EXPECT_THAT(FormatProxyHeader(header),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1.2.3.4:5 and [::1]:5")));
  header.destination = header.source;
  header.unique_id = std::string(129, 'x');
  EXPECT_THAT(FormatProxyHeader(header),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("129 octets")));
  header.unique_id = "";
  header.authority = std::string(65536, 'x');
  EXPECT_THAT(FormatProxyHeader(header),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("65536 octets")));
  header.authority = std::string(65535, 'x');
  EXPECT_THAT(FormatProxyHeader(header),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("65535 are the most")));
}

}  // namespace
}  // namespace squall
