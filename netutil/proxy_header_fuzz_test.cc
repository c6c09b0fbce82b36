// The parser of PROXY protocol headers on any octets: no prefix of an input may contradict the
// whole, so that any split of it gives the same result, and what was read is written and read back.
// The first octet of an input chooses the limit.
//
//   bazel run --config=fuzz //netutil:proxy_header_fuzz_test -- -max_total_time=300 DIR
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "squall/base/logging.h"
#include "squall/netutil/proxy_header.h"

namespace squall {
namespace {

void CheckPrefix(std::string_view prefix, size_t max_size, const absl::StatusOr<size_t>& whole,
                 const ProxyHeader& header_of_whole) {
  ProxyHeader header;
  const absl::StatusOr<size_t> part = ParseProxyHeader(prefix, max_size, &header);
  if (!part.ok()) {
    CHECK(whole.status().code() == part.status().code()) << "only a prefix is an error";
  } else if (*part > 0) {
    CHECK(whole.ok() && *whole == *part && header == header_of_whole)
        << "a prefix is another header than the whole";
  } else {
    CHECK(!whole.ok() || *whole == 0 || *whole > prefix.size())
        << "a prefix with the whole header needs more";
  }
}

void CheckReadBack(const ProxyHeader& header, ProxyChecksum checksum) {
  const absl::StatusOr<std::string> octets = FormatProxyHeader(header, checksum);
  CHECK(octets.ok()) << "what was read cannot be written";
  ProxyHeader again;
  const absl::StatusOr<size_t> size = ParseProxyHeader(*octets, kMaxProxyHeaderSize, &again);
  CHECK(size.ok() && *size == octets->size() && again == header) << "a header is not read back";
}

void Check(std::string_view input) {
  if (input.empty()) return;
  const auto choice = static_cast<unsigned char>(input[0]);
  input.remove_prefix(1);
  const size_t max_size = (choice & 1) != 0 ? 107 : 4096;

  ProxyHeader header;
  const absl::StatusOr<size_t> whole = ParseProxyHeader(input, max_size, &header);
  CHECK(!whole.ok() || (*whole <= input.size() && *whole <= max_size)) << "a header too long";
  // All short prefixes, and those around the end of the header.
  const size_t end = whole.ok() ? *whole : input.size();
  for (size_t size = 0; size <= std::min<size_t>(input.size(), 300); ++size) {
    CheckPrefix(input.substr(0, size), max_size, whole, header);
  }
  for (size_t size = end - std::min<size_t>(end, 3); size <= std::min(end + 3, input.size());
       ++size) {
    CheckPrefix(input.substr(0, size), max_size, whole, header);
  }

  if (!whole.ok() || *whole == 0 || header.source.family() == AF_UNSPEC) return;
  CheckReadBack(header, ProxyChecksum::kNone);
  CheckReadBack(header, ProxyChecksum::kCrc32c);
}

}  // namespace
}  // namespace squall

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  squall::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
