#include "squall/httpserver/http_date.h"

#include <string>

#include "gtest/gtest.h"
#include "squall/httpserver/unit_vectors.h"

namespace squall {
namespace {

TEST(HttpDateTest, FormatsAsTornadoAndReadsItBack) {
  for (const auto& row : internal::UnitVectors("format_timestamp")) {
    const double seconds = row["in"];
    const std::string text = row["out"];
    EXPECT_EQ(FormatHttpDate(absl::FromUnixMicros(static_cast<int64_t>(seconds * 1e6))), text);
    EXPECT_EQ(ParseHttpDate(text), absl::FromUnixSeconds(static_cast<int64_t>(seconds)));
  }
  EXPECT_EQ(FormatHttpDate(absl::FromUnixMillis(-1)), "Wed, 31 Dec 1969 23:59:59 GMT");
  EXPECT_EQ(FormatHttpDate(absl::InfiniteFuture()), "Fri, 31 Dec 9999 23:59:59 GMT");
  EXPECT_EQ(FormatHttpDate(absl::InfinitePast()), "Sat, 01 Jan 0000 00:00:00 GMT");
}

TEST(HttpDateTest, ReadsAllThreeForms) {
  const absl::Time expected = absl::FromUnixSeconds(784111777);
  EXPECT_EQ(ParseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT"), expected);
  EXPECT_EQ(ParseHttpDate("Sunday, 06-Nov-94 08:49:37 GMT"), expected);
  EXPECT_EQ(ParseHttpDate("Sun Nov  6 08:49:37 1994"), expected);
  EXPECT_EQ(ParseHttpDate("Wed Nov 16 08:49:37 1994"), expected + absl::Hours(240));
  EXPECT_LT(*ParseHttpDate("Fri, 01 Jan 1960 00:00:00 GMT"), absl::UnixEpoch());
  EXPECT_EQ(ParseHttpDate("Sat, 31 Dec 2016 23:59:60 GMT"),
            ParseHttpDate("Sun, 01 Jan 2017 00:00:00 GMT"));
}

TEST(HttpDateTest, TwoDigitYearsAreAtMostFiftyYearsAhead) {
  const absl::Time now = *ParseHttpDate("Mon, 23 Nov 2026 00:00:00 GMT");
  EXPECT_EQ(ParseHttpDate("Sunday, 01-Jan-76 00:00:00 GMT", now),
            ParseHttpDate("Wed, 01 Jan 2076 00:00:00 GMT"));
  EXPECT_EQ(ParseHttpDate("Sunday, 01-Jan-77 00:00:00 GMT", now),
            ParseHttpDate("Sat, 01 Jan 1977 00:00:00 GMT"));
}

TEST(HttpDateTest, RefusesEverythingElse) {
  for (const char* bad : {"",
                          "!nv@l!d",
                          "Sun",
                          "Sun,",
                          "Sun, 06 Nov 1994",
                          "Sun, 06 Nov 1994 08:49:37",
                          "Sun, 06 Nov 1994 08:49:37 gmt",
                          "Sun, 06 Nov 1994 08:49:37 UTC",
                          "Sun, 06 Nov 1994 08:49:37 GMT x",
                          "sun, 06 Nov 1994 08:49:37 GMT",
                          "Sun, 6 Nov 1994 08:49:37 GMT",
                          "Sun, 06 nov 1994 08:49:37 GMT",
                          "Sun, 31 Feb 1994 08:49:37 GMT",
                          "Sun, 00 Nov 1994 08:49:37 GMT",
                          "Sun, 06 Nov 1994 24:49:37 GMT",
                          "Sun, 06 Nov 1994 08:60:37 GMT",
                          "Sun, 06 Nov 1994 08:49:61 GMT",
                          "Sun, 06 Nov 94 08:49:37 GMT",
                          "Xyz, 06 Nov 1994 08:49:37 GMT",
                          "Sundae, 06-Nov-94 08:49:37 GMT",
                          "Sunday, 06-Nov-1994 08:49:37 GMT",
                          "Sun Nov 6 08:49:37 1994",
                          "Sun Nov  6 08:49:37 1994 GMT",
                          "Sun, +6 Nov 1994 08:49:37 GMT"}) {
    EXPECT_EQ(ParseHttpDate(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace squall
