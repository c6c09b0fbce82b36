#include "squall/control/squallctl/help_text.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/string_view.h"
#include "squall/control/squallctl/command_line.h"
#include "squall/control/squallctl/flag.h"
#include "squall/control/squallctl/verb.h"

namespace squall::internal {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

void ExpectFitsATerminal(const std::string& text) {
  ASSERT_FALSE(text.empty());
  EXPECT_EQ(text.back(), '\n');
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    EXPECT_LE(line.size(), 80u) << line;
    EXPECT_FALSE(absl::EndsWith(line, " ")) << line;
  }
}

TEST(HelpText, EveryCommandHasItsOwn) {
  for (const VerbSpec& spec : Verbs()) {
    SCOPED_TRACE(std::string(spec.name));
    const std::string text = HelpText(spec.verb);
    ExpectFitsATerminal(text);
    EXPECT_THAT(text, StartsWith(absl::StrCat("squallctl ", ToAbsl(spec.name))));
    // Usage, what it does, flags.
    const std::vector<std::string> parts = absl::StrSplit(text, "\n\n");
    ASSERT_EQ(parts.size(), 3u);
    EXPECT_GT(parts[1].size(), 20u) << "the command has no description";
    for (const Flag& flag : Flags()) {
      const std::string row = absl::StrCat("\n  ", ToAbsl(flag.name), " ");
      if (flag.TakenBy(spec.verb)) {
        EXPECT_THAT("\n" + parts[2], HasSubstr(row));
      } else {
        EXPECT_THAT("\n" + parts[2], Not(HasSubstr(row)));
      }
    }
  }
}

TEST(HelpText, TheListHasEveryCommandAndTheCommonFlags) {
  const std::string text = HelpText(std::nullopt);
  ExpectFitsATerminal(text);
  for (const VerbSpec& spec : Verbs()) {
    EXPECT_THAT(text, HasSubstr(absl::StrCat("\n  squallctl ", ToAbsl(spec.name))));
    EXPECT_THAT(text, HasSubstr(std::string(spec.brief)));
  }
  EXPECT_THAT(text, HasSubstr("\n  --output FORMAT"));
  EXPECT_THAT(text, Not(HasSubstr("--max-surge")));
  EXPECT_THAT(text, HasSubstr("Exit status: 0 done"));
}

TEST(HelpText, FlagsAreInTheUsageUnlessTheyAreMany) {
  EXPECT_THAT(HelpText(Verb::kResize),
              StartsWith("squallctl resize N|+N|-N [--wait] [--dry-run]\n"));
  EXPECT_THAT(HelpText(Verb::kResetBreaker),
              StartsWith("squallctl reset-breaker [SLOT] [--dry-run]\n"));
  EXPECT_THAT(HelpText(Verb::kRestart), StartsWith("squallctl restart [FLAGS]\n"));
}

// The table is what the parser knows, so that nothing is told of that it would refuse.
TEST(HelpText, TheParserTakesWhatIsToldOf) {
  for (const Flag& flag : Flags()) {
    for (const absl::string_view choice : absl::StrSplit(ToAbsl(flag.choices), ' ')) {
      if (choice.empty()) continue;
      CommandLine line;
      EXPECT_TRUE(flag.set(flag.name, ToStd(choice), line).ok()) << choice;
    }
    if (flag.choices.empty()) continue;
    CommandLine line;
    EXPECT_FALSE(flag.set(flag.name, "none-of-these", line).ok()) << flag.name;
  }
}

}  // namespace
}  // namespace squall::internal
