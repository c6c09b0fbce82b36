// Internal: which rule answers a path. Application is the public way to it.
//
// A pattern without metacharacters is a literal and found by one hash look-up; any other is an RE2
// expression that has to match the whole path, so matching takes linear time whatever the pattern.
// The first rule in the order of declaration wins, literals and expressions alike: of
// {"/a/(.*)", X}, {"/a/b", Y} the path /a/b goes to X. Both are matched on the raw path, as it
// was received and before the first "?"; only the groups are percent-decoded, and there "+" stays.
// Matching is on octets (RE2's Latin-1 mode), so that a path with stray octets still finds its
// route and is answered 400 there.
#ifndef SQUALL_WEB_ROUTER_H_
#define SQUALL_WEB_ROUTER_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "re2/re2.h"
#include "squall/web/path_args.h"

namespace squall::internal {

// True for a pattern that stands for itself, apart from one "$" at its end, which is ignored.
bool IsLiteralPattern(std::string_view pattern);

class Router {
 public:
  static constexpr size_t kNoRule = static_cast<size_t>(-1);

  struct Match {
    size_t rule = kNoRule;  // in order of Add()
    // One per group, raw; empty data() for a group that took no part. Views into the path.
    absl::InlinedVector<std::string_view, 2> groups;
  };

  Router();
  Router(Router&&) = default;
  Router& operator=(Router&&) = default;

  // Adds the next rule; returns how many groups it has. InvalidArgument with RE2's explanation for
  // a bad expression.
  absl::StatusOr<int> Add(std::string_view pattern);

  // The first rule that matches `path`, or kNoRule.
  Match Find(std::string_view path) const;

  size_t size() const { return size_; }

 private:
  struct Expression {
    size_t rule;
    std::unique_ptr<re2::RE2> regex;
  };

  absl::flat_hash_map<std::string, size_t> literals_;  // the first rule of each
  std::vector<Expression> expressions_;                // in order
  size_t size_ = 0;
};

// Percent-decodes the groups of a match. InvalidArgument when one is not UTF-8 then.
absl::StatusOr<PathArgs> DecodeGroups(const Router::Match& match);

}  // namespace squall::internal

#endif  // SQUALL_WEB_ROUTER_H_
