#include "squall/control/config/option_text.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "squall/base/string_view.h"

namespace squall::internal {
namespace {

constexpr int kMostCpus = 8192;  // CONFIG_NR_CPUS of Linux goes that far.

template <typename Number>
std::optional<Number> ReadNumber(std::string_view digits, int base = 10) {
  Number number = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number, base);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

std::optional<uint64_t> ReadLimitValue(absl::string_view text) {
  if (text == "unlimited") return kUnlimited;
  return ReadNumber<uint64_t>(ToStd(text));
}

}  // namespace

bool ReadText(const std::string& text, int& value) { return absl::SimpleAtoi(text, &value); }

bool ReadText(const std::string& text, int64_t& value) { return absl::SimpleAtoi(text, &value); }

bool ReadText(const std::string& text, double& value) {
  return absl::SimpleAtod(text, &value) && std::isfinite(value);
}

bool ReadText(const std::string& text, bool& value) { return absl::SimpleAtob(text, &value); }

bool ReadText(const std::string& text, std::string& value) {
  value = text;
  return true;
}

bool ReadText(const std::string& text, absl::Duration& value) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration)) return false;
  value = duration;
  return true;
}

std::optional<int64_t> ReadSize(std::string_view text) {
  const size_t end = text.find_first_not_of("0123456789");
  const std::optional<int64_t> number = ReadNumber<int64_t>(text.substr(0, end));
  if (!number.has_value()) return std::nullopt;
  const std::string_view unit = end == text.npos ? "" : text.substr(end);
  int shift = 0;
  if (unit == "K" || unit == "KiB") shift = 10;
  if (unit == "M" || unit == "MiB") shift = 20;
  if (unit == "G" || unit == "GiB") shift = 30;
  if (shift == 0 && !unit.empty()) return std::nullopt;
  if (*number > std::numeric_limits<int64_t>::max() >> shift) return std::nullopt;
  return *number << shift;
}

std::optional<mode_t> ReadMode(std::string_view text) { return ReadNumber<mode_t>(text, 8); }

std::optional<ResourceLimit> ReadLimit(std::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(ToAbsl(text), ':');
  if (parts.size() < 2 || parts.size() > 3 || parts[0].empty()) return std::nullopt;
  ResourceLimit limit{.resource = std::string(parts[0]), .soft = ReadLimitValue(parts[1])};
  if (!limit.soft.has_value()) return std::nullopt;
  if (parts.size() == 3) {
    limit.hard = ReadLimitValue(parts[2]);
    if (!limit.hard.has_value()) return std::nullopt;
  }
  return limit;
}

std::optional<std::vector<std::vector<int>>> ReadCpuSets(std::string_view text) {
  std::vector<std::vector<int>> sets;
  for (const absl::string_view set : absl::StrSplit(ToAbsl(text), ';')) {
    std::vector<int>& cpus = sets.emplace_back();
    for (const absl::string_view part : absl::StrSplit(set, ',')) {
      const std::pair<absl::string_view, absl::string_view> range =
          absl::StrSplit(part, absl::MaxSplits('-', 1));
      const auto first = ReadNumber<int>(ToStd(range.first));
      const auto last = absl::StrContains(part, '-') ? ReadNumber<int>(ToStd(range.second)) : first;
      if (!first.has_value() || !last.has_value() || *first < 0 || *last < *first ||
          *last >= kMostCpus) {
        return std::nullopt;
      }
      for (int cpu = *first; cpu <= *last; ++cpu) cpus.push_back(cpu);
    }
  }
  return sets;
}

}  // namespace squall::internal
