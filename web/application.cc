#include "squall/web/application.h"

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
#include "squall/web/error_handler.h"
#include "squall/web/exchange.h"
#include "squall/web/static_file_handler.h"
#include "squall/web/static_versions.h"

namespace squall {

Application::Application(Settings settings)
    : settings_(std::move(settings)),
      static_versions_(std::make_unique<internal::StaticVersions>()) {
  default_route_.handler = settings_.default_handler.has_value() ? *settings_.default_handler
                                                                 : Handler<ErrorHandler>(404);
}

Application::Application(std::vector<Rule> rules, Settings settings)
    : Application(std::move(settings)) {
  const absl::Status status = SetRules(std::move(rules));
  CHECK(status.ok()) << "Application: " << status.message();
}

Application::Application(std::initializer_list<Rule> rules, Settings settings)
    : Application(std::vector<Rule>(rules), std::move(settings)) {}

absl::StatusOr<std::unique_ptr<Application>> Application::Create(std::vector<Rule> rules,
                                                                 Settings settings) {
  auto application = absl::WrapUnique(new Application(std::move(settings)));
  RETURN_IF_ERROR(application->SetRules(std::move(rules)));
  return application;
}

Application::~Application() = default;

absl::Status Application::SetRules(std::vector<Rule> rules) {
  if (!settings_.cookie_secrets.empty() && settings_.key_version != 0 &&
      !settings_.cookie_secrets.contains(settings_.key_version)) {
    return absl::InvalidArgumentError(absl::StrCat("Settings::key_version is ",
                                                   settings_.key_version,
                                                   ", but cookie_secrets has no such version"));
  }
  if (!settings_.static_path.empty()) {
    const StaticFileOptions options{.root = settings_.static_path,
                                    .default_filename = settings_.static_default_filename};
    rules.push_back({absl::StrCat(re2::RE2::QuoteMeta(settings_.static_url_prefix), "(.*)"),
                     Handler<StaticFileHandler>(options)});
    for (const char* name : {"/(favicon\\.ico)", "/(robots\\.txt)"}) {
      rules.push_back({name, Handler<StaticFileHandler>(options)});
    }
  }
  ASSIGN_OR_RETURN(rules_, internal::RouteTable::Create(rules));
  return absl::OkStatus();
}

absl::Status Application::AddHandlers(std::string_view host_pattern, std::vector<Rule> rules) {
  HostRules entry;
  ASSIGN_OR_RETURN(entry.host, internal::CompileHostPattern(host_pattern));
  ASSIGN_OR_RETURN(entry.table, internal::RouteTable::Create(rules));
  entry.serves_default =
      !settings_.default_host.empty() && internal::HostMatches(*entry.host, settings_.default_host);
  hosts_.push_back(std::move(entry));
  return absl::OkStatus();
}

internal::RouteTable::Match Application::Find(const HttpConnection& connection) const {
  const RequestHead& head = connection.head();
  internal::RequestedHost host(head.host());
  for (const HostRules& rules : hosts_) {
    if (!internal::HostMatches(*rules.host, host.name())) continue;
    if (auto match = rules.table->Find(head.path(), host); match.route != nullptr) return match;
  }
  if (auto match = rules_->Find(head.path(), host); match.route != nullptr) return match;
  // Tornado: behind a proxy the Host field is the proxy's business.
  if (!settings_.default_host.empty() && !head.headers().Has("X-Real-Ip")) {
    for (const HostRules& rules : hosts_) {
      if (!rules.serves_default) continue;
      if (auto match = rules.table->Find(head.path(), host); match.route != nullptr) return match;
    }
  }
  return {&default_route_, {}};
}

std::unique_ptr<HttpMessageDelegate> Application::StartRequest(HttpConnection& connection) {
  internal::RouteTable::Match match = Find(connection);
  if (match.route->delegate != nullptr) return match.route->delegate->StartRequest(connection);
  return std::make_unique<internal::Exchange>(*this, connection, std::move(match));
}

absl::StatusOr<std::string> Application::ReverseUrlOf(std::string_view name,
                                                      const std::vector<std::string>& args) const {
  for (const HostRules& rules : hosts_) {
    absl::StatusOr<std::string> url = rules.table->ReverseUrl(name, args);
    if (!absl::IsNotFound(url.status())) return url;
  }
  return rules_->ReverseUrl(name, args);
}

}  // namespace squall
