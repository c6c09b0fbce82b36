// The rules of an Application: which path (and host) leads where.
//
//   squall::Application app{
//       {"/", squall::Handler<MainHandler>()},
//       {"/item/(?P<id>[0-9]+)", squall::Handler<ItemHandler>(&store), {.name = "item"}},
//       {"/upload", squall::Handler<UploadHandler>(), {.max_body_size = 1 << 30}},
//       {"/.*", squall::Routes({{"/", squall::Handler<BlogHandler>()}}), {.host = "blog\\..*"}},
//       squall::Mount("/api", {{"/users/([0-9]+)", squall::Handler<UserHandler>()}}),
//       {"/metrics/.*", &metrics},
//   };
//
// Plain values; they are checked when an Application takes them.
#ifndef SQUALL_WEB_RULE_H_
#define SQUALL_WEB_RULE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "squall/httpserver/http_delegate.h"
#include "squall/web/handler_spec.h"

namespace squall {

struct Rule;

// What a rule leads to: a handler, a delegate of the HTTP engine, or more rules.
class RuleTarget {
 public:
  using NestedRules = std::shared_ptr<const std::vector<Rule>>;
  using Variant = std::variant<HandlerSpec, HttpServerConnectionDelegate*, NestedRules>;

  RuleTarget(HandlerSpec handler) : target_(std::move(handler)) {}  // NOLINT: on purpose implicit
  // Gets the request as it is: another Application, say. Not owned, outlives the application.
  RuleTarget(HttpServerConnectionDelegate* delegate) : target_(delegate) {}  // NOLINT
  explicit RuleTarget(NestedRules rules) : target_(std::move(rules)) {}

  const Variant& get() const { return target_; }

 private:
  Variant target_;
};

// What holds for one rule alone. Where a setting of the application is of the same name, the rule's
// counts; unset, the application's or the server's.
struct RuleOptions {
  // For Application::ReverseUrl(); one rule per name. Empty: none.
  std::string name = {};
  // RE2 syntax, to match the whole host name, which is in lower case and without a port. Empty: any.
  std::string host = {};
  // Largest request body, in octets; above it 413.
  std::optional<uint64_t> max_body_size = std::nullopt;
  // For the whole body; then 408.
  std::optional<absl::Duration> body_timeout = std::nullopt;
  std::optional<bool> compress_response = std::nullopt;
  std::optional<bool> xsrf_cookies = std::nullopt;
  // False: its requests are not told to Settings::log_function. For probes of a load balancer.
  bool log = true;
};

// One rule: a request whose whole raw path matches `pattern`, and whose host matches options.host,
// goes to `target`.
struct Rule {
  std::string pattern;  // RE2 syntax
  RuleTarget target;
  RuleOptions options = {};
};

// Rules within a rule, with patterns for the whole path as everywhere. When none of them matches,
// the search goes on behind the rule. Of the outer rule only pattern and host count.
RuleTarget Routes(std::vector<Rule> rules);

// `rules` below a path: "/users" of Mount("/api", ...) is "/api/users", and "" is "/api". `prefix`
// is text, no expression, begins with "/" and does not end with it; anything else aborts.
Rule Mount(std::string_view prefix, std::vector<Rule> rules);

}  // namespace squall

#endif  // SQUALL_WEB_RULE_H_
