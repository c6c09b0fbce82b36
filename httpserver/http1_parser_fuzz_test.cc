// The request parser on any octets, cut anyhow: nothing may be read out of bounds, and the cuts
// must not change what comes out. The first two octets of an input choose the limits and the cuts.
//
//   bazel run --config=fuzz //httpserver:http1_parser_fuzz_test -- -max_total_time=600 DIR
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "squall/base/logging.h"
#include "squall/httpserver/http1_transcript.h"
#include "squall/httpserver/http_scan.h"

namespace squall {
namespace {

// Lengths from a generator that an octet seeds: 1 to 16, or longer now and then.
std::vector<std::string_view> Cut(std::string_view input, uint32_t seed) {
  std::vector<std::string_view> segments;
  uint32_t state = seed * 2654435761u + 1;
  while (!input.empty()) {
    state = state * 1664525u + 1013904223u;
    const size_t size = (state >> 16) % ((state >> 28) == 0 ? 200 : 16) + 1;
    segments.push_back(input.substr(0, size));
    input.remove_prefix(segments.back().size());
  }
  return segments;
}

void Check(std::string_view input) {
  if (input.size() < 2) return;
  const auto choice = static_cast<unsigned char>(input[0]);
  const auto seed = static_cast<unsigned char>(input[1]);
  input.remove_prefix(2);
  Http1Limits limits;
  if ((choice & 1) != 0) {
    limits = {.max_header_size = 200,
              .max_header_fields = 5,
              .max_request_line = 60,
              .max_method_size = 10,
              .max_body_size = 100,
              .max_chunk_line = 20,
              .max_chunk_extensions = 50,
              .max_chunk_overhead = 60,
              .max_trailer_size = 40};
  }
  const internal::Transcript whole = internal::RunParser(limits, {input});
  CHECK(internal::RunParser(limits, internal::Octets(input)) == whole)
      << "octets differ from the whole";
  CHECK(internal::RunParser(limits, Cut(input, seed)) == whole) << "segments differ from the whole";

  const char* begin = input.data();
  const char* end = begin + input.size();
  CHECK(internal::SkipFieldValue(begin, end) == internal::SkipFieldValuePortable(begin, end))
      << "the scans of field values differ";
  CHECK(internal::SkipTarget(begin, end) == internal::SkipTargetPortable(begin, end))
      << "the scans of targets differ";
  CHECK(internal::SkipToken(begin, end) == internal::SkipTokenPortable(begin, end))
      << "the scans of tokens differ";
}

}  // namespace
}  // namespace squall

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  squall::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
