#include "squall/web/router.h"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "re2/re2.h"
#include "squall/base/status_matchers.h"

namespace squall::internal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

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
  EXPECT_THAT(router.Add("/literal"), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(router.Add("/(a)/(?:b)/(?P<name>c)"), IsOkAndHolds(ElementsAre("", "name")));
}

// Tornado's RequestEncodingTest: group/(.*).
TEST(DecodeGroupsTest, PercentIsDecodedAndPlusStays) {
  const Router router = MakeRouter({"/group/(.*)"});
  const auto decode = [&](const char* path) { return DecodeGroups(router.Find(path).groups); };
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
  EXPECT_EQ((*DecodeGroups(router.Find("/optional_path/").groups))[0], std::nullopt);
  EXPECT_EQ((*DecodeGroups(router.Find("/optional_path/x").groups))[0], "x");
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

// With Prepare() and without it, few expressions and many, one text before them or several.
TEST(RouterTest, LargeTablesFindWhatAPlainSearchFinds) {
  Router prepared;
  Router plain;
  std::vector<std::string> patterns;
  for (int i = 0; i < 40; ++i) {
    for (const char* pattern : {"/a/$0/([0-9]+)", "/([a-z]+)/$0", "/(a|b)/$0(?:/x)?", "/lit/$0"}) {
      patterns.push_back(absl::Substitute(pattern, i));
    }
  }
  patterns.insert(patterns.end(), {"/a/(.*)", "/a/7", "(.*)/end", "/z|/y", "/s/\\(x\\)"});
  for (const std::string& pattern : patterns) {
    ASSERT_THAT(prepared.Add(pattern), IsOk());
    ASSERT_THAT(plain.Add(pattern), IsOk());
  }
  prepared.Prepare();
  const auto by_hand = [&](const std::string& path) {
    for (size_t i = 0; i < patterns.size(); ++i) {
      re2::RE2::Options options;
      options.set_encoding(re2::RE2::Options::EncodingLatin1);
      if (re2::RE2::FullMatch(path, re2::RE2(patterns[i], options))) return i;
    }
    return Router::kNoRule;
  };
  for (const char* path :
       {"/a/7/1", "/a/39/0", "/a/7", "/a/", "/b/12", "/b/12/x", "/q/12", "/lit/3", "/lit/39/end",
        "/a/40/2", "/end", "/y", "/z", "/zz", "", "/s/(x)", "/q/\xFF", "//", "/a/7/1/"}) {
    const size_t want = by_hand(path);
    EXPECT_EQ(prepared.Find(path).rule, want) << path;
    EXPECT_EQ(plain.Find(path).rule, want) << path;
    EXPECT_EQ(prepared.Find(path).groups, plain.Find(path).groups) << path;
  }
}

TEST(RouterTest, VisitGoesOnUntilOneIsTaken) {
  Router router = MakeRouter({"/(x)", "/x", "/x", "/(.)", "/y"});
  router.Prepare();
  std::vector<size_t> seen;
  EXPECT_FALSE(router.Visit("/x", [&](size_t rule, const PathGroups&) {
    seen.push_back(rule);
    return false;
  }));
  EXPECT_THAT(seen, ElementsAre(0, 1, 2, 3));
  Router literals = MakeRouter({"/x", "/x"});
  seen.clear();
  EXPECT_TRUE(literals.Visit("/x", [&](size_t rule, const PathGroups&) {
    seen.push_back(rule);
    return rule == 1;
  }));
  EXPECT_THAT(seen, ElementsAre(0, 1));
}

}  // namespace
}  // namespace squall::internal
