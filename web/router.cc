#include "squall/web/router.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "re2/re2.h"
#include "re2/set.h"
#include "re2/stringpiece.h"
#include "squall/base/logging.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/url.h"
#include "squall/web/path_args.h"
#include "squall/web/pattern_text.h"
#include "squall/web/utf8.h"

namespace squall::internal {

namespace {

// Below this many expressions of one text, trying each is faster than a set (router_benchmark).
constexpr size_t kLeastForSet = 4;
// What a set may use for its automaton, for each of its expressions.
constexpr int64_t kSetMemoryEach = 8 << 10;

re2::RE2::Options PathOptions() {
  re2::RE2::Options options(re2::RE2::Quiet);
  options.set_encoding(re2::RE2::Options::EncodingLatin1);
  options.set_dot_nl(true);
  return options;
}

re2::StringPiece ToPiece(std::string_view text) { return {text.data(), text.size()}; }

// The text that selects a bucket: whole segments, so that few sizes occur.
std::string BucketText(std::string prefix) {
  prefix.resize(prefix.rfind('/') + 1);
  return prefix;
}

}  // namespace

Router::Router() = default;

absl::StatusOr<std::vector<std::string>> Router::Add(std::string_view pattern) {
  const auto rule = static_cast<uint32_t>(expressions_.size());
  PatternText text = AnalyzePattern(pattern);
  if (text.literal) {
    literals_[std::move(text.prefix)].push_back(rule);
    expressions_.emplace_back();
    return std::vector<std::string>();
  }
  auto regex = std::make_unique<re2::RE2>(ToPiece(pattern), PathOptions());
  if (!regex->ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the pattern \"", ToAbsl(pattern), "\" is no valid regular expression: ", regex->error()));
  }
  std::vector<std::string> names(regex->NumberOfCapturingGroups());
  for (const auto& [group, name] : regex->CapturingGroupNames()) names[group - 1] = name;
  std::string key = BucketText(std::move(text.prefix));
  const size_t size = key.size();
  buckets_[std::move(key)].rules.push_back(rule);
  const auto place = std::lower_bound(prefix_sizes_.begin(), prefix_sizes_.end(), size);
  if (place == prefix_sizes_.end() || *place != size) prefix_sizes_.insert(place, size);
  first_expression_ = std::min(first_expression_, rule);
  expressions_.push_back(std::move(regex));
  return names;
}

void Router::Prepare() {
  for (auto& [text, bucket] : buckets_) {
    if (bucket.rules.size() < kLeastForSet) continue;
    re2::RE2::Options options = PathOptions();
    options.set_max_mem(options.max_mem() + kSetMemoryEach * bucket.rules.size());
    auto set = std::make_unique<re2::RE2::Set>(options, re2::RE2::ANCHOR_BOTH);
    for (const uint32_t rule : bucket.rules) {
      std::string error;
      CHECK_GE(set->Add(expressions_[rule]->pattern(), &error), 0) << error;
    }
    if (set->Compile()) {
      bucket.set = std::move(set);
    } else {
      LOG(WARNING) << bucket.rules.size() << " patterns that begin with \"" << text
                   << "\" are too large to be matched at once; each is tried";
    }
  }
}

void Router::AddCandidates(const Bucket& bucket, std::string_view path,
                           Candidates& candidates) const {
  if (bucket.set != nullptr) {
    std::vector<int> matches;
    re2::RE2::Set::ErrorInfo error;
    if (bucket.set->Match(ToPiece(path), &matches, &error) ||
        error.kind == re2::RE2::Set::kNoError) {
      for (const int match : matches) candidates.push_back(bucket.rules[match]);
      return;
    }
    // Out of memory: each is tried.
  }
  candidates.insert(candidates.end(), bucket.rules.begin(), bucket.rules.end());
}

bool Router::Try(size_t rule, std::string_view path, PathGroups& groups) const {
  groups.clear();
  const re2::RE2* const regex = expressions_[rule].get();
  if (regex == nullptr) return true;  // a literal is a candidate only when it matches
  const int count = regex->NumberOfCapturingGroups();
  absl::InlinedVector<re2::StringPiece, 4> pieces(count + 1);
  // Without groups to find RE2 has no need of its slower machines.
  if (!regex->Match(ToPiece(path), 0, path.size(), re2::RE2::ANCHOR_BOTH, pieces.data(),
                    count == 0 ? 0 : count + 1)) {
    return false;
  }
  for (int i = 1; i <= count; ++i) groups.emplace_back(pieces[i].data(), pieces[i].size());
  return true;
}

bool Router::Visit(std::string_view path,
                   absl::FunctionRef<bool(size_t, const PathGroups&)> take) const {
  PathGroups groups;
  Candidates candidates;
  if (const auto found = literals_.find(ToAbsl(path)); found != literals_.end()) {
    // Most paths end here.
    const uint32_t first = found->second.front();
    if (first < first_expression_ && take(first, groups)) return true;
    candidates.assign(found->second.begin() + (first < first_expression_ ? 1 : 0),
                      found->second.end());
  }
  for (const size_t size : prefix_sizes_) {
    if (size > path.size()) break;
    if (size > 0 && path[size - 1] != '/') continue;
    if (const auto found = buckets_.find(ToAbsl(path.substr(0, size))); found != buckets_.end()) {
      AddCandidates(found->second, path, candidates);
    }
  }
  std::sort(candidates.begin(), candidates.end());
  return std::any_of(candidates.begin(), candidates.end(),
                     [&](uint32_t rule) { return Try(rule, path, groups) && take(rule, groups); });
}

Router::Match Router::Find(std::string_view path) const {
  Match match;
  Visit(path, [&](size_t rule, const PathGroups& groups) {
    match = {rule, groups};
    return true;
  });
  return match;
}

absl::StatusOr<PathArgs> DecodeGroups(const PathGroups& groups) {
  PathArgs args;
  for (const std::string_view group : groups) {
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
