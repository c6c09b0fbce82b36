// Internal: the texts that operators write for values, the same in a file and on a command line.
//
//   absl::Duration grace;
//   if (!ReadText("30s", grace)) ...   // Left alone when the text is no duration.
//   std::optional<int64_t> bytes = ReadSize("512MiB");
//
// Pure. Any thread.
#ifndef SQUALL_CONTROL_CONFIG_OPTION_TEXT_H_
#define SQUALL_CONTROL_CONFIG_OPTION_TEXT_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "squall/process/resource_limits.h"

namespace squall::internal {

// Each says whether `text` is such a value.
bool ReadText(const std::string& text, int& value);
bool ReadText(const std::string& text, int64_t& value);
bool ReadText(const std::string& text, double& value);
bool ReadText(const std::string& text, bool& value);
bool ReadText(const std::string& text, std::string& value);
// "30s", "500ms", "1h30m", "0", "inf".
bool ReadText(const std::string& text, absl::Duration& value);

// What is right for a value of each type, behind "is not".
inline constexpr std::string_view Wanted(int) { return "a whole number"; }
inline constexpr std::string_view Wanted(int64_t) { return "a whole number"; }
inline constexpr std::string_view Wanted(double) { return "a number"; }
inline constexpr std::string_view Wanted(bool) { return "true or false"; }
inline std::string_view Wanted(const std::string&) { return "a text"; }
inline std::string_view Wanted(absl::Duration) {
  return "a duration such as \"30s\", \"500ms\" or \"1h30m\"";
}

// Octets: "65536", "64KiB", "512MiB", "2GiB"; K, M, G alone mean the same.
inline constexpr std::string_view kWantedSize = "a size such as \"65536\", \"64KiB\" or \"512MiB\"";
std::optional<int64_t> ReadSize(std::string_view text);

// Octal permissions: "0660", "660".
inline constexpr std::string_view kWantedMode = "octal permissions such as \"0660\"";
std::optional<mode_t> ReadMode(std::string_view text);

// "NAME:SOFT" or "NAME:SOFT:HARD"; "unlimited" is a number, too.
inline constexpr std::string_view kWantedLimit =
    "NAME:SOFT or NAME:SOFT:HARD such as \"nofile:65536\" or \"core:0:unlimited\"";
std::optional<ResourceLimit> ReadLimit(std::string_view text);

// The CPUs of each worker: "0,1;2,3" or "0-3;4-7".
std::optional<std::vector<std::vector<int>>> ReadCpuSets(std::string_view text);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_CONFIG_OPTION_TEXT_H_
