// Dates in HTTP fields.
//
//   squall::FormatHttpDate(absl::FromUnixSeconds(0));  // "Thu, 01 Jan 1970 00:00:00 GMT"
//   std::optional<absl::Time> t = squall::ParseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT");
//
// Pure functions without locale or time zone of the process. Source: RFC 9110 §5.6.7.
#ifndef SQUALL_HTTPSERVER_HTTP_DATE_H_
#define SQUALL_HTTPSERVER_HTTP_DATE_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace squall {

// The IMF-fixdate form of `time`, fractions of a second cut off (towards the past). Years are
// limited to 0000 to 9999.
std::string FormatHttpDate(absl::Time time);

// Reads the IMF-fixdate form and both obsolete ones (RFC 850 and asctime). The two-digit year of
// RFC 850 is one of the century of `now`, or of the one before when that would be more than 50
// years ahead. Empty when the text is anything else or no date of the calendar; whether the weekday
// fits is not asked.
std::optional<absl::Time> ParseHttpDate(std::string_view text, absl::Time now = absl::Now());

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_HTTP_DATE_H_
