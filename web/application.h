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
// stays. A group that is not UTF-8 then is answered 400. What no rule matches is 404.
//
// An unknown method is answered 405 with Allow, as Tornado does, and not 501: RFC 9110 9.1 lets a
// server answer 501 for a method that it does not know, but the resource does say what it allows.
//
// Build it after ForkProcesses() or before, it holds no descriptors and no loop. One thread.
#ifndef SQUALL_WEB_APPLICATION_H_
#define SQUALL_WEB_APPLICATION_H_

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "squall/httpserver/http_delegate.h"
#include "squall/web/handler.h"
#include "squall/web/router.h"
#include "squall/web/settings.h"

namespace squall {

// One route.
struct Rule {
  std::string pattern;
  HandlerSpec handler;
};

class Application : public HttpServerConnectionDelegate {
 public:
  // A bad rule (an invalid expression, a verb that takes another number of parameters than the
  // pattern has groups) is a mistake in the program: it is logged and the process aborts. Create()
  // is for rules that are not literals of the program.
  Application(std::initializer_list<Rule> rules, Settings settings = {});
  explicit Application(std::vector<Rule> rules, Settings settings = {});
  // InvalidArgument names the rule and what is wrong with it.
  static absl::StatusOr<std::unique_ptr<Application>> Create(std::vector<Rule> rules,
                                                             Settings settings = {});

  Application(const Application&) = delete;
  Application& operator=(const Application&) = delete;
  ~Application() override;

  const Settings& settings() const { return settings_; }

  std::unique_ptr<HttpMessageDelegate> StartRequest(HttpConnection& connection) override;

 private:
  friend class internal::Exchange;

  // Without rules yet; AddRules() makes it whole.
  explicit Application(Settings settings);
  absl::Status AddRules(std::vector<Rule> rules);

  Settings settings_;
  internal::Router router_;
  std::vector<Rule> rules_;  // as the router numbers them
  HandlerSpec default_handler_;
};

}  // namespace squall

#endif  // SQUALL_WEB_APPLICATION_H_
