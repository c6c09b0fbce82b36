// Internal: what can be said of a route's pattern without matching it.
//
//   PatternText text = AnalyzePattern("/item/([0-9]+)");   // prefix "/item/", not literal
//   UrlTemplate url = *UrlTemplate::FromPattern("/item/([0-9]+)");
//   *url.Fill({"7"});                                      // "/item/7"
//
// Pure functions.
#ifndef SQUALL_WEB_PATTERN_TEXT_H_
#define SQUALL_WEB_PATTERN_TEXT_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace squall::internal {

struct PatternText {
  std::string prefix;        // every path that matches begins with it
  bool literal = false;      // the prefix is all there is: nothing but it matches
  bool alternation = false;  // has a "|" outside of groups, or may have one
};

// "^" at the start and "$" at the end are ignored, as a pattern has to match the whole path anyway.
// An escaped punctuation mark stands for itself.
PatternText AnalyzePattern(std::string_view pattern);

// The way back from a pattern to a URL: its text with a gap for each group. Tornado's
// PathMatches._find_groups.
class UrlTemplate {
 public:
  // nullopt for a pattern with anything but text and groups side by side.
  static std::optional<UrlTemplate> FromPattern(std::string_view pattern);

  size_t gaps() const { return pieces_.size() - 1; }
  // `values`, percent-encoded but for "/", in the gaps; there must be gaps() of them.
  std::string Fill(const std::vector<std::string>& values) const;

 private:
  std::vector<std::string> pieces_;  // text around the gaps
};

}  // namespace squall::internal

#endif  // SQUALL_WEB_PATTERN_TEXT_H_
