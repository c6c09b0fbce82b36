#include "squall/web/router.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "re2/re2.h"
#include "re2/stringpiece.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/url.h"
#include "squall/web/path_args.h"
#include "squall/web/utf8.h"

namespace squall::internal {

bool IsLiteralPattern(std::string_view pattern) {
  if (pattern.ends_with('$')) pattern.remove_suffix(1);
  return pattern.find_first_of("\\^$.|?*+()[]{}") == std::string_view::npos;
}

Router::Router() = default;

absl::StatusOr<int> Router::Add(std::string_view pattern) {
  if (IsLiteralPattern(pattern)) {
    if (pattern.ends_with('$')) pattern.remove_suffix(1);
    literals_.try_emplace(std::string(pattern), size_);
    ++size_;
    return 0;
  }
  re2::RE2::Options options(re2::RE2::Quiet);
  options.set_encoding(re2::RE2::Options::EncodingLatin1);
  options.set_dot_nl(true);
  auto regex =
      std::make_unique<re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!regex->ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the pattern \"", ToAbsl(pattern), "\" is no valid regular expression: ", regex->error()));
  }
  const int groups = regex->NumberOfCapturingGroups();
  expressions_.push_back({size_, std::move(regex)});
  ++size_;
  return groups;
}

Router::Match Router::Find(std::string_view path) const {
  Match match;
  if (const auto found = literals_.find(ToAbsl(path)); found != literals_.end())
    match.rule = found->second;
  const re2::StringPiece text(path.data(), path.size());
  absl::InlinedVector<re2::StringPiece, 4> pieces;
  for (const Expression& expression : expressions_) {
    if (expression.rule > match.rule) break;  // a literal was declared earlier
    const int groups = expression.regex->NumberOfCapturingGroups();
    pieces.resize(groups + 1);
    if (!expression.regex->Match(text, 0, text.size(), re2::RE2::ANCHOR_BOTH, pieces.data(),
                                 groups + 1)) {
      continue;
    }
    match.rule = expression.rule;
    for (int i = 1; i <= groups; ++i) {
      match.groups.emplace_back(pieces[i].data(), pieces[i].size());
    }
    break;
  }
  return match;
}

absl::StatusOr<PathArgs> DecodeGroups(const Router::Match& match) {
  PathArgs args;
  for (const std::string_view group : match.groups) {
    if (group.data() == nullptr) {
      args.emplace_back(std::nullopt);
      continue;
    }
    std::string text = PercentDecodeLenient(group, UrlSpace::kPercent);
    if (!IsValidUtf8(text)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the part \"", ToAbsl(group), "\" of the path is not UTF-8"));
    }
    args.emplace_back(std::move(text));
  }
  return args;
}

}  // namespace squall::internal
