// The fields and values of a client that the framework reads: Accept-Encoding, tags and conditions,
// traceparent and ids, signed values, XSRF tokens. The first octet chooses which.
//
//   bazel run --config=fuzz //web:field_fuzz_test -- -max_total_time=600 DIR
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "squall/base/logging.h"
#include "squall/httpserver/http_headers.h"
#include "squall/web/accept_encoding.h"
#include "squall/web/conditional.h"
#include "squall/web/etag.h"
#include "squall/web/signed_value.h"
#include "squall/web/trace_context.h"
#include "squall/web/xsrf.h"

namespace squall {
namespace {

constexpr std::string_view kTag = "\"a\"";
const absl::Time kNow = absl::FromUnixSeconds(1700000000);

void CheckTags(std::string_view list) {
  const bool weak = EtagMatches(list, kTag);
  CHECK(!EtagMatchesStrongly(list, kTag, true) || weak) << "a tag that is equal strongly alone";
  CHECK(EtagMatches(list, "W/\"a\"") == weak) << "the weak comparison looks at W/";
  CHECK(!EtagMatchesStrongly(list, "W/\"a\"", false)) << "a weak tag is equal strongly";
}

void CheckConditions(std::string_view input) {
  const std::string_view first = input.substr(0, input.find('\n'));
  const std::string_view second = input.substr(std::min(input.size(), first.size() + 1));
  const Validators present = {.etag = std::string(kTag), .last_modified = kNow};
  for (const std::string_view name : {"If-Match", "If-Unmodified-Since", "If-Range"}) {
    HttpHeaders request;
    request.Add(name, first);
    request.Add("If-None-Match", second);
    for (const std::string_view method : {"GET", "PUT"}) {
      const Precondition verdict = EvaluatePreconditions(method, request, present);
      CHECK(method == "GET" || verdict != Precondition::kNotModified) << "304 for a PUT";
    }
    RangeConditionHolds(request, present, kNow);
  }
}

void CheckTrace(std::string_view value) {
  if (const std::optional<TraceContext> trace = ParseTraceparent(value)) {
    const std::optional<TraceContext> again = ParseTraceparent(trace->Traceparent());
    CHECK(again && again->trace_id == trace->trace_id) << "a trace that is not read back";
    CHECK(trace->Child().trace_id == trace->trace_id) << "a child of another trace";
  }
  const std::string state = ParseTracestate(value);
  CHECK(state.size() <= 512 && ParseTracestate(state) == state) << "a state that is not read back";
  if (IsValidRequestId(value)) CHECK(IsValidHeaderValue(value)) << "an id that is no field value";
}

// Nobody who does not know the secret makes one, so nothing that a fuzzer finds is good.
void CheckSigned(std::string_view value) {
  CHECK(!DecodeSignedValue("a secret", "n", value, {}, kNow)) << "a signature out of nothing";
  GetSignatureKeyVersion(value);
  const std::string made = CreateSignedValue("a secret", "n", value, kNow);
  CHECK(DecodeSignedValue("a secret", "n", made, {}, kNow) == value) << "not read back";
  CHECK(!DecodeSignedValue("a secret", "m", made, {}, kNow)) << "read under another name";
}

void CheckToken(std::string_view token) {
  const std::optional<internal::XsrfSecret> secret = internal::ReadXsrfToken(token);
  if (!secret) return;
  CHECK(!secret->octets.empty()) << "an empty secret";
  const std::string masked = internal::MaskXsrfSecret(*secret);
  CHECK(internal::XsrfTokensMatch(token, masked)) << "a token that is another when masked";
}

void Check(char choice, std::string_view input) {
  switch (choice) {
    case 'a':
      for (const std::string_view coding : {"gzip", "br", "identity"}) {
        const int weight = internal::AcceptedWeight(input, coding);
        CHECK(weight >= 0 && weight <= 1000) << "a weight outside of 0 to 1000";
      }
      return;
    case 'e':
      return CheckTags(input);
    case 'c':
      return CheckConditions(input);
    case 't':
      return CheckTrace(input);
    case 's':
      return CheckSigned(input);
    case 'x':
      return CheckToken(input);
    default:
      return;
  }
}

}  // namespace
}  // namespace squall

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  squall::Check(static_cast<char>(data[0]), {reinterpret_cast<const char*>(data) + 1, size - 1});
  return 0;
}
