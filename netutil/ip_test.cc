#include "squall/netutil/ip.h"

#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace squall {
namespace {

// Tornado: IsValidIPTest.test_is_valid_ip.
TEST(IsValidIpTest, AnswersAsTornado) {
  std::ifstream file("netutil/testdata/is_valid_ip.json");
  ASSERT_TRUE(file.is_open());
  const nlohmann::json vectors = nlohmann::json::parse(file).at("is_valid_ip");
  ASSERT_FALSE(vectors.empty());
  for (const auto& vector : vectors) {
    EXPECT_EQ(IsValidIp(vector.at("in").get<std::string>()), vector.at("out").get<bool>())
        << vector;
  }
}

TEST(IsValidIpTest, IsStricterThanGetaddrinfo) {
  for (const char* const text : {"127.1", "1", "0x7f.0.0.1", "127.0.0.256", "127.0.0.1:80", "[::1]",
                                 "fe80::1%lo", "::1/128", "1::2::3", "12345::"}) {
    EXPECT_FALSE(IsValidIp(text)) << text;
  }
}

TEST(IsValidIpTest, TakesTheLongestSpelling) {
  EXPECT_TRUE(IsValidIp("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"));
  EXPECT_FALSE(IsValidIp("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255 "));
  EXPECT_TRUE(IsValidIp("::ffff:127.0.0.1"));
}

TEST(IsValidIpTest, SeesTheWholeView) {
  EXPECT_FALSE(IsValidIp(std::string_view("127.0.0.1\0", 10)));
  EXPECT_TRUE(IsValidIp(std::string_view("127.0.0.1, 10.0.0.1").substr(0, 9)));
}

}  // namespace
}  // namespace squall
