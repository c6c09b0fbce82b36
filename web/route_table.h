// Internal: a list of rules, checked and made ready for requests. Application holds one for each
// host, and a rule with rules of its own has one inside.
#ifndef SQUALL_WEB_ROUTE_TABLE_H_
#define SQUALL_WEB_ROUTE_TABLE_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "re2/re2.h"
#include "squall/httpserver/http_delegate.h"
#include "squall/web/handler_spec.h"
#include "squall/web/router.h"
#include "squall/web/rule.h"

namespace squall::internal {

class RouteTable;

// A rule that requests can be given to.
struct Route {
  std::string pattern;
  RuleOptions options;
  std::vector<std::string> group_names;  // "" for a group without a name
  // One of these three is set.
  std::optional<HandlerSpec> handler;
  HttpServerConnectionDelegate* delegate = nullptr;  // not owned
  std::unique_ptr<RouteTable> nested;
  std::unique_ptr<re2::RE2> host;  // null: any
};

// The host name of a request, made when somebody asks.
class RequestedHost {
 public:
  explicit RequestedHost(std::string_view host_field) : field_(host_field) {}
  // In lower case and without a port; "127.0.0.1" for a request without one.
  const std::string& name();

 private:
  std::string_view field_;
  std::optional<std::string> name_;
};

class RouteTable {
 public:
  // InvalidArgument names the rule and what is wrong with it.
  static absl::StatusOr<std::unique_ptr<RouteTable>> Create(const std::vector<Rule>& rules);

  struct Match {
    const Route* route = nullptr;  // null: none matches
    PathGroups groups;             // views into the path
  };
  Match Find(std::string_view path, RequestedHost& host) const;

  // As Application::ReverseUrl().
  absl::StatusOr<std::string> ReverseUrl(std::string_view name,
                                         const std::vector<std::string>& args) const;

 private:
  absl::Status Add(const Rule& rule);
  absl::Status AddName(const std::string& name, const Route& route);

  Router router_;
  std::vector<std::unique_ptr<Route>> routes_;            // as the router numbers them
  absl::flat_hash_map<std::string, const Route*> names_;  // nested ones, too
};

// A compiled expression for host names. InvalidArgument for a bad one.
absl::StatusOr<std::unique_ptr<re2::RE2>> CompileHostPattern(std::string_view pattern);
bool HostMatches(const re2::RE2& pattern, const std::string& host_name);

}  // namespace squall::internal

#endif  // SQUALL_WEB_ROUTE_TABLE_H_
