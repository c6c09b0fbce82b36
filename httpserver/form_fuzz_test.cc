// What reads text of a client and is too small for a target of its own: whole multipart forms, field
// parameters, dates, hosts. The first octet chooses which. What is written has to be read back.
//
//   bazel run --config=fuzz //httpserver:form_fuzz_test -- -max_total_time=600 DIR
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "squall/base/logging.h"
#include "squall/httpserver/form.h"
#include "squall/httpserver/header_parameters.h"
#include "squall/httpserver/http_date.h"
#include "squall/httpserver/url.h"

namespace squall {
namespace {

void CheckMultipart(std::string_view body) {
  const absl::StatusOr<FormData> form = ParseMultipartForm("b", body);
  if (!form.ok()) return;
  CHECK(form->fields.size() + form->files.size() < FormLimits{}.max_parts) << "too many parts";
  for (const FormFile& file : form->files) {
    CHECK(file.body.data() >= body.data() &&
          file.body.data() + file.body.size() <= body.data() + body.size())
        << "a file outside of the body";
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
    case 'p':
      ParseHeaderParameters(input);
      return;
    case 'd':
      if (const auto time = ParseHttpDate(input)) {
        CHECK(ParseHttpDate(FormatHttpDate(*time)) == *time) << "a date that is not read back";
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
