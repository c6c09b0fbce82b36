// The flags, the file and the libraries say the same: the names, the defaults, the sample.
#include "examples/server/server_flags.h"

#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/reflection.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "re2/re2.h"
#include "squall/base/flags.h"
#include "squall/base/status_matchers.h"
#include "squall/control/config/config_file.h"
#include "squall/control/config/server_options.h"

namespace squall {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string Sample() {
  std::ifstream file("examples/server/sample.conf");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// "#option: value" is an option that is commented out, "# text" is a comment.
std::string WithoutCommentedOut(std::string sample) {
  RE2::GlobalReplace(&sample, R"((?m)^(\s*)#(\w+: ))", R"(\1\2)");
  return sample;
}

const absl::CommandLineFlag* FlagOf(const std::string& path) {
  return absl::FindCommandLineFlag(FlagName(path));
}

// Texts that mean the same look the same: "60s" and "1m".
std::string Normal(const std::string& text) {
  absl::Duration duration;
  return absl::ParseDuration(text, &duration) ? absl::FormatDuration(duration) : text;
}

TEST(ServerFlags, EveryOptionOfTheFileIsAFlag) {
  for (const ServerOptionName& option : ServerOptionNames()) {
    EXPECT_NE(FlagOf(option.path), nullptr) << option.path;
  }
}

TEST(ServerFlags, EveryDefaultIsRight) {
  for (const ServerOptionName& option : ServerOptionNames()) {
    const std::string value = FlagOf(option.path)->DefaultValue();
    if (value.empty()) continue;
    ServerConfig config;
    config.SetFromFlag(option.path, {value}, option.path);
    EXPECT_THAT(ToServerOptions(config), IsOk());
  }
}

TEST(ServerFlags, TheSampleIsRight) {
  const auto config = ParseServerConfig(Sample(), "sample.conf");
  ASSERT_THAT(config, IsOk());
  const auto options = ToServerOptions(*config);
  ASSERT_THAT(options, IsOk());
  EXPECT_THAT(Validate(options->serve), IsOk());
}

TEST(ServerFlags, TheSampleHasTheDefaults) {
  const ServerConfig config = ParseServerConfig(Sample(), "sample.conf").value();
  for (const ServerOptionName& option : ServerOptionNames()) {
    const std::string value = FlagOf(option.path)->DefaultValue();
    // The flags for it are --address and --port.
    if (option.path == "listen") continue;
    if (value.empty()) {
      EXPECT_THAT(config.Texts(option.path), IsEmpty()) << option.path;
    } else {
      ASSERT_EQ(config.Texts(option.path).size(), 1u) << option.path;
      EXPECT_EQ(Normal(config.Texts(option.path)[0]), Normal(value)) << option.path;
    }
  }
  EXPECT_THAT(config.Texts("listen"), ElementsAre("localhost:8888"));
}

TEST(ServerFlags, TheSampleHasEveryOption) {
  const auto config = ParseServerConfig(WithoutCommentedOut(Sample()), "sample.conf");
  ASSERT_THAT(config, IsOk());
  EXPECT_THAT(ToServerOptions(*config), IsOk());
  for (const ServerOptionName& option : ServerOptionNames()) {
    EXPECT_THAT(config->Texts(option.path), Not(IsEmpty())) << option.path;
  }
}

TEST(ServerFlags, WhatIsTakenOverAtAReloadIsMarkedInTheSample) {
  // (r) stands in the comment before an option or a group.
  std::set<std::string> marked;
  bool mark = false;
  std::istringstream lines(Sample());
  for (std::string line; std::getline(lines, line);) {
    std::string word;
    if (line.empty()) mark = false;
    if (RE2::FullMatch(line, R"(# .*\(r\))")) {
      mark = true;
    } else if (mark && RE2::PartialMatch(line, R"(^#?(\w+)[: ] ?\{?)", &word)) {
      marked.insert(word);
    } else if (line.starts_with("# ")) {
      mark = false;
    }
  }
  std::set<std::string> changing;
  for (const ServerOptionName& option : ServerOptionNames()) {
    if (ChangesAtReload(option.path)) {
      changing.insert(option.path.substr(0, option.path.find('.')));
    }
  }
  EXPECT_EQ(marked, changing);
}

// The flags of this process are set once and for all, so these are in one test, in this order.
TEST(ServerFlags, WinOverTheFile) {
  ServerConfig config =
      ParseServerConfig("listen: \"a:1\" workers: 3 restart { max_surge: 2 }", "f").value();
  ASSERT_THAT(SetFromFlags(config), IsOk());
  EXPECT_THAT(config.Texts("listen"), ElementsAre("a:1")) << "nothing was given";
  EXPECT_THAT(config.Texts("workers"), ElementsAre("3"));

  ASSERT_THAT(ParseFlags({"--restart-max-surge=4", "--rlimit=core:0,nofile:9", "--grace=1m",
                          "--autoscale_dry_run", "--address=::1"}),
              IsOk());
  ASSERT_THAT(SetFromFlags(config), IsOk());
  EXPECT_THAT(config.Texts("workers"), ElementsAre("3"));
  EXPECT_THAT(config.Texts("restart.max_surge"), ElementsAre("4"));
  EXPECT_THAT(config.Texts("rlimit"), ElementsAre("core:0", "nofile:9"));
  EXPECT_THAT(config.Texts("grace"), ElementsAre("1m"));
  EXPECT_THAT(config.Texts("autoscale.dry_run"), ElementsAre("true"));
  EXPECT_THAT(config.Texts("listen"), ElementsAre("[::1]:8888"));

  ASSERT_THAT(ParseFlags({"--port=70000"}), IsOk());
  EXPECT_THAT(SetFromFlags(config), StatusIs(absl::StatusCode::kInvalidArgument,
                                             "--port=70000 is not a TCP port from 0 to 65535"));
  ASSERT_THAT(ParseFlags({"--port=70", "--listen=:80,:81"}), IsOk());
  EXPECT_THAT(SetFromFlags(config),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("--address=::1 and --listen=:80,:81 both say"))));
}

}  // namespace
}  // namespace squall
