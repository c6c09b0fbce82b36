// What a handler reads of the path, the query and the form.
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"
#include "squall/web/argument.h"
#include "squall/web/request_handler.h"
#include "squall/web/route_table.h"
#include "squall/web/status_to_http.h"
#include "squall/web/utf8.h"

namespace squall {

std::optional<std::string_view> RequestHandler::path_arg(std::string_view name) const {
  const std::vector<std::string>& names = route_->group_names;
  for (size_t i = 0; i < names.size() && i < path_args_.size(); ++i) {
    if (names[i] == name && path_args_[i].has_value()) return *path_args_[i];
  }
  return std::nullopt;
}

namespace {

template <class Visit>
void ForEachValue(const UrlArguments& arguments, std::string_view name, Visit&& visit) {
  for (const auto& [key, value] : arguments) {
    if (key == name) visit(value);
  }
}

}  // namespace

absl::StatusOr<std::string> RequestHandler::LastArgument(std::string_view name, Source source,
                                                         Strip strip) {
  const std::string* last = nullptr;
  const auto remember = [&](const std::string& value) { last = &value; };
  if (source != Source::kBody) ForEachValue(request_->query_arguments(), name, remember);
  if (source != Source::kQuery) ForEachValue(request_->body_arguments(), name, remember);
  if (last == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("missing argument ", ToAbsl(name)));
  }
  absl::StatusOr<std::string> text = DecodeArgument(*last, name);
  if (!text.ok()) return text;
  return internal::CleanArgument(*std::move(text), strip == Strip::kSpace);
}

std::vector<std::string> RequestHandler::AllArguments(std::string_view name, Source source,
                                                      Strip strip) {
  std::vector<std::string> values;
  const auto add = [&](const std::string& raw) {
    if (absl::StatusOr<std::string> text = DecodeArgument(raw, name); text.ok()) {
      values.push_back(internal::CleanArgument(*std::move(text), strip == Strip::kSpace));
    } else {
      Fail(HttpStatusFromStatus(text.status()), std::string(text.status().message()));
    }
  };
  if (source != Source::kBody) ForEachValue(request_->query_arguments(), name, add);
  if (source != Source::kQuery) ForEachValue(request_->body_arguments(), name, add);
  return values;
}

std::string RequestHandler::ArgumentOr(std::string_view name, std::string_view fallback,
                                       Source source, Strip strip) {
  std::vector<std::string> values = AllArguments(name, source, strip);
  return values.empty() ? std::string(fallback) : std::move(values.back());
}

absl::StatusOr<std::string> RequestHandler::DecodeArgument(std::string_view value,
                                                           std::string_view name) {
  if (internal::IsValidUtf8(value)) return std::string(value);
  return absl::InvalidArgumentError(absl::StrCat("argument ", ToAbsl(name), " is not UTF-8"));
}

absl::StatusOr<std::string> RequestHandler::GetArgument(std::string_view name, Strip strip) {
  return LastArgument(name, Source::kBoth, strip);
}
absl::StatusOr<std::string> RequestHandler::GetQueryArgument(std::string_view name, Strip strip) {
  return LastArgument(name, Source::kQuery, strip);
}
absl::StatusOr<std::string> RequestHandler::GetBodyArgument(std::string_view name, Strip strip) {
  return LastArgument(name, Source::kBody, strip);
}
std::string RequestHandler::GetArgument(std::string_view name, std::string_view fallback,
                                        Strip strip) {
  return ArgumentOr(name, fallback, Source::kBoth, strip);
}
std::string RequestHandler::GetQueryArgument(std::string_view name, std::string_view fallback,
                                             Strip strip) {
  return ArgumentOr(name, fallback, Source::kQuery, strip);
}
std::string RequestHandler::GetBodyArgument(std::string_view name, std::string_view fallback,
                                            Strip strip) {
  return ArgumentOr(name, fallback, Source::kBody, strip);
}
std::vector<std::string> RequestHandler::GetArguments(std::string_view name, Strip strip) {
  return AllArguments(name, Source::kBoth, strip);
}
std::vector<std::string> RequestHandler::GetQueryArguments(std::string_view name, Strip strip) {
  return AllArguments(name, Source::kQuery, strip);
}
std::vector<std::string> RequestHandler::GetBodyArguments(std::string_view name, Strip strip) {
  return AllArguments(name, Source::kBody, strip);
}

}  // namespace squall
