#include "squall/web/router.h"

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"

namespace squall::internal {
namespace {

using testing::HasSubstr;

Router MakeRouter(std::initializer_list<const char*> patterns) {
  Router router;
  for (const char* pattern : patterns) EXPECT_THAT(router.Add(pattern), IsOk()) << pattern;
  return router;
}

TEST(RouterTest, LiteralsAndExpressionsMatchTheWholePath) {
  const Router router = MakeRouter({"/", "/a", "/item/([0-9]+)"});
  EXPECT_EQ(router.Find("/").rule, 0u);
  EXPECT_EQ(router.Find("/a").rule, 1u);
  EXPECT_EQ(router.Find("/item/42").rule, 2u);
  EXPECT_EQ(router.Find("/item/42").groups[0], "42");
  for (const char* path : {"", "/a/", "/ab", "x/a", "/item/", "/item/4x", "/item/4/"}) {
    EXPECT_EQ(router.Find(path).rule, Router::kNoRule) << path;
  }
}

TEST(RouterTest, FirstDeclaredWinsAcrossLiteralsAndExpressions) {
  const Router expression_first = MakeRouter({"/a/(.*)", "/a/b", "/a/(b)"});
  EXPECT_EQ(expression_first.Find("/a/b").rule, 0u);
  const Router literal_first = MakeRouter({"/x(.*)", "/a/b", "/a/(.*)", "/a/b"});
  EXPECT_EQ(literal_first.Find("/a/b").rule, 1u);
  EXPECT_EQ(literal_first.Find("/a/c").rule, 2u);
}

TEST(RouterTest, DollarAtTheEndChangesNothing) {
  const Router router = MakeRouter({"/a$", "/b/(.*)$"});
  EXPECT_EQ(router.Find("/a").rule, 0u);
  EXPECT_EQ(router.Find("/b/c").rule, 1u);
}

TEST(RouterTest, AlternationIsAnchoredAsAWhole) {
  const Router router = MakeRouter({"/a|/b"});
  EXPECT_EQ(router.Find("/a").rule, 0u);
  EXPECT_EQ(router.Find("/b").rule, 0u);
  EXPECT_EQ(router.Find("/a/b").rule, Router::kNoRule);
  EXPECT_EQ(router.Find("/ax").rule, Router::kNoRule);
}

TEST(RouterTest, BadExpressionIsAnErrorThatNamesIt) {
  Router router;
  EXPECT_THAT(router.Add("/a/(unclosed"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::AllOf(HasSubstr("/a/(unclosed"), HasSubstr("missing )"))));
}

TEST(RouterTest, GroupsAreCounted) {
  Router router;
  EXPECT_THAT(router.Add("/literal"), IsOkAndHolds(0));
  EXPECT_THAT(router.Add("/(a)/(?:b)/(?P<name>c)"), IsOkAndHolds(2));
}

// Tornado's RequestEncodingTest: group/(.*).
TEST(DecodeGroupsTest, PercentIsDecodedAndPlusStays) {
  const Router router = MakeRouter({"/group/(.*)"});
  const auto decode = [&](const char* path) { return DecodeGroups(router.Find(path)); };
  EXPECT_EQ((*decode("/group/a%20b+c"))[0], "a b+c");
  EXPECT_EQ((*decode("/group/%C3%A9"))[0], "\xC3\xA9");
  EXPECT_EQ((*decode("/group/%2F"))[0], "/");
  EXPECT_EQ((*decode("/group/"))[0], "");
  EXPECT_THAT(decode("/group/%FF"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(decode("/group/\xFF"), StatusIs(absl::StatusCode::kInvalidArgument));
}

// Tornado's OptionalPathTest.
TEST(DecodeGroupsTest, GroupWithoutPartIsAbsent) {
  const Router router = MakeRouter({"/optional_path/(.+)?"});
  EXPECT_EQ((*DecodeGroups(router.Find("/optional_path/")))[0], std::nullopt);
  EXPECT_EQ((*DecodeGroups(router.Find("/optional_path/x")))[0], "x");
}

TEST(RouterTest, NestedRepetitionStaysLinear) {
  const Router router = MakeRouter({"/(a*)*b"});
  EXPECT_EQ(router.Find("/" + std::string(50000, 'a')).rule, Router::kNoRule);
}

TEST(RouterTest, ThousandsOfLiterals) {
  Router router;
  for (int i = 0; i < 10000; ++i) ASSERT_THAT(router.Add(absl::StrCat("/r/", i)), IsOk());
  EXPECT_EQ(router.Find("/r/9999").rule, 9999u);
}

}  // namespace
}  // namespace squall::internal
