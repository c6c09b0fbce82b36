#include "squall/tests/integration/boot_fault.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "squall/base/logging.h"

namespace squall::testing {

void ActOutBootFault(const std::string& path, int task_id) {
  std::string line;
  std::getline(std::ifstream(path), line);
  absl::string_view fault = line;
  if (absl::StrContains(fault, ':')) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(fault, absl::MaxSplits(':', 1));
    int only = -1;
    CHECK(absl::SimpleAtoi(parts.first, &only)) << line;
    if (only != task_id) return;
    fault = parts.second;
  }
  int status = 0;
  if (fault.empty()) return;
  if (fault == "abort") std::abort();
  if (absl::ConsumePrefix(&fault, "exit ") && absl::SimpleAtoi(fault, &status)) std::exit(status);
  CHECK_EQ(fault, "hang") << line;
  for (;;) pause();
}

}  // namespace squall::testing
