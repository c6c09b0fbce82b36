// Internal: which patterns match a path, in their order. RouteTable is made of it.
//
// A pattern without metacharacters is a literal and found by one hash look-up; any other is an RE2
// expression that has to match the whole path, so matching takes linear time whatever the pattern.
// Expressions are sorted by the text that they begin with, up to its last "/", and only those whose
// text the path begins with are tried; many with the same text are tried at once as an RE2::Set.
// router_benchmark.cc says what that is worth.
//
// The first rule in the order of declaration wins, literals and expressions alike: of
// {"/a/(.*)", X}, {"/a/b", Y} the path /a/b goes to X. Both are matched on the raw path, as it
// was received and before the first "?"; only the groups are percent-decoded, and there "+" stays.
// Matching is on octets (RE2's Latin-1 mode), so that a path with stray octets still finds its
// route and is answered 400 there.
#ifndef SQUALL_WEB_ROUTER_H_
#define SQUALL_WEB_ROUTER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "re2/re2.h"
#include "re2/set.h"
#include "squall/web/path_args.h"

namespace squall::internal {

// One per group of a pattern, raw; empty data() for a group that took no part. Views into the path.
using PathGroups = absl::InlinedVector<std::string_view, 2>;

class Router {
 public:
  static constexpr size_t kNoRule = static_cast<size_t>(-1);

  struct Match {
    size_t rule = kNoRule;  // in order of Add()
    PathGroups groups;
  };

  Router();
  Router(Router&&) = default;
  Router& operator=(Router&&) = default;

  // Adds the next rule; returns the name of each of its groups, "" for one without.
  // InvalidArgument with RE2's explanation for a bad expression.
  absl::StatusOr<std::vector<std::string>> Add(std::string_view pattern);

  // Makes a large table fast; to be called behind the last Add(). Find() is right without it, too.
  void Prepare();

  // Calls `take` for the rules that match `path`, in their order, until it returns true. False if
  // it never did.
  bool Visit(std::string_view path,
             absl::FunctionRef<bool(size_t rule, const PathGroups& groups)> take) const;

  // The first rule that matches `path`, or kNoRule.
  Match Find(std::string_view path) const;

  size_t size() const { return expressions_.size(); }

 private:
  // The expressions that begin with one text.
  struct Bucket {
    std::vector<uint32_t> rules;         // ascending
    std::unique_ptr<re2::RE2::Set> set;  // of all of them; null for few
  };
  using Candidates = absl::InlinedVector<uint32_t, 16>;

  void AddCandidates(const Bucket& bucket, std::string_view path, Candidates& candidates) const;
  bool Try(size_t rule, std::string_view path, PathGroups& groups) const;

  absl::flat_hash_map<std::string, absl::InlinedVector<uint32_t, 1>> literals_;
  std::vector<std::unique_ptr<re2::RE2>> expressions_;  // by rule; null for a literal
  absl::flat_hash_map<std::string, Bucket> buckets_;
  std::vector<size_t> prefix_sizes_;  // of the buckets' texts, ascending, each once
  uint32_t first_expression_ = UINT32_MAX;
};

// Percent-decodes the groups of a match. InvalidArgument when one is not UTF-8 then.
absl::StatusOr<PathArgs> DecodeGroups(const PathGroups& groups);

}  // namespace squall::internal

#endif  // SQUALL_WEB_ROUTER_H_
