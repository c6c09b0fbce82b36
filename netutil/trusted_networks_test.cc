#include "squall/netutil/trusted_networks.h"

#include "gtest/gtest.h"

namespace squall {
namespace {

TEST(TrustedNetworksTest, ExactAddresses) {
  auto networks = TrustedNetworks::Parse({"5.5.5.5", "::1"});
  ASSERT_TRUE(networks.ok());
  EXPECT_TRUE(networks->Contains("5.5.5.5"));
  EXPECT_TRUE(networks->Contains("::1"));
  EXPECT_TRUE(networks->Contains("0:0:0:0:0:0:0:1"));
  EXPECT_FALSE(networks->Contains("5.5.5.6"));
  EXPECT_FALSE(networks->Contains(""));
  EXPECT_FALSE(networks->Contains("5.5.5.5<script>"));
  EXPECT_FALSE(networks->Contains(std::string_view("5.5.5.5\0", 8)));
}

TEST(TrustedNetworksTest, Networks) {
  auto networks =
      TrustedNetworks::Parse({"10.0.0.0/8", "192.168.128.0/17", "fd00::/8", "1.2.3.4/32"});
  ASSERT_TRUE(networks.ok());
  EXPECT_TRUE(networks->Contains("10.255.1.2"));
  EXPECT_FALSE(networks->Contains("11.0.0.1"));
  EXPECT_TRUE(networks->Contains("192.168.200.1"));
  EXPECT_FALSE(networks->Contains("192.168.1.1"));
  EXPECT_TRUE(networks->Contains("fd12::9"));
  EXPECT_FALSE(networks->Contains("fe80::9"));
  EXPECT_TRUE(networks->Contains("::ffff:10.0.0.1"));
  EXPECT_TRUE(networks->Contains("1.2.3.4"));
  EXPECT_FALSE(networks->Contains("1.2.3.5"));
}

TEST(TrustedNetworksTest, PrefixZeroOfV4DoesNotTrustV6) {
  auto networks = TrustedNetworks::Parse({"0.0.0.0/0"});
  ASSERT_TRUE(networks.ok());
  EXPECT_TRUE(networks->Contains("9.9.9.9"));
  EXPECT_FALSE(networks->Contains("2001::1"));
}

TEST(TrustedNetworksTest, SocketAddresses) {
  const auto networks = TrustedNetworks::Parse({"10.0.0.0/8", "fe80::/10"});
  ASSERT_TRUE(networks.ok());
  const auto contains = [&](const char* address) {
    return networks->Contains(SocketAddress::Parse(address).value());
  };
  EXPECT_TRUE(contains("10.1.2.3:80"));
  EXPECT_TRUE(contains("[::ffff:10.1.2.3]:80"));
  EXPECT_TRUE(contains("[fe80::1%lo]:80"));
  EXPECT_FALSE(contains("11.1.2.3:80"));
  EXPECT_FALSE(contains("unix:10.1.2.3"));
  EXPECT_FALSE(networks->Contains(SocketAddress()));
}

TEST(TrustedNetworksTest, UnixSockets) {
  const auto networks = TrustedNetworks::Parse({"unix:"});
  ASSERT_TRUE(networks.ok());
  EXPECT_FALSE(networks->empty());
  EXPECT_TRUE(networks->Contains(SocketAddress::Parse("unix:/run/a").value()));
  EXPECT_FALSE(networks->Contains(SocketAddress::Parse("127.0.0.1:80").value()));
  EXPECT_FALSE(networks->Contains("unix:"));
  EXPECT_FALSE(networks->Contains(SocketAddress()));
}

TEST(TrustedNetworksTest, ErrorsNameTheEntry) {
  for (const char* bad : {"", "host", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "::/129", "/8"}) {
    auto networks = TrustedNetworks::Parse({"127.0.0.1", bad});
    ASSERT_FALSE(networks.ok()) << bad;
    EXPECT_NE(networks.status().message().find(bad), absl::string_view::npos) << bad;
  }
  // In one line, whatever is in it.
  for (const char* bad : {"10.0.0.1\nfake", "10.0.0.1/\n8"}) {
    auto networks = TrustedNetworks::Parse({bad});
    ASSERT_FALSE(networks.ok());
    EXPECT_EQ(networks.status().message().find('\n'), absl::string_view::npos);
  }
}

}  // namespace
}  // namespace squall
