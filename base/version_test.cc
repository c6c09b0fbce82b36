#include "squall/base/version.h"

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace squall {
namespace {

// What another reader of ELF files says of this program.
std::string BuildIdByReadelf() {
  std::string text;
  FILE* const pipe = popen("readelf -n /proc/$PPID/exe", "r");
  char buffer[256];
  while (pipe != nullptr && fgets(buffer, sizeof(buffer), pipe) != nullptr) text += buffer;
  if (pipe == nullptr || pclose(pipe) != 0) return "readelf failed";
  const std::string key = "Build ID: ";
  const size_t at = text.find(key);
  if (at == std::string::npos) return "";
  return text.substr(at + key.size(), text.find('\n', at) - at - key.size());
}

TEST(Version, TheBuildIdIsTheProgramsOwn) {
  EXPECT_EQ(BuildId(), BuildIdByReadelf());
  EXPECT_GE(BuildId().size(), 16u) << "the default build gives one";
}

TEST(Version, TheTextHasBoth) {
  EXPECT_EQ(VersionText(), absl::StrCat(kVersion, " (build ", BuildId(), ")"));
}

}  // namespace
}  // namespace squall
