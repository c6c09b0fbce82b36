// The Range field of a request and the Content-Range of its answer.
//
//   if (auto range = squall::ParseRequestRange("bytes=22-25")) {
//     squall::ResolveRange(*range, 26);                          // 4 octets from 22
//     squall::FormatContentRange(range->start, range->end, 26);  // "bytes 22-25/26"
//   }
//
// Pure functions. Source: RFC 9110 §14; the meaning is Tornado's httputil._parse_request_range: one
// range only, and a field that cannot be read is as good as none.
#ifndef SQUALL_HTTPSERVER_HTTP_RANGE_H_
#define SQUALL_HTTPSERVER_HTTP_RANGE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace squall {

// Octets from `start` up to and without `end`. A negative start counts from the end of the
// representation ("bytes=-6" has start -6 and no end); "bytes=-0" has no start and end 0.
struct RequestRange {
  std::optional<int64_t> start;
  std::optional<int64_t> end;
};

// Empty for another unit, for several ranges and for anything malformed: the field is to be ignored
// then. What is above 63 bits counts as the largest number. Whether the range fits the
// representation is for the caller to see.
std::optional<RequestRange> ParseRequestRange(std::string_view value);

// Some octets of a representation.
struct OctetRange {
  int64_t start;
  int64_t size;
};

// What `range` asks of a representation of `total` octets; ends behind it are cut. Empty for what
// cannot be met, to be answered by 416: a start behind the end of the representation or of the range
// itself, the last 0 octets, the last octets of nothing.
std::optional<OctetRange> ResolveRange(const RequestRange& range, int64_t total);

// "bytes first-last/total"; without a start from 0, without an end (or with end 0) up to `total`.
std::string FormatContentRange(std::optional<int64_t> start, std::optional<int64_t> end,
                               int64_t total);

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_HTTP_RANGE_H_
