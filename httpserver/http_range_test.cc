#include "squall/httpserver/http_range.h"

#include <string>

#include "gtest/gtest.h"
#include "squall/httpserver/unit_vectors.h"

namespace squall {
namespace {

TEST(HttpRangeTest, ReadsAsTornado) {
  for (const auto& row : internal::UnitVectors("parse_request_range")) {
    const std::string in = row["in"];
    const std::optional<RequestRange> range = ParseRequestRange(in);
    ASSERT_EQ(range.has_value(), !row["out"].is_null()) << in;
    if (!range) continue;
    EXPECT_EQ(range->start, internal::OptionalNumber(row["out"][0])) << in;
    EXPECT_EQ(range->end, internal::OptionalNumber(row["out"][1])) << in;
  }
}

TEST(HttpRangeTest, WhatCannotBeReadIsNone) {
  for (const char* bad : {"", "bytes", "bytes=+1-2", "bytes=1_0-", "bytes=1-2-3", "bytes=--1",
                          "bite=1-2", "bytes=1\xa0-2", "bytes=1-2,", "bytes=1,-2"}) {
    const bool none = !ParseRequestRange(bad).has_value();
    // Tornado's rule makes a unit alone an empty range.
    EXPECT_EQ(none, std::string(bad) != "bytes") << bad;
  }
  EXPECT_EQ(ParseRequestRange("bytes=0-9223372036854775806")->end, INT64_MAX);
}

// First octet and how many, or "none".
std::string Resolve(const char* field, int64_t total) {
  const std::optional<OctetRange> octets = ResolveRange(ParseRequestRange(field).value(), total);
  if (!octets.has_value()) return "none";
  return std::to_string(octets->start) + "+" + std::to_string(octets->size);
}

TEST(HttpRangeTest, ResolvesAgainstTheLength) {
  EXPECT_EQ(Resolve("bytes=0-", 26), "0+26");
  EXPECT_EQ(Resolve("bytes=22-25", 26), "22+4");
  EXPECT_EQ(Resolve("bytes=22-99", 26), "22+4");
  EXPECT_EQ(Resolve("bytes=-4", 26), "22+4");
  EXPECT_EQ(Resolve("bytes=-99", 26), "0+26");
  EXPECT_EQ(Resolve("bytes=-", 26), "0+26");
  EXPECT_EQ(Resolve("bytes=26-", 26), "none");
  EXPECT_EQ(Resolve("bytes=5-4", 26), "none");
  EXPECT_EQ(Resolve("bytes=-0", 26), "none");
  EXPECT_EQ(Resolve("bytes=0-", 0), "none");
  EXPECT_EQ(Resolve("bytes=-4", 0), "none");
  EXPECT_EQ(Resolve("bytes=-9223372036854775806", INT64_MAX), "1+9223372036854775806");
}

TEST(HttpRangeTest, NumbersMayHaveAnyLength) {
  for (const char* large :
       {"9223372036854775807", "18446744073709551617", "99999999999999999999"}) {
    const std::string number = large;
    EXPECT_EQ(ParseRequestRange("bytes=" + number + "-")->start, INT64_MAX - 1);
    EXPECT_EQ(ParseRequestRange("bytes=1-" + number)->end, INT64_MAX);
    EXPECT_EQ(ParseRequestRange("bytes=-" + number)->start, -INT64_MAX + 1);
  }
}

// RFC 9110 14.1.
TEST(HttpRangeTest, UnitsHaveNoCase) {
  for (const char* same : {"Bytes=1-2", "BYTES=1-2"}) {
    ASSERT_TRUE(ParseRequestRange(same).has_value()) << same;
    EXPECT_EQ(ParseRequestRange(same)->start, 1) << same;
    EXPECT_EQ(ParseRequestRange(same)->end, 3) << same;
  }
}

TEST(HttpRangeTest, FormatsAsTornado) {
  for (const auto& row : internal::UnitVectors("get_content_range")) {
    EXPECT_EQ(FormatContentRange(internal::OptionalNumber(row["start"]),
                                 internal::OptionalNumber(row["end"]), row["total"].get<int64_t>()),
              row["out"].get<std::string>());
  }
}

}  // namespace
}  // namespace squall
