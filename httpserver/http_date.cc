#include "squall/httpserver/http_date.h"

#include <algorithm>
#include <array>

#include "absl/time/civil_time.h"
#include "squall/httpserver/http_scan.h"

namespace squall {
namespace {

// In the order of absl::Weekday.
constexpr std::array<std::string_view, 7> kDays = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                                   "Friday", "Saturday", "Sunday"};
constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";

void AppendDigits(std::string& out, int64_t value, int width) {
  for (int64_t unit = width == 4 ? 1000 : 10; unit > 0; unit /= 10) {
    out.push_back(static_cast<char>('0' + value / unit % 10));
  }
}

// Takes pieces from the front of a text; after the first that does not fit, ok() is false.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool Literal(std::string_view text) {
    const bool fits = rest_.substr(0, text.size()) == text;
    Advance(text.size(), fits);
    return ok_;
  }

  int Digits(size_t width) {
    int value = 0;
    bool fits = rest_.size() >= width;
    for (size_t i = 0; fits && i < width; ++i) {
      fits = internal::IsDigit(rest_[i]);
      value = value * 10 + (rest_[i] - '0');
    }
    Advance(width, fits);
    return value;
  }

  // The day of asctime, padded by a space.
  int PaddedDay() {
    if (rest_.substr(0, 1) != " ") return Digits(2);
    Advance(1, true);
    return Digits(1);
  }

  int Month() {
    const std::string_view name = rest_.substr(0, 3);
    for (int month = 1; month <= 12; ++month) {
      if (name == kMonths.substr((month - 1) * 3, 3)) {
        Advance(3, true);
        return month;
      }
    }
    Advance(3, false);
    return 0;
  }

  // hh:mm:ss. A leap second counts as the first one of the next minute.
  void TimeOfDay(int& hour, int& minute, int& second) {
    hour = Digits(2);
    Literal(":");
    minute = Digits(2);
    Literal(":");
    second = Digits(2);
    if (hour > 23 || minute > 59 || second > 60) ok_ = false;
  }

  bool AtEnd() const { return ok_ && rest_.empty(); }

 private:
  void Advance(size_t size, bool fits) {
    ok_ = ok_ && fits;
    rest_.remove_prefix(std::min(size, rest_.size()));
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace

std::string FormatHttpDate(absl::Time time) {
  absl::CivilSecond c = absl::ToCivilSecond(time, absl::UTCTimeZone());
  c = std::clamp(c, absl::CivilSecond(0), absl::CivilSecond(9999, 12, 31, 23, 59, 59));
  std::string out;
  out.reserve(29);
  out.append(kDays[static_cast<int>(absl::GetWeekday(c))].substr(0, 3));
  out.append(", ");
  AppendDigits(out, c.day(), 2);
  out.push_back(' ');
  out.append(kMonths.substr((c.month() - 1) * 3, 3));
  out.push_back(' ');
  AppendDigits(out, c.year(), 4);
  out.push_back(' ');
  AppendDigits(out, c.hour(), 2);
  out.push_back(':');
  AppendDigits(out, c.minute(), 2);
  out.push_back(':');
  AppendDigits(out, c.second(), 2);
  out.append(" GMT");
  return out;
}

std::optional<absl::Time> ParseHttpDate(std::string_view text, absl::Time now) {
  text = internal::TrimOws(text);
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  const auto name = std::find_if(kDays.begin(), kDays.end(), [&](std::string_view d) {
    return text.substr(0, 3) == d.substr(0, 3);
  });
  if (name == kDays.end()) return std::nullopt;
  if (text.substr(3, 1) == ",") {
    Reader r(text.substr(4));  // " 06 Nov 1994 08:49:37 GMT"
    r.Literal(" ");
    day = r.Digits(2);
    r.Literal(" ");
    month = r.Month();
    r.Literal(" ");
    year = r.Digits(4);
    r.Literal(" ");
    r.TimeOfDay(hour, minute, second);
    r.Literal(" GMT");
    if (!r.AtEnd()) return std::nullopt;
  } else if (text.substr(3, 1) == " ") {
    Reader r(text.substr(4));  // "Nov  6 08:49:37 1994"
    month = r.Month();
    r.Literal(" ");
    day = r.PaddedDay();
    r.Literal(" ");
    r.TimeOfDay(hour, minute, second);
    r.Literal(" ");
    year = r.Digits(4);
    if (!r.AtEnd()) return std::nullopt;
  } else {
    Reader r(text);  // "Sunday, 06-Nov-94 08:49:37 GMT"
    r.Literal(*name);
    r.Literal(", ");
    day = r.Digits(2);
    r.Literal("-");
    month = r.Month();
    r.Literal("-");
    year = r.Digits(2);
    r.Literal(" ");
    r.TimeOfDay(hour, minute, second);
    r.Literal(" GMT");
    if (!r.AtEnd()) return std::nullopt;
    const int64_t this_year = absl::ToCivilYear(now, absl::UTCTimeZone()).year();
    year += static_cast<int>(this_year - this_year % 100);
    if (year > this_year + 50) year -= 100;
  }
  // CivilSecond turns 31 Feb into 3 Mar: what comes out differently was no date.
  const absl::CivilDay date(year, month, day);
  if (date.month() != month || date.day() != day) return std::nullopt;
  return absl::FromCivil(absl::CivilSecond(year, month, day, hour, minute, second),
                         absl::UTCTimeZone());
}

}  // namespace squall
