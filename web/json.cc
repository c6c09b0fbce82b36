#include "squall/web/json.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "nlohmann/json.hpp"
#include "squall/base/string_view.h"
#include "squall/httpserver/header_parameters.h"
#include "squall/web/request_handler.h"
#include "squall/web/status_to_http.h"

namespace squall {

namespace {

bool IsJsonType(std::string_view content_type) {
  const std::string type = absl::AsciiStrToLower(ParseHeaderParameters(content_type).value);
  return type == "application/json" || type.ends_with("+json");
}

// Brackets open at once, outside of strings; what is no JSON has some number, too.
size_t DepthOf(std::string_view text) {
  size_t depth = 0;
  size_t deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

// Takes no document, only what is wrong with it.
class ErrorPlace : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    place = position;
    return false;
  }

  size_t place = 0;
};

}  // namespace

std::string JsonText(const nlohmann::json& value) {
  std::string text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  absl::StrReplaceAll({{"</", "<\\/"}}, &text);
  return text;
}

void WriteJson(RequestHandler& handler, const nlohmann::json& value) {
  handler.SetHeader("Content-Type", "application/json; charset=UTF-8");
  handler.Write(JsonText(value));
}

namespace internal {

absl::Status JsonTypeError(const nlohmann::json& value, std::string_view wanted) {
  // What a client wrote may be long; a number is not.
  const std::string is =
      value.is_number() ? value.dump() : absl::StrCat("of type ", value.type_name());
  return absl::InvalidArgumentError(absl::StrCat("the JSON is ", is, ", not ", ToAbsl(wanted)));
}

absl::Status InMember(std::string_view name, const absl::Status& status) {
  return absl::InvalidArgumentError(absl::StrCat("\"", ToAbsl(name), "\": ", status.message()));
}

absl::Status JsonMemberMissing(const nlohmann::json& object, std::string_view name) {
  if (!object.is_object())
    return JsonTypeError(object, absl::StrCat("an object with \"", ToAbsl(name), "\""));
  return absl::InvalidArgumentError(absl::StrCat("the JSON has no \"", ToAbsl(name), "\""));
}

}  // namespace internal

absl::StatusOr<nlohmann::json> JsonBody(const RequestHandler& handler, const JsonLimits& limits) {
  const HttpRequest& request = handler.request();
  const std::string_view type = request.headers().Get("Content-Type").value_or("");
  if (!IsJsonType(type)) {
    return HttpStatusError(415, absl::StrCat("the body's Content-Type is \"", ToAbsl(type),
                                             "\", not application/json"));
  }
  const std::string& body = request.body();
  if (DepthOf(body) > limits.max_depth) {
    return absl::InvalidArgumentError(
        absl::StrCat("the JSON is nested deeper than ", limits.max_depth));
  }
  nlohmann::json value = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!value.is_discarded()) return value;
  ErrorPlace error;
  nlohmann::json::sax_parse(body, &error);
  return absl::InvalidArgumentError(
      absl::StrCat("the body is no JSON from octet ", error.place, " on"));
}

}  // namespace squall
