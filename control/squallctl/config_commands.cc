#include "squall/control/squallctl/config_commands.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "squall/control/squallctl/config_text.h"
#include "squall/control/squallctl/print.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

// "drain.grace from 30s to 10s"
std::vector<std::string> Differences(const v1::PoolConfig& before, const v1::PoolConfig& after) {
  const auto old_lines = ConfigLines(before);
  const auto new_lines = ConfigLines(after);
  std::vector<std::string> differences;
  for (size_t i = 0; i < new_lines.size(); ++i) {
    if (old_lines[i] == new_lines[i]) continue;
    differences.push_back(absl::StrCat(new_lines[i].first, " from ", old_lines[i].second, " to ",
                                       new_lines[i].second));
  }
  return differences;
}

}  // namespace

ExitCode ShowConfig(ControlClient& client, const CommandLine& line, Console& console) {
  const absl::StatusOr<v1::GetPoolConfigResponse> response = client.GetPoolConfig();
  if (!response.ok()) return Fail(response.status(), console);
  if (line.output != OutputFormat::kTable) {
    PrintMessage(response->config(), line.output, console);
    return ExitCode::kDone;
  }
  const auto lines = ConfigLines(response->config());
  size_t widest = 0;
  for (const auto& [path, value] : lines) widest = std::max(widest, path.size());
  for (const auto& [path, value] : lines) {
    console.out << path << std::string(widest - path.size() + 2, ' ') << value << '\n';
  }
  return ExitCode::kDone;
}

ExitCode UpdateConfig(ControlClient& client, const CommandLine& line, Console& console) {
  if (line.update.update_mask().paths().empty()) {
    console.err << "squallctl: update needs what to change, such as --grace=10s or --set "
                   "watchdog.stall_kill=1m. See squallctl help update.\n";
    return ExitCode::kUsage;
  }
  const absl::StatusOr<v1::GetPoolConfigResponse> before = client.GetPoolConfig();
  if (!before.ok()) return Fail(before.status(), console);
  v1::UpdatePoolRequest request = line.update;
  request.set_validate_only(line.dry_run);
  const absl::StatusOr<v1::UpdatePoolResponse> after = client.UpdatePool(request);
  if (!after.ok()) return Fail(after.status(), console);
  if (line.output != OutputFormat::kTable) {
    PrintMessage(*after, line.output, console);
    return ExitCode::kDone;
  }
  const std::vector<std::string> differences = Differences(before->config(), after->config());
  if (differences.empty()) {
    console.out << "nothing to change, it is so already\n";
  } else {
    console.out << (line.dry_run ? "would change " : "changed ") << absl::StrJoin(differences, ", ")
                << (line.dry_run ? "; nothing was changed\n" : "\n");
  }
  return ExitCode::kDone;
}

}  // namespace squall::internal
