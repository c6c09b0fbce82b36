#include "squall/httpserver/http_headers.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/httpserver/unit_vectors.h"

namespace squall {
namespace {

using testing::ElementsAre;

std::string Dump(const HttpHeaders& headers) {
  std::string out;
  headers.AppendTo(out);
  return out;
}

TEST(HttpHeadersTest, KeepsOrderAndSpelling) {
  HttpHeaders headers;
  EXPECT_TRUE(headers.Add("x-ONE", "1"));
  EXPECT_TRUE(headers.Add("Two", "2"));
  EXPECT_TRUE(headers.Add("X-One", ""));
  EXPECT_EQ(Dump(headers), "x-ONE: 1\r\nTwo: 2\r\nX-One: \r\n");
  EXPECT_EQ(headers.Get("X-one"), "1");
  EXPECT_EQ(headers.Get("three"), std::nullopt);
  EXPECT_THAT(headers.GetAll("X-ONE"), ElementsAre("1", ""));
  EXPECT_EQ(headers.GetJoined("X-ONE"), "1, ");
  EXPECT_EQ(headers.GetJoined("three"), "");
  EXPECT_TRUE(headers.Has("two"));
  EXPECT_FALSE(headers.Has("tw"));
}

TEST(HttpHeadersTest, SetKeepsThePlaceAndIsTheOnlyOne) {
  HttpHeaders headers;
  headers.Add("A", "1");
  headers.Add("B", "2");
  headers.Add("a", "3");
  EXPECT_TRUE(headers.Set("a", "4"));
  EXPECT_EQ(Dump(headers), "A: 4\r\nB: 2\r\n");
  EXPECT_TRUE(headers.Set("C", "5"));
  EXPECT_EQ(headers.Remove("b"), 1u);
  EXPECT_EQ(headers.Remove("b"), 0u);
  EXPECT_EQ(Dump(headers), "A: 4\r\nC: 5\r\n");
  EXPECT_TRUE(headers.Rename("a", "X-A"));
  EXPECT_FALSE(headers.Rename("c", "X A"));
  EXPECT_EQ(Dump(headers), "X-A: 4\r\nC: 5\r\n");
  headers.Clear();
  EXPECT_TRUE(headers.empty());
}

// The same fields without what stands in memory as a whole.
std::string DumpOneByOne(const HttpHeaders& headers) {
  std::string out;
  for (const auto [name, value] : headers)
    out.append(name).append(": ").append(value).append("\r\n");
  return out;
}

TEST(HttpHeadersTest, StandsAsAWholeUntilSomethingIsRemoved) {
  HttpHeaders headers;
  EXPECT_EQ(headers.Whole(), "");
  headers.Add("A", "1");
  headers.Add("B", "22");
  headers.Add("C", "3");
  headers.Set("a", "a longer one");
  headers.Set("b", "");
  EXPECT_EQ(headers.Whole(), "A: a longer one\r\nB: \r\nC: 3\r\n");
  EXPECT_EQ(DumpOneByOne(headers), headers.Whole());
  headers.Set("B", headers.Get("A").value());
  EXPECT_EQ(headers.Whole(), "A: a longer one\r\nB: a longer one\r\nC: 3\r\n");
  HttpHeaders copy = headers;
  EXPECT_EQ(copy.Remove("b"), 1u);
  EXPECT_EQ(copy.Whole(), std::nullopt);
  EXPECT_EQ(Dump(copy), "A: a longer one\r\nC: 3\r\n");
  EXPECT_EQ(DumpOneByOne(copy), Dump(copy));
  copy.Clear();
  EXPECT_EQ(copy.Whole(), "");
  copy = headers;
  EXPECT_TRUE(copy.Rename("C", "D"));
  EXPECT_EQ(copy.Whole(), std::nullopt);
  copy = headers;
  copy.Add("a", "2");
  EXPECT_TRUE(copy.Whole().has_value());
  EXPECT_TRUE(copy.Set("A", "3"));
  EXPECT_EQ(copy.Whole(), std::nullopt);
  EXPECT_EQ(Dump(copy), "A: 3\r\nB: a longer one\r\nC: 3\r\n");
}

TEST(HttpHeadersTest, TakesViewsIntoItself) {
  HttpHeaders headers;
  headers.Add("Name", std::string(100, 'v'));
  for (int i = 0; i < 50; ++i) {
    const HttpHeaders::Field field = headers.at(headers.size() - 1);
    ASSERT_TRUE(headers.Add(field.name, field.value));
  }
  for (const auto [name, value] : headers) EXPECT_EQ(value, std::string(100, 'v')) << name;
  headers.Set(headers.at(7).name, headers.at(9).value);
  EXPECT_EQ(Dump(headers), "Name: " + std::string(100, 'v') + "\r\n");
}

TEST(HttpHeadersTest, CopiesDoNotShare) {
  HttpHeaders headers;
  headers.Add("A", "1");
  HttpHeaders copy = headers;
  copy.Set("A", "2");
  EXPECT_EQ(headers.Get("A"), "1");
  EXPECT_EQ(copy.Get("A"), "2");
}

// CVE-2012-2374 and its relatives.
TEST(HttpHeadersTest, AResponseCannotBeSplit) {
  HttpHeaders headers;
  headers.Add("Safe", "1");
  for (const std::string& value :
       {std::string("foo\r\nX-Bar: baz"), std::string("a\nb"), std::string("a\rb"),
        std::string("a\0b", 3), std::string("\x7f"), std::string("\x0b")}) {
    EXPECT_FALSE(headers.Add("X", value));
    EXPECT_FALSE(headers.Set("X", value));
    EXPECT_FALSE(headers.Set("Safe", value));
    EXPECT_FALSE(headers.Add(value, "1"));
  }
  EXPECT_FALSE(headers.Set("", "1"));
  EXPECT_EQ(Dump(headers), "Safe: 1\r\n");
}

TEST(HttpHeadersTest, NamesAsTornadoJudgesThem) {
  for (const auto& row : internal::UnitVectors("header_name_valid")) {
    const std::string name = row["in"];
    EXPECT_EQ(IsValidHeaderName(name), row["out"].get<bool>()) << name;
  }
}

TEST(HttpHeadersTest, ValueOctetsAsTornadoJudgesThem) {
  std::vector<bool> allowed(256, false);
  for (const auto& octet : internal::UnitVectors("header_value_allowed_bytes_inside")) {
    allowed[octet.get<int>()] = true;
  }
  for (int i = 0; i < 256; ++i) {
    const char c = static_cast<char>(i);
    EXPECT_EQ(IsValidHeaderValue(std::string("a") + c + "b"), allowed[i]) << i;
    // Behind the reach of one vector register, too.
    EXPECT_EQ(IsValidHeaderValue(std::string(40, 'a') + c + std::string(40, 'b')), allowed[i]) << i;
  }
}

TEST(HttpHeadersTest, NormalizesNames) {
  EXPECT_EQ(NormalizeHeaderName("x-FOO-bar"), "X-Foo-Bar");
  EXPECT_EQ(NormalizeHeaderName("HOST"), "Host");
  EXPECT_EQ(NormalizeHeaderName("coNtent-TYPE"), "Content-Type");
  EXPECT_EQ(NormalizeHeaderName("3x-y--z_A"), "3x-Y--Z_a");
  EXPECT_EQ(NormalizeHeaderName(""), "");
}

TEST(HttpHeadersTest, TokensOfLists) {
  EXPECT_TRUE(HasToken("close", "close"));
  EXPECT_TRUE(HasToken(" Upgrade ,\tCLOSE", "close"));
  EXPECT_TRUE(HasToken("a,,close,", "close"));
  EXPECT_FALSE(HasToken("closed", "close"));
  EXPECT_FALSE(HasToken("x close", "close"));
  EXPECT_FALSE(HasToken("close;q=1", "close"));
  EXPECT_FALSE(HasToken("", "close"));
  HttpHeaders headers;
  headers.Add("Connection", "a");
  headers.Add("connection", "b, c");
  EXPECT_TRUE(headers.HasToken("Connection", "C"));
  EXPECT_FALSE(headers.HasToken("Connection", "d"));
}

// CVE-2025-67725: one name repeated very often. Work that grew with the square of the number would
// not end within the test's time.
TEST(HttpHeadersTest, RepetitionIsLinear) {
  HttpHeaders headers;
  constexpr int kCount = 300'000;
  for (int i = 0; i < kCount; ++i) headers.Add("A", "b");
  EXPECT_EQ(headers.GetJoined("a").size(), kCount * 3u - 2);
  EXPECT_EQ(headers.GetAll("a").size(), static_cast<size_t>(kCount));
  EXPECT_TRUE(headers.Set("A", "c"));
  EXPECT_EQ(headers.size(), 1u);
}

}  // namespace
}  // namespace squall
