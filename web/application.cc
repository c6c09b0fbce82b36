#include "squall/web/application.h"

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "re2/re2.h"
#include "squall/base/logging.h"
#include "squall/base/status_macros.h"
#include "squall/base/string_view.h"
#include "squall/web/error_handler.h"
#include "squall/web/exchange.h"
#include "squall/web/static_file_handler.h"

namespace squall {

namespace {

absl::Status CheckPathArgs(const Rule& rule, int groups) {
  const internal::HandlerClass& handler_class = rule.handler.handler_class();
  for (size_t i = 0; i < internal::kVerbs; ++i) {
    const internal::VerbEntry& verb = handler_class.verbs[i];
    if (verb.run == nullptr || verb.path_args == internal::kAnyPathArgs) continue;
    if (verb.path_args == groups) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "the pattern \"", rule.pattern, "\" has ", groups, " group", groups == 1 ? "" : "s",
        ", but its handler takes ", verb.path_args, " path argument",
        verb.path_args == 1 ? "" : "s", " for ", ToAbsl(internal::kVerbNames[i]),
        "; make them equal ((?:...) groups without capturing)"));
  }
  return absl::OkStatus();
}

}  // namespace

Application::Application(Settings settings)
    : settings_(std::move(settings)),
      default_handler_(settings_.default_handler.has_value() ? *settings_.default_handler
                                                             : Handler<ErrorHandler>(404)) {}

Application::Application(std::vector<Rule> rules, Settings settings)
    : Application(std::move(settings)) {
  const absl::Status status = AddRules(std::move(rules));
  CHECK(status.ok()) << "Application: " << status.message();
}

Application::Application(std::initializer_list<Rule> rules, Settings settings)
    : Application(std::vector<Rule>(rules), std::move(settings)) {}

absl::StatusOr<std::unique_ptr<Application>> Application::Create(std::vector<Rule> rules,
                                                                 Settings settings) {
  auto application = absl::WrapUnique(new Application(std::move(settings)));
  RETURN_IF_ERROR(application->AddRules(std::move(rules)));
  return application;
}

Application::~Application() = default;

absl::Status Application::AddRules(std::vector<Rule> rules) {
  if (!settings_.static_path.empty()) {
    const StaticFileOptions options{.root = settings_.static_path,
                                    .default_filename = settings_.static_default_filename};
    rules.push_back({absl::StrCat(re2::RE2::QuoteMeta(settings_.static_url_prefix), "(.*)"),
                     Handler<StaticFileHandler>(options)});
    for (const char* name : {"/(favicon\\.ico)", "/(robots\\.txt)"}) {
      rules.push_back({name, Handler<StaticFileHandler>(options)});
    }
  }
  for (const Rule& rule : rules) {
    ASSIGN_OR_RETURN(const int groups, router_.Add(rule.pattern));
    RETURN_IF_ERROR(CheckPathArgs(rule, groups));
  }
  rules_ = std::move(rules);
  return absl::OkStatus();
}

std::unique_ptr<HttpMessageDelegate> Application::StartRequest(HttpConnection& connection) {
  return std::make_unique<internal::Exchange>(*this, connection);
}

}  // namespace squall
