#include "squall/control/squallctl/progress.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/control/squallctl/render.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

constexpr int kBarCells = 20;

std::string Bar(int done, int all) {
  const int filled = all <= 0 ? kBarCells : std::clamp(done * kBarCells / all, 0, kBarCells);
  return absl::StrCat("[", std::string(static_cast<size_t>(filled), '#'),
                      std::string(static_cast<size_t>(kBarCells - filled), '-'), "] ", done, "/",
                      all);
}

}  // namespace

std::string ProgressLine(const v1::Operation& operation, absl::Duration waited, absl::Duration left,
                         size_t width) {
  const v1::Pool& pool = operation.pool();
  std::string line;
  if (operation.kind() == v1::OPERATION_KIND_RESIZE) {
    line = Bar(std::min(pool.ready_workers(), pool.desired_workers()), pool.desired_workers());
  } else if (operation.kind() == v1::OPERATION_KIND_RESTART) {
    const v1::RestartStatus& restart = pool.restart();
    line = Bar(pool.desired_workers() - restart.remaining_workers(), pool.desired_workers());
    if (restart.phase() == v1::RESTART_PHASE_ROLLING_BACK) absl::StrAppend(&line, " rolling back");
    if (restart.failures() > 0) absl::StrAppend(&line, ", ", restart.failures(), " lost");
  } else {
    line = FormatOperation(operation);
  }
  absl::StrAppend(&line, "  ", FormatCounts(pool), "  ", FormatAge(waited), ", ", FormatAge(left),
                  " left");
  if (width > 0 && line.size() > width) line.resize(width);
  return line;
}

}  // namespace squall::internal
