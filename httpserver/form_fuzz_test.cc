// Everything that reads text of a client beside the parser: forms, field parameters, cookies,
// queries, dates, ranges, hosts. The first octet chooses which. What is written has to be read
// back.
//
//   bazel run --config=fuzz //httpserver:form_fuzz_test -- -max_total_time=600 DIR
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "squall/httpserver/cookies.h"
#include "squall/httpserver/form.h"
#include "squall/httpserver/header_parameters.h"
#include "squall/httpserver/http_date.h"
#include "squall/httpserver/http_headers.h"
#include "squall/httpserver/http_range.h"
#include "squall/httpserver/url.h"

namespace squall {
namespace {

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

void CheckMultipart(std::string_view body) {
  const absl::StatusOr<FormData> form = ParseMultipartForm("b", body);
  if (!form.ok()) return;
  Require(form->fields.size() + form->files.size() < FormLimits{}.max_parts, "too many parts");
  for (const FormFile& file : form->files) {
    Require(file.body.data() >= body.data() &&
                file.body.data() + file.body.size() <= body.data() + body.size(),
            "a file outside of the body");
  }
}

void CheckCookies(std::string_view text) {
  for (const auto& [name, value] : ParseCookie(text)) {
    const absl::StatusOr<std::string> field = FormatSetCookie(name, value, {.path = ""});
    if (!field.ok()) continue;
    Require(IsValidHeaderValue(*field), "a Set-Cookie that is no field value");
    const CookieMap again = ParseCookie(*field);
    Require(again.size() == 1 && again.at(name) == value, "a cookie that is not read back");
  }
}

void CheckQuery(std::string_view text) {
  const UrlArguments arguments = ParseQuery(text);
  Require(ParseQuery(EncodeQuery(arguments)) == arguments, "a query that is not read back");
  const std::string url = UrlConcat(text, {{"a", "b"}});
  Require(url.find("a=b") != std::string::npos, "an argument is missing");
  for (const UrlSpace space : {UrlSpace::kPlus, UrlSpace::kPercent}) {
    Require(PercentDecode(UrlEscape(text, space), space) == text, "text that is not read back");
  }
}

void Check(std::string_view input) {
  if (input.empty()) return;
  const char choice = input[0];
  input.remove_prefix(1);
  switch (choice) {
    case 'm':
      CheckMultipart(input);
      return;
    case 'c':
      CheckCookies(input);
      return;
    case 'q':
      CheckQuery(input);
      return;
    case 'p':
      ParseHeaderParameters(input);
      return;
    case 'd':
      if (const auto time = ParseHttpDate(input)) {
        Require(ParseHttpDate(FormatHttpDate(*time)) == *time, "a date that is not read back");
      }
      return;
    case 'r':
      if (const auto range = ParseRequestRange(input); range && range->start && range->end) {
        Require(*range->start >= 0 && *range->end > 0, "a range below zero");
      }
      return;
    case 'h':
      IsValidHost(input);
      SplitHostAndPort(input);
      return;
    default:
      return;
  }
}

}  // namespace
}  // namespace squall

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  squall::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
