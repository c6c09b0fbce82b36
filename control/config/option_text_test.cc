#include "squall/control/config/option_text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace squall::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::Optional;

TEST(OptionText, Sizes) {
  EXPECT_THAT(ReadSize("0"), Optional(Eq(0)));
  EXPECT_THAT(ReadSize("65536"), Optional(Eq(65536)));
  EXPECT_THAT(ReadSize("64KiB"), Optional(Eq(65536)));
  EXPECT_THAT(ReadSize("3M"), Optional(Eq(3 << 20)));
  EXPECT_THAT(ReadSize("8589934591GiB"), Optional(Eq(int64_t{8589934591} << 30)));
  for (const char* bad :
       {"", "KiB", "-1", "1.5M", "1 M", "1kb", "1TiB", "8589934592GiB", "99999999999999999999"}) {
    EXPECT_EQ(ReadSize(bad), std::nullopt) << bad;
  }
}

TEST(OptionText, Modes) {
  EXPECT_THAT(ReadMode("0660"), Optional(Eq(0660u)));
  EXPECT_THAT(ReadMode("27"), Optional(Eq(027u)));
  for (const char* bad : {"", "8", "rwx", "-1", "0x1"})
    EXPECT_EQ(ReadMode(bad), std::nullopt) << bad;
}

TEST(OptionText, Limits) {
  const auto soft = ReadLimit("nofile:65536");
  ASSERT_TRUE(soft.has_value());
  EXPECT_EQ(soft->resource, "nofile");
  EXPECT_THAT(soft->soft, Optional(Eq(65536u)));
  EXPECT_EQ(soft->hard, std::nullopt);
  EXPECT_THAT(ReadLimit("core:0:unlimited")->hard, Optional(Eq(kUnlimited)));
  for (const char* bad : {"", "nofile", "nofile:", ":1", "nofile:x", "nofile:1:", "a:1:2:3"}) {
    EXPECT_FALSE(ReadLimit(bad).has_value()) << bad;
  }
}

TEST(OptionText, CpuSets) {
  EXPECT_THAT(ReadCpuSets("0,1;2-4,7"),
              Optional(ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3, 4, 7))));
  for (const char* bad : {"", "x", "0;", "1,,2", "3-1", "-1", "0-", "0-99999999"}) {
    EXPECT_EQ(ReadCpuSets(bad), std::nullopt) << bad;
  }
}

TEST(OptionText, DurationsAndNumbers) {
  absl::Duration duration = absl::Seconds(1);
  EXPECT_TRUE(ReadText("1h30m", duration));
  EXPECT_EQ(duration, absl::Minutes(90));
  EXPECT_FALSE(ReadText("30", duration));
  EXPECT_EQ(duration, absl::Minutes(90)) << "left alone";
  double number = 1;
  EXPECT_TRUE(ReadText("0.5", number));
  EXPECT_FALSE(ReadText("nan", number));
  EXPECT_FALSE(ReadText("inf", number));
}

}  // namespace
}  // namespace squall::internal
