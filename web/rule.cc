#include "squall/web/rule.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "re2/re2.h"
#include "squall/base/logging.h"
#include "squall/web/pattern_text.h"

namespace squall {

namespace {

std::vector<Rule> Below(const std::string& quoted, std::vector<Rule> rules) {
  for (Rule& rule : rules) {
    std::string& pattern = rule.pattern;
    if (internal::AnalyzePattern(pattern).alternation) {
      pattern = absl::StrCat(quoted, "(?:", pattern, ")");
    } else {
      if (pattern.starts_with('^')) pattern.erase(0, 1);
      pattern.insert(0, quoted);
    }
    if (const auto* nested = std::get_if<RuleTarget::NestedRules>(&rule.target.get())) {
      rule.target = Routes(Below(quoted, **nested));
    }
  }
  return rules;
}

}  // namespace

RuleTarget Routes(std::vector<Rule> rules) {
  return RuleTarget(std::make_shared<const std::vector<Rule>>(std::move(rules)));
}

Rule Mount(std::string_view prefix, std::vector<Rule> rules) {
  CHECK(prefix.starts_with('/') && !prefix.ends_with('/'))
      << "Mount(\"" << prefix << "\"): the prefix has to begin with \"/\" and not to end with it";
  const std::string quoted = re2::RE2::QuoteMeta(re2::StringPiece(prefix.data(), prefix.size()));
  return {absl::StrCat(quoted, "(?:/.*)?"), Routes(Below(quoted, std::move(rules)))};
}

}  // namespace squall
