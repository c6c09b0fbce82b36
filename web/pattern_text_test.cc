#include "squall/web/pattern_text.h"

#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace squall::internal {
namespace {

TEST(AnalyzePatternTest, LiteralsStandForThemselves) {
  for (const char* pattern : {"/a/b", "^/a/b", "/a/b$", "^/a/b$", "/a\\/b"}) {
    const PatternText text = AnalyzePattern(pattern);
    EXPECT_TRUE(text.literal) << pattern;
    EXPECT_EQ(text.prefix, "/a/b") << pattern;
  }
  EXPECT_EQ(AnalyzePattern("/favicon\\.ico").prefix, "/favicon.ico");
  EXPECT_TRUE(AnalyzePattern("/favicon\\.ico").literal);
  EXPECT_TRUE(AnalyzePattern("").literal);
}

TEST(AnalyzePatternTest, ThePrefixEndsBeforeWhatMayDiffer) {
  const struct {
    const char* pattern;
    const char* prefix;
  } cases[] = {
      {"/item/([0-9]+)", "/item/"},
      {"/page/?", "/page"},
      {"/ab*", "/a"},
      {"/ab{2}", "/a"},
      {"/ab+c", "/a"},
      {"/a.c", "/a"},
      {"/a\\.?c", "/a"},
      {"/a\\dc", "/a"},
      {"(?i)/a", ""},
      {"/a(b|c)/d", "/a"},
      {"/a[|]b", "/a"},
      {"/a\\|b(c)", "/a|b"},
      {"/a[^]|]b(c)", "/a"},
      {"/a\\Q.\\E", "/a"},
      {"/a$b", "/a"},
  };
  for (const auto& [pattern, prefix] : cases) {
    EXPECT_EQ(AnalyzePattern(pattern).prefix, prefix) << pattern;
    EXPECT_FALSE(AnalyzePattern(pattern).literal) << pattern;
  }
}

TEST(AnalyzePatternTest, AnAlternationHasNoPrefix) {
  for (const char* pattern :
       {"/a|/b", "/a(x)|/b", "/a[(]|/b", "/a\\(|/b", "/a\\Q(\\E|/b", "/a)|(b"}) {
    EXPECT_EQ(AnalyzePattern(pattern).prefix, "") << pattern;
    EXPECT_FALSE(AnalyzePattern(pattern).literal) << pattern;
    EXPECT_TRUE(AnalyzePattern(pattern).alternation) << pattern;
  }
  EXPECT_FALSE(AnalyzePattern("/a(b|c)").alternation);
}

std::optional<std::string> Reverse(const char* pattern, std::vector<std::string> values = {}) {
  const std::optional<UrlTemplate> url = UrlTemplate::FromPattern(pattern);
  if (!url.has_value() || url->gaps() != values.size()) return std::nullopt;
  return url->Fill(values);
}

// Tornado's URLSpecReverseTest.
TEST(UrlTemplateTest, reverse) {
  EXPECT_EQ(Reverse("/favicon\\.ico"), "/favicon.ico");
  EXPECT_EQ(Reverse("^/favicon\\.ico$"), "/favicon.ico");
}

TEST(UrlTemplateTest, non_reversible) {
  // URLSpecs are non-reversible if they include non-constant regex features outside capturing
  // groups.
  for (const char* pattern : {"^/api/v\\d+/foo/(\\w+)$", "/a.b", "/a(?:b)", "/((a)b)", "/(a)?",
                              "/(a)+", "/a|/b", "/(a", "/[a]"}) {
    EXPECT_FALSE(UrlTemplate::FromPattern(pattern).has_value()) << pattern;
  }
}

TEST(UrlTemplateTest, reverse_arguments) {
  EXPECT_EQ(Reverse("^/api/v1/foo/(\\w+)$", {"bar"}), "/api/v1/foo/bar");
  EXPECT_EQ(Reverse("/([)(]+)/(?P<n>[^/)]*)\\.x", {"a b", "c/d?"}), "/a%20b/c/d%3F.x");
}

}  // namespace
}  // namespace squall::internal
