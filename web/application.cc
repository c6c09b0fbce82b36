#include "squall/web/application.h"

#include <fcntl.h>

#include <cerrno>
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
#include "squall/base/status.h"
#include "squall/base/status_macros.h"
#include "squall/base/string_view.h"
#include "squall/base/unique_fd.h"
#include "squall/web/error_handler.h"
#include "squall/web/exchange.h"
#include "squall/web/static_file_handler.h"
#include "squall/web/static_versions.h"

namespace squall {

namespace {

// As long as what HMAC-SHA256 makes of it, RFC 2104 3.
constexpr size_t kLeastSecret = 32;

absl::Status CheckSecret(std::string_view name, std::string_view secret) {
  if (secret.empty() || secret.size() >= kLeastSecret) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("Settings::", ToAbsl(name), " has ", secret.size(),
                                                 " octets; it has to have ", kLeastSecret,
                                                 " or more, and random ones"));
}

// It may come later, so it is no error.
void WarnUnlessDirectory(const std::string& path) {
  const UniqueFd directory(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (directory.valid()) return;
  LOG(WARNING) << "Settings::static_path: " << StatusFromErrno(errno, path).message();
}

}  // namespace

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
  RETURN_IF_ERROR(CheckSecret("cookie_secret", settings_.cookie_secret));
  for (const auto& [version, secret] : settings_.cookie_secrets) {
    if (secret.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("Settings::cookie_secrets[", version, "] is empty"));
    }
    RETURN_IF_ERROR(CheckSecret(absl::StrCat("cookie_secrets[", version, "]"), secret));
  }
  if (!settings_.static_options.root.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("Settings::static_options.root is \"", settings_.static_options.root,
                     "\"; the directory goes into Settings::static_path"));
  }
  if (!settings_.static_path.empty()) {
    WarnUnlessDirectory(settings_.static_path);
    StaticFileOptions options = settings_.static_options;
    options.root = settings_.static_path;
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

void Application::OnServerAnswer(const ServerAnswer& answer) {
  if (!settings_.log_function) return;
  const auto or_dash = [](std::string_view text) {
    return text.empty() ? std::string_view("-") : text;
  };
  settings_.log_function({.status = answer.status,
                          .method = or_dash(answer.method),
                          .uri = or_dash(answer.target),
                          .remote_ip = answer.remote_ip,
                          .version = answer.version,
                          .body_bytes = answer.body_bytes,
                          .headers = answer.headers});
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
