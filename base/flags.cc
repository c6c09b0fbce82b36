#include "squall/base/flags.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/flags/reflection.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "squall/base/standard_fds.h"
#include "squall/base/string_view.h"
#include "squall/base/version.h"

namespace squall {
namespace {

const char* g_program = "squall";

// absl's flag library has no name for the type, so ask whether it is a bool by what it holds.
bool IsBool(const absl::CommandLineFlag& flag) { return flag.IsOfType<bool>(); }

// Flags of libraries (the log, gRPC) are not part of a program's interface.
bool IsOurs(const absl::CommandLineFlag& flag) {
  return !absl::StrContains(flag.Filename(), "/absl/") &&
         !absl::StartsWith(flag.Filename(), "external/");
}

std::set<absl::string_view>& GivenFlags() {
  static auto* const given = new std::set<absl::string_view>;
  return *given;
}

// A dash is what people type, and no flag can have one in its name.
absl::CommandLineFlag* FindFlag(absl::string_view name) {
  return absl::FindCommandLineFlag(absl::StrReplaceAll(name, {{"-", "_"}}));
}

absl::Status SetFlag(absl::CommandLineFlag& flag, absl::string_view value) {
  std::string error;
  if (flag.ParseFrom(value, &error)) {
    GivenFlags().insert(flag.Name());
    return absl::OkStatus();
  }
  // absl's text names flag and value again; what it adds (a range, a format) follows a semicolon.
  std::string detail;
  if (const size_t at = error.find("; "); at != std::string::npos) {
    detail = absl::StrCat(": ", absl::StripAsciiWhitespace(error.substr(at + 2)));
  }
  const char* wanted = "a valid value";
  if (flag.IsOfType<int>() || flag.IsOfType<int64_t>() || flag.IsOfType<std::optional<int>>()) {
    wanted = "a whole number";
  }
  if (flag.IsOfType<uint16_t>() || flag.IsOfType<uint64_t>()) wanted = "a whole number from 0 on";
  if (flag.IsOfType<double>()) wanted = "a number";
  if (flag.IsOfType<absl::Duration>() || flag.IsOfType<std::optional<absl::Duration>>()) {
    wanted = "a duration such as 30s, 500ms or 1h30m";
  }
  if (IsBool(flag)) wanted = "true or false";
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag.Name(), "=", value, " is not ", wanted, detail));
}

void PrintHelp(std::string_view usage) {
  std::printf("%.*s\n\nFlags:\n", static_cast<int>(usage.size()), usage.data());
  std::map<std::string, const absl::CommandLineFlag*> flags;
  for (const auto& [name, flag] : absl::GetAllFlags()) {
    if (IsOurs(*flag) && !flag->IsRetired()) flags[std::string(name)] = flag;
  }
  for (const auto& [name, flag] : flags) {
    std::printf("  --%s=%s\n      %s\n", name.c_str(), flag->DefaultValue().c_str(),
                flag->Help().c_str());
  }
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ParseFlags(const std::vector<std::string>& arguments) {
  std::vector<std::string> positional;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const absl::string_view argument = arguments[i];
    if (argument == "--") {
      positional.insert(positional.end(), arguments.begin() + static_cast<ptrdiff_t>(i) + 1,
                        arguments.end());
      break;
    }
    if (argument.size() < 2 || argument[0] != '-') {
      positional.emplace_back(argument);
      continue;
    }
    absl::string_view text = argument;
    if (!absl::ConsumePrefix(&text, "--")) absl::ConsumePrefix(&text, "-");
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(text, absl::MaxSplits('=', 1));
    const bool has_value = absl::StrContains(text, '=');
    absl::string_view name = parts.first;
    absl::CommandLineFlag* flag = FindFlag(name);
    if (flag == nullptr && !has_value && absl::ConsumePrefix(&name, "no")) {
      flag = FindFlag(name);
      if (flag != nullptr && IsBool(*flag)) {
        if (absl::Status set = SetFlag(*flag, "false"); !set.ok()) return set;
        continue;
      }
      flag = nullptr;
    }
    if (flag == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("there is no flag ", argument));
    }
    absl::string_view value = parts.second;
    if (!has_value) {
      if (IsBool(*flag)) {
        value = "true";
      } else if (i + 1 < arguments.size()) {
        value = arguments[++i];
      } else {
        return absl::InvalidArgumentError(absl::StrCat("--", flag->Name(), " needs a value"));
      }
    }
    if (absl::Status set = SetFlag(*flag, value); !set.ok()) return set;
  }
  return positional;
}

bool WasGiven(const absl::CommandLineFlag& flag) { return GivenFlags().count(flag.Name()) != 0; }

std::vector<std::string> ParseFlagsOrExit(int argc, char** argv, std::string_view usage,
                                          Positional positional) {
  OpenStandardFds();
  if (argc > 0) {
    const std::string_view path = argv[0];
    g_program = argv[0] + (path.rfind('/') == std::string_view::npos ? 0 : path.rfind('/') + 1);
  }
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  for (const std::string& argument : arguments) {
    if (argument == "--") break;
    if (argument == "--help" || argument == "-h") {
      PrintHelp(usage);
      std::exit(0);
    }
    if (argument == "--version") {
      std::printf("%s: squall %s\n", g_program, VersionText().c_str());
      std::exit(0);
    }
  }
  absl::StatusOr<std::vector<std::string>> rest = ParseFlags(arguments);
  if (!rest.ok()) ExitWithUsageError(ToStd(rest.status().message()));
  if (positional == Positional::kRefuse && !rest->empty()) {
    ExitWithUsageError(absl::StrCat("'", rest->front(), "' is no flag, and nothing else is taken"));
  }
  return *std::move(rest);
}

void ExitWithUsageError(std::string_view message) {
  std::fprintf(stderr, "%s: %.*s (--help lists the flags)\n", g_program,
               static_cast<int>(message.size()), message.data());
  std::exit(2);
}

}  // namespace squall
