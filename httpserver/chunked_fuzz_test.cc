// The chunked coding, RFC 9112 7.1: a body that is cut into chunks comes out as it went in, whatever
// sizes, extensions and trailers it has and however the octets are cut; and what a reader of its own
// makes of any octets is what the parser makes of them. The first octet chooses between the two.
//
//   bazel run --config=fuzz //httpserver:chunked_fuzz_test -- -max_total_time=600 DIR
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "squall/base/logging.h"
#include "squall/httpserver/http1_transcript.h"

namespace squall {
namespace {

constexpr std::string_view kHead =
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

std::string Hex(size_t value) {
  char digits[16];
  return std::string(digits, std::to_chars(digits, digits + sizeof digits, value, 16).ptr);
}

// `octets` as chunks whose sizes and extensions `seed` chooses.
std::string Encode(std::string_view octets, uint32_t seed) {
  static constexpr std::string_view kExtensions[] = {
      "", "", ";a", " ; a = b", ";a=\"x;\\\"y\"", ";a=b;c=d"};
  static constexpr std::string_view kTrailers[] = {"", "A: b\r\n", "A: b\r\nC:\r\n"};
  std::string out;
  while (!octets.empty()) {
    seed = seed * 1664525u + 1013904223u;
    const std::string_view chunk = octets.substr(0, 1 + (seed >> 16) % 40);
    octets.remove_prefix(chunk.size());
    out.append((seed >> 8) % 3, '0').append(Hex(chunk.size()));
    out.append(kExtensions[(seed >> 24) % std::size(kExtensions)]).append("\r\n");
    out.append(chunk).append("\r\n");
  }
  out.append(seed % 2, '0').append("0\r\n").append(kTrailers[seed / 2 % std::size(kTrailers)]);
  return out + "\r\n";
}

void CheckRoundTrip(std::string_view octets, uint32_t seed) {
  const std::string request = std::string(kHead) + Encode(octets, seed);
  const internal::Transcript whole = internal::RunParser({}, {request});
  CHECK(whole.verdicts == std::vector<std::string>{"parsed"}) << "a good body is refused";
  CHECK(whole.body == octets) << "a body is not read back";
  CHECK(internal::RunParser({}, internal::Octets(request)) == whole) << "octets differ";
}

// What the coding holds, without extensions and trailers, which this reader does not know: nullopt
// for those, for what is not whole and for what is wrong.
std::optional<std::string> Decode(std::string_view coded) {
  std::string body;
  while (true) {
    const size_t end = coded.find("\r\n");
    if (end == std::string_view::npos || end == 0 || end > 15) return std::nullopt;
    size_t size = 0;
    const auto parsed = std::from_chars(coded.data(), coded.data() + end, size, 16);
    if (parsed.ec != std::errc() || parsed.ptr != coded.data() + end) return std::nullopt;
    coded.remove_prefix(end + 2);
    if (coded.size() < size + 2 || coded.substr(size, 2) != "\r\n") return std::nullopt;
    if (size == 0) return coded.size() == 2 ? std::optional(body) : std::nullopt;
    body.append(coded.substr(0, size));
    coded.remove_prefix(size + 2);
  }
}

void CheckAny(std::string_view coded) {
  const std::string request = std::string(kHead).append(coded);
  const internal::Transcript whole = internal::RunParser({}, {request});
  CHECK(internal::RunParser({}, internal::Octets(request)) == whole) << "octets differ";
  CHECK(whole.body.size() <= coded.size()) << "a body longer than its coding";
  if (const std::optional<std::string> body = Decode(coded)) {
    CHECK(whole.verdicts == std::vector<std::string>{"parsed"}) << "a plain body is refused";
    CHECK(whole.body == *body) << "another body";
  }
}

}  // namespace
}  // namespace squall

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] < 128) {
    squall::CheckRoundTrip(input, data[0]);
  } else {
    squall::CheckAny(input);
  }
  return 0;
}
