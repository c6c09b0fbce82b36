#include "squall/control/status/host_rule.h"

#include "gtest/gtest.h"

namespace squall::internal {
namespace {

TEST(HostRule, LoopbackAndWhatIsNamed) {
  const HostRule rule(false, {"web1.example"});
  for (const char* host : {"localhost", "127.0.0.1", "127.8.0.1", "[::1]", "::1", "web1.example"}) {
    EXPECT_TRUE(rule.Allows(host)) << host;
  }
  for (const char* host : {"", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
                           "192.0.2.1", "0.0.0.0", "[2001:db8::1]", "[", "[]", "2130706433",
                           "0x7f.1", "localhost.", "x.web1.example"}) {
    EXPECT_FALSE(rule.Allows(host)) << host;
  }
}

TEST(HostRule, RemoteAllowsAddressesAndNoNames) {
  const HostRule rule(true, {});
  for (const char* host : {"localhost", "127.0.0.1", "192.0.2.1", "[2001:db8::1]"}) {
    EXPECT_TRUE(rule.Allows(host)) << host;
  }
  for (const char* host : {"evil.example", "192.0.2.1.evil.example", ""}) {
    EXPECT_FALSE(rule.Allows(host)) << host;
  }
}

}  // namespace
}  // namespace squall::internal
