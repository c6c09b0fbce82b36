#include "squall/web/route_table.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "squall/base/status_macros.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/url.h"
#include "squall/web/handler_class.h"
#include "squall/web/pattern_text.h"

namespace squall::internal {

namespace {

absl::Status CheckPathArgs(const std::string& pattern, const HandlerClass& handler_class,
                           int groups) {
  for (size_t i = 0; i < kVerbs; ++i) {
    const VerbEntry& verb = handler_class.verbs[i];
    if (verb.run == nullptr || verb.path_args == kAnyPathArgs) continue;
    if (verb.path_args == groups) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("the pattern \"", pattern, "\" has ", groups, " group", groups == 1 ? "" : "s",
                     ", but its handler takes ", verb.path_args, " path argument",
                     verb.path_args == 1 ? "" : "s", " for ", ToAbsl(kVerbNames[i]),
                     "; make them equal ((?:...) groups without capturing)"));
  }
  return absl::OkStatus();
}

}  // namespace

const std::string& RequestedHost::name() {
  if (!name_.has_value()) {
    name_ = field_.empty() ? "127.0.0.1" : HostName(field_);
  }
  return *name_;
}

absl::StatusOr<std::unique_ptr<re2::RE2>> CompileHostPattern(std::string_view pattern) {
  auto regex =
      std::make_unique<re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), re2::RE2::Quiet);
  if (!regex->ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the host pattern \"", ToAbsl(pattern),
                     "\" is no valid regular expression: ", regex->error()));
  }
  return regex;
}

bool HostMatches(const re2::RE2& pattern, const std::string& host_name) {
  return re2::RE2::FullMatch(host_name, pattern);
}

absl::StatusOr<std::unique_ptr<RouteTable>> RouteTable::Create(const std::vector<Rule>& rules) {
  auto table = std::make_unique<RouteTable>();
  for (const Rule& rule : rules) RETURN_IF_ERROR(table->Add(rule));
  table->router_.Prepare();
  return table;
}

absl::Status RouteTable::AddName(const std::string& name, const Route& route) {
  if (names_.emplace(name, &route).second) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("two rules have the name \"", name, "\": \"",
                                                 names_[name]->pattern, "\" and \"", route.pattern,
                                                 "\""));
}

absl::Status RouteTable::Add(const Rule& rule) {
  auto route = std::make_unique<Route>();
  route->pattern = rule.pattern;
  route->options = rule.options;
  ASSIGN_OR_RETURN(route->group_names, router_.Add(rule.pattern));
  if (!rule.options.host.empty()) {
    ASSIGN_OR_RETURN(route->host, CompileHostPattern(rule.options.host));
  }
  const RuleTarget::Variant& target = rule.target.get();
  if (const auto* handler = std::get_if<HandlerSpec>(&target)) {
    RETURN_IF_ERROR(CheckPathArgs(rule.pattern, handler->handler_class(),
                                  static_cast<int>(route->group_names.size())));
    route->handler = *handler;
  } else if (const auto* nested = std::get_if<RuleTarget::NestedRules>(&target)) {
    ASSIGN_OR_RETURN(route->nested, Create(**nested));
    for (const auto& [name, inner] : route->nested->names_) RETURN_IF_ERROR(AddName(name, *inner));
  } else {
    route->delegate = std::get<HttpServerConnectionDelegate*>(target);
    if (route->delegate == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("the rule \"", rule.pattern, "\" leads to a null delegate"));
    }
  }
  if (!rule.options.name.empty()) RETURN_IF_ERROR(AddName(rule.options.name, *route));
  routes_.push_back(std::move(route));
  return absl::OkStatus();
}

RouteTable::Match RouteTable::Find(std::string_view path, RequestedHost& host) const {
  Match match;
  router_.Visit(path, [&](size_t rule, const PathGroups& groups) {
    const Route& route = *routes_[rule];
    if (route.host != nullptr && !HostMatches(*route.host, host.name())) return false;
    if (route.nested == nullptr) {
      match = {&route, groups};
      return true;
    }
    match = route.nested->Find(path, host);
    return match.route != nullptr;
  });
  return match;
}

absl::StatusOr<std::string> RouteTable::ReverseUrl(std::string_view name,
                                                   const std::vector<std::string>& args) const {
  const auto found = names_.find(ToAbsl(name));
  if (found == names_.end()) {
    return absl::NotFoundError(absl::StrCat("no rule has the name \"", ToAbsl(name), "\""));
  }
  const std::string& pattern = found->second->pattern;
  const std::optional<UrlTemplate> url = UrlTemplate::FromPattern(pattern);
  if (!url.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no URL can be made of the pattern \"", pattern, "\" of \"", ToAbsl(name),
                     "\": it has more than text and groups side by side"));
  }
  if (args.size() != url->gaps()) {
    return absl::InvalidArgumentError(absl::StrCat("the pattern \"", pattern, "\" has ",
                                                   url->gaps(), " groups, but ReverseUrl(\"",
                                                   ToAbsl(name), "\") got ", args.size()));
  }
  std::string result = url->Fill(args);
  Router one;
  RETURN_IF_ERROR(one.Add(pattern).status());
  if (one.Find(result).rule == Router::kNoRule) {
    return absl::InvalidArgumentError(absl::StrCat("ReverseUrl(\"", ToAbsl(name), "\"): \"", result,
                                                   "\" does not match the pattern \"", pattern,
                                                   "\""));
  }
  return result;
}

}  // namespace squall::internal
