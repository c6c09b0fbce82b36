// Queries and urlencoded forms: one pair does not depend on another, and what is encoded is read back.
//
//   bazel run --config=fuzz //httpserver:urlencoded_fuzz_test -- -max_total_time=600 DIR
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "squall/base/logging.h"
#include "squall/httpserver/form.h"
#include "squall/httpserver/http_headers.h"
#include "squall/httpserver/url.h"

namespace squall {
namespace {

constexpr size_t kMaxFields = 8;

void CheckOctets(std::string_view text) {
  for (const UrlSpace space : {UrlSpace::kPlus, UrlSpace::kPercent}) {
    const std::string escaped = UrlEscape(text, space);
    CHECK(PercentDecode(escaped, space) == text) << "text that is not read back";
    CHECK(IsValidHeaderValue(escaped) && escaped.find_first_of(" &=#?;\"<>") == std::string::npos)
        << "an octet that has to be escaped";
    const std::string lenient = PercentDecodeLenient(text, space);
    CHECK(lenient.size() <= text.size()) << "decoding made it longer";
    const std::optional<std::string> strict = PercentDecode(text, space);
    CHECK(!strict.has_value() || *strict == lenient) << "two meanings of one text";
  }
}

void CheckPairs(std::string_view text, const UrlArguments& arguments) {
  CHECK(ParseQuery(EncodeQuery(arguments)) == arguments) << "a query that is not read back";
  const size_t cut = text.rfind('&');
  if (cut != std::string_view::npos) {
    UrlArguments joined = ParseQuery(text.substr(0, cut));
    for (const auto& argument : ParseQuery(text.substr(cut + 1))) joined.push_back(argument);
    CHECK(joined == arguments) << "a pair that depends on the one before it";
  }
  const std::string url = UrlConcat(text, {{"a", "b"}});
  const UrlArguments with = ParseQuery(SplitTarget(url.substr(0, url.find('#'))).query);
  CHECK(!with.empty() && with.back().first == "a" && with.back().second == "b")
      << "an argument that was not appended";
}

void CheckForm(std::string_view text, const UrlArguments& arguments) {
  HttpHeaders headers;
  headers.Add("Content-Type", "application/x-www-form-urlencoded");
  const absl::StatusOr<FormData> form =
      ParseFormBody(headers, text, FormLimits{.max_fields = kMaxFields});
  if (!form.ok()) {
    CHECK(std::count(text.begin(), text.end(), '&') >= static_cast<ptrdiff_t>(kMaxFields))
        << "a form within its limits is refused";
    return;
  }
  CHECK(form->fields == arguments && form->files.empty()) << "a form that is no query";
  CHECK(form->fields.size() <= kMaxFields) << "too many fields";
}

void Check(std::string_view text) {
  CheckOctets(text);
  const UrlArguments arguments = ParseQuery(text);
  CheckPairs(text, arguments);
  CheckForm(text, arguments);
}

}  // namespace
}  // namespace squall

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  squall::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
