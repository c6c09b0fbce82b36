#include "squall/httpserver/url.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/httpserver/unit_vectors.h"

namespace squall {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(UrlTest, DecodesStrictly) {
  EXPECT_EQ(PercentDecode("a%20b+c%2B", UrlSpace::kPercent), "a b+c+");
  EXPECT_EQ(PercentDecode("a%20b+c%2B", UrlSpace::kPlus), "a b c+");
  EXPECT_EQ(PercentDecode("%00%fF", UrlSpace::kPlus), std::string("\0\xff", 2));
  EXPECT_EQ(PercentDecode("%2525", UrlSpace::kPlus), "%25") << "once only";
  for (const char* bad : {"%", "a%", "%4", "%zz", "%4z", "%-1", "%%41", "% 41", "%+1"}) {
    EXPECT_EQ(PercentDecode(bad, UrlSpace::kPercent), std::nullopt) << bad;
    EXPECT_EQ(PercentDecodeLenient(bad, UrlSpace::kPercent),
              std::string(bad) == "%%41" ? "%A" : bad);
  }
}

TEST(UrlTest, EscapesAsTornado) {
  for (const auto& row : internal::UnitVectors("url_escape")) {
    const UrlSpace space = row["plus"].get<bool>() ? UrlSpace::kPlus : UrlSpace::kPercent;
    const std::string in = row["in"];
    EXPECT_EQ(UrlEscape(in, space), row["out"].get<std::string>());
    EXPECT_EQ(PercentDecode(UrlEscape(in, space), space), in);
  }
}

TEST(UrlTest, SplitsTargets) {
  EXPECT_EQ(SplitTarget("/a?b?c").path, "/a");
  EXPECT_EQ(SplitTarget("/a?b?c").query, "b?c");
  EXPECT_EQ(SplitTarget("/a%3Fb").path, "/a%3Fb");
  EXPECT_EQ(SplitTarget("/a%3Fb").query, "");
}

TEST(UrlTest, ParsesQueries) {
  EXPECT_THAT(ParseQuery("b=1&a=x+y%26&b=&c&=d&&e=f=g&%C3%A9=%FF"),
              ElementsAre(Pair("b", "1"), Pair("a", "x y&"), Pair("b", ""), Pair("c", ""),
                          Pair("", "d"), Pair("e", "f=g"), Pair("\xc3\xa9", "\xff")));
  EXPECT_THAT(ParseQuery("a=1;b=2"), ElementsAre(Pair("a", "1;b=2")));
  EXPECT_THAT(ParseQuery("a=100%"), ElementsAre(Pair("a", "100%")));
  EXPECT_THAT(ParseQuery("="), ElementsAre(Pair("", "")));
  EXPECT_THAT(ParseQuery(""), IsEmpty());
  EXPECT_THAT(ParseQuery("&&&"), IsEmpty());
}

TEST(UrlTest, ConcatenatesAsTornado) {
  for (const auto& row : internal::UnitVectors("url_concat")) {
    UrlArguments arguments;
    if (row["args"].is_array()) {
      for (const auto& pair : row["args"]) arguments.emplace_back(pair[0], pair[1]);
    }
    const std::string url = row["url"];
    EXPECT_EQ(UrlConcat(url, arguments), row["out"].get<std::string>()) << url;
  }
}

TEST(UrlTest, SplitsHostAndPortAsTornado) {
  for (const auto& row : internal::UnitVectors("split_host_and_port")) {
    const std::string in = row["in"];
    const HostAndPort parts = SplitHostAndPort(in);
    EXPECT_EQ(parts.host, row["out"][0].get<std::string>()) << in;
    EXPECT_EQ(parts.port, internal::OptionalNumber(row["out"][1])) << in;
  }
  EXPECT_EQ(SplitHostAndPort("a:65536").port, std::nullopt);
  EXPECT_EQ(SplitHostAndPort("a:00080").port, 80);
  EXPECT_EQ(SplitHostAndPort("a:99999999999999999999").port, std::nullopt);
}

// Hosts with ports and octets are tested with the parser, which lives by them.
TEST(UrlTest, ValidHosts) {
  EXPECT_TRUE(IsValidHost("a.example:8888"));
  EXPECT_TRUE(IsValidHost(""));
  EXPECT_FALSE(IsValidHost("a b"));
  EXPECT_FALSE(IsValidHost(std::string("[::1\0]", 6)));
}

}  // namespace
}  // namespace squall
