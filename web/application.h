// Routes and settings of a web application: Tornado's Application.
//
//   struct MainHandler : squall::RequestHandler {
//     void Get() { Write("Hello, world\n"); }
//   };
//
//   squall::Application app{
//       {"/", squall::Handler<MainHandler>()},
//       {"/item/([0-9]+)", squall::Handler<ItemHandler>(&store)},
//   };
//   squall::HttpServer server(app);
//
// A pattern matches the whole raw path; it is RE2 syntax, or a literal when it has no
// metacharacter, which costs one hash look-up whatever the number of rules. The first rule in the
// order of declaration wins. Groups are percent-decoded and become the parameters of the verbs, "+"
// stays. A group that is not UTF-8 then is answered 400. What no rule matches is 404. rule.h has
// hosts, names, rules within rules and options of a rule.
//
// An unknown method is answered 405 with Allow, as Tornado does, and not 501: RFC 9110 9.1 lets a
// server answer 501 for a method that it does not know, but the resource does say what it allows.
//
// Build it after ForkProcesses() or before, it holds no descriptors and no loop. One thread.
#ifndef SQUALL_WEB_APPLICATION_H_
#define SQUALL_WEB_APPLICATION_H_

#include <concepts>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/httpserver/http_delegate.h"
#include "squall/web/handler.h"
#include "squall/web/route_table.h"
#include "squall/web/rule.h"
#include "squall/web/settings.h"

namespace squall {

namespace internal {
class StaticVersions;
}  // namespace internal

class Application : public HttpServerConnectionDelegate {
 public:
  // A bad rule (an invalid expression, a verb that takes another number of parameters than the
  // pattern has groups, a name twice) is a mistake in the program: it is logged and the process
  // aborts. Create() is for rules that are not literals of the program.
  Application(std::initializer_list<Rule> rules, Settings settings = {});
  explicit Application(std::vector<Rule> rules, Settings settings = {});
  // InvalidArgument names the rule and what is wrong with it.
  static absl::StatusOr<std::unique_ptr<Application>> Create(std::vector<Rule> rules,
                                                             Settings settings = {});

  Application(const Application&) = delete;
  Application& operator=(const Application&) = delete;
  ~Application() override;

  // Rules for hosts whose name matches `host_pattern`, as RuleOptions::host. They come before the
  // rules of the constructor, and those of several calls in the order of the calls. When
  // Settings::default_host matches, they also serve, last of all, hosts that nothing else matches.
  // Before the server starts. Errors as Create().
  absl::Status AddHandlers(std::string_view host_pattern, std::vector<Rule> rules);

  // The path of the rule of that name, with `args` (text or integers), percent-encoded, in place of
  // its groups: ReverseUrl("item", 7) is "/item/7". NotFound for an unknown name; InvalidArgument
  // for another number of groups, for a pattern that has more than text and groups side by side,
  // and for a path that the pattern would not match.
  template <class... Args>
  absl::StatusOr<std::string> ReverseUrl(std::string_view name, const Args&... args) const {
    return ReverseUrlOf(name, {UrlText(args)...});
  }

  const Settings& settings() const { return settings_; }
  // Internal: for StaticUrl().
  internal::StaticVersions& static_versions() const { return *static_versions_; }

  std::unique_ptr<HttpMessageDelegate> StartRequest(HttpConnection& connection) override;
  // For the access log.
  void OnServerAnswer(const ServerAnswer& answer) override;

 private:
  struct HostRules {
    std::unique_ptr<re2::RE2> host;
    std::unique_ptr<internal::RouteTable> table;
    bool serves_default = false;  // default_host matches
  };

  static std::string UrlText(std::integral auto number) { return std::to_string(number); }
  static std::string UrlText(std::string_view text) { return std::string(text); }

  // Without rules yet; SetRules() makes it whole.
  explicit Application(Settings settings);
  absl::Status SetRules(std::vector<Rule> rules);
  internal::RouteTable::Match Find(const HttpConnection& connection) const;
  absl::StatusOr<std::string> ReverseUrlOf(std::string_view name,
                                           const std::vector<std::string>& args) const;

  Settings settings_;
  std::vector<HostRules> hosts_;
  std::unique_ptr<internal::RouteTable> rules_;
  internal::Route default_route_;
  std::unique_ptr<internal::StaticVersions> static_versions_;
};

}  // namespace squall

#endif  // SQUALL_WEB_APPLICATION_H_
