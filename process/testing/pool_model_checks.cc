// What PoolModel looks at after every event, and when nothing goes on any more.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/process/testing/pool_model.h"
#include "squall/process/worker_state.h"

namespace squall::testing {

void PoolModel::CheckResults(const PoolEvent& event, const PoolView& before,
                             const std::vector<PoolAction>& actions) {
  const ResizeResult* resize = nullptr;
  int resizes = 0;
  int restarts = 0;
  for (const PoolAction& action : actions) {
    if (const auto* result = std::get_if<ResizeResult>(&action)) {
      resize = result;
      ++resizes;
    }
    restarts += std::holds_alternative<RestartResult>(action);
  }
  const bool asked =
      std::holds_alternative<ResizeRequest>(event) || std::holds_alternative<ResizeBy>(event);
  if (resizes != (asked ? 1 : 0)) Fail("not exactly one ResizeResult");
  if (restarts != (std::holds_alternative<RestartRequest>(event) ? 1 : 0)) {
    Fail("not exactly one RestartResult");
  }
  const auto* request = std::get_if<ResizeRequest>(&event);
  if (request == nullptr || resize == nullptr) return;
  const int desired = pool_.pool().desired;
  if (resize->code != absl::StatusCode::kOk || request->validate_only) {
    if (desired != before.desired) Fail("the target changed");
    if (resize->generation > before.generation) Fail("a generation for nothing");
    return;
  }
  if (desired != request->target) Fail("the accepted target was not taken");
  const uint64_t bump = request->target == before.desired ? 0 : 1;
  if (resize->generation != before.generation + bump) Fail("wrong generation");
}

void PoolModel::CheckStops(const PoolEvent& event, const PoolView& before,
                           const std::vector<SlotView>& rows) {
  const bool for_all = std::holds_alternative<ResizeRequest>(event) ||
                       std::holds_alternative<ResizeBy>(event) || shutdown_ || gave_up_ ||
                       before.restart.runs() || pool_.pool().restart.runs();
  if (for_all) return;
  bool wanted = false;
  for (const ModelProcess& process : processes_) {
    wanted |= process.kill_requested || process.replace_wanted;
  }
  for (const SlotView& old : rows) {
    const SlotView& row = pool_.row(old.row);
    if (row.state != WorkerState::kDraining || old.state == WorkerState::kDraining) continue;
    // A successor may take over after the end of its restart.
    const bool replaced =
        row.role == RowRole::kLeaving && pool_.slot(row.slot).state == WorkerState::kReady;
    if (!wanted && !replaced) Fail("a worker was stopped without a request");
  }
}

// Of those that were taken out before their successor was there.
void PoolModel::CheckTakenOut(const std::vector<SlotView>& rows) {
  int refills = 0;
  int ready = 0;
  bool taken = false;
  for (const SlotView& old : rows) {
    const SlotView& row = pool_.row(old.row);
    ready += row.state == WorkerState::kReady && row.role == RowRole::kHolder;
    if (row.role != RowRole::kRefill) continue;
    ++refills;
    const ModelProcess* process = Find(row.slot, row.incarnation);
    if (old.role == RowRole::kRefill || process == nullptr || process->kill_requested) continue;
    taken = true;
    if (!process->ready_told) Fail("a worker that starts is taken out");
  }
  if (!taken) return;
  const bool restarts = pool_.pool().restart.runs();
  if (refills > (restarts ? restart_.max_unavailable : 1)) Fail("too many are taken out");
  const int min_healthy =
      restart_.min_healthy.value_or(pool_.pool().desired - restart_.max_unavailable);
  if (restarts && ready < min_healthy) Fail("fewer than min_healthy are left");
}

void PoolModel::CheckRevisions(uint64_t revision, const PoolView& before,
                               const std::vector<SlotView>& rows) {
  if (!(pool_.pool() == before) && pool_.revision() == revision) Fail("a change nobody sees");
  for (const SlotView& old : rows) {
    if (pool_.row(old.row) == old || pool_.row_revision(old.row) > revision) continue;
    Fail(absl::StrCat("a change of row ", old.row, " that nobody sees"));
  }
}

void PoolModel::CheckTotals(const PoolView& before, const std::vector<SlotView>& rows) {
  const PoolView& view = pool_.pool();
  if (view.generation < before.generation) Fail("the generation went back");
  if (view.worker_generation < before.worker_generation) Fail("the workers' generation went back");
  if (view.observed_generation < before.observed_generation) Fail("observed went back");
  if (view.observed_generation > view.generation) Fail("observed is ahead");
  if (view.observed_generation != before.observed_generation && view.restart.runs()) {
    Fail("observed while a restart runs");
  }
  if (view.restarts != crashes_) {
    Fail(absl::StrCat("the count of crashes is ", view.restarts, ", should be ", crashes_));
  }
  if (view.spawn_failures != spawn_failures_) Fail("the count of failed forks is wrong");
  int count = 0;
  for (int rows_in_state : view.slots) count += rows_in_state;
  if (count != pool_.rows()) Fail("rows were lost");
  uint64_t restarts = 0;
  uint64_t by_cause = 0;
  for (int slot = 0; slot < options_.max_workers; ++slot) {
    const SlotView of_slot = pool_.slot(slot);
    if (of_slot.slot != slot) Fail("another slot than asked for");
    restarts += of_slot.restarts;
    for (uint64_t deaths : of_slot.deaths) by_cause += deaths;
  }
  if (restarts != view.restarts) Fail("the deaths of the slots do not add up");
  if (by_cause != restarts) Fail("the causes of death do not add up");
  for (const SlotView& old : rows) {
    const SlotView& row = pool_.row(old.row);
    if (row.row != old.row) Fail("a row with another number");
    if (row.slot == old.slot && row.incarnation < old.incarnation) Fail("an incarnation went back");
    if (row.slot < 0) continue;
    const SlotView of_slot = pool_.slot(row.slot);
    if (row.restarts != of_slot.restarts || row.deaths != of_slot.deaths ||
        row.spawn_failures != of_slot.spawn_failures || row.last_exit != of_slot.last_exit) {
      Fail("rows of a slot that do not agree on its past");
    }
  }
}

void PoolModel::CheckDeadlines() {
  const PoolView& view = pool_.pool();
  if (view.restart.runs() && pool_.next_deadline().is_infinite()) Fail("an endless restart");
  if (pool_.next_deadline() < now_) Fail("a deadline that stays due");
  for (int i = 0; i < pool_.rows(); ++i) {
    const SlotView& row = pool_.row(i);
    const bool waits = row.state == WorkerState::kStarting || row.state == WorkerState::kDraining ||
                       row.state == WorkerState::kBackoff || row.state == WorkerState::kFailed;
    if (waits && row.deadline.is_infinite()) Fail("a wait without a deadline");
    if (waits && row.deadline - now_ > absl::Minutes(10)) Fail("an unreasonable deadline");
    if (row.deadline < pool_.next_deadline()) Fail("next_deadline misses a row");
    if (row.deadline < now_) Fail("work that was due was not done");
  }
}

void PoolModel::CheckRoles() {
  std::vector<int> holders(static_cast<size_t>(options_.max_workers));
  std::vector<int> successors(static_cast<size_t>(options_.max_workers));
  int leaders = 0;
  int beyond = 0;
  for (int i = 0; i < pool_.rows(); ++i) {
    const SlotView& row = pool_.row(i);
    leaders += row.leader;
    const size_t slot = static_cast<size_t>(row.slot);
    switch (row.role) {
      case RowRole::kHolder:
        if (row.state != WorkerState::kEmpty) ++holders[slot];
        break;
      case RowRole::kRefill:
        ++holders[slot];
        if (row.state != WorkerState::kDraining) Fail("a refill that does not drain");
        break;
      case RowRole::kSuccessor:
        ++beyond;
        ++successors[slot];
        break;
      case RowRole::kLeaving:
        ++beyond;
        if (row.state != WorkerState::kDraining) Fail("a leaving worker that does not drain");
        break;
    }
  }
  if (leaders > 1) Fail("two leaders published");
  if (beyond > options_.surge_slots) Fail("more than surge_slots beyond the target");
  for (size_t slot = 0; slot < holders.size(); ++slot) {
    if (holders[slot] > 1) Fail("two holders of a slot");
    if (successors[slot] > 1) Fail("two successors of a slot");
    if (successors[slot] == 1 && holders[slot] != 1 && !shutdown_ && !gave_up_) {
      Fail("a successor of nobody");
    }
  }
}

void PoolModel::CheckRest() {
  const PoolView& view = pool_.pool();
  if (view.shutdown != ShutdownMode::kNone) return Fail("a shutdown that does not end");
  if (view.restart.runs()) return Fail("a restart that does not end");
  if (view.observed_generation != view.generation) Fail("rest, but not where it was wanted");
  const int ready = view.count(WorkerState::kReady);
  if (ready + view.count(WorkerState::kDone) != view.desired) Fail("the target was not reached");
  if (view.count(WorkerState::kEmpty) != pool_.rows() - view.desired) Fail("rows that are no rest");
  int alive = 0;
  int leaders = 0;
  for (const ModelProcess& process : processes_) {
    alive += process.may_live();
    leaders += process.leader;
    if (process.replace_wanted) Fail("a replacement was forgotten");
  }
  if (alive != ready) Fail(absl::StrCat(alive, " processes live, ", ready, " are READY"));
  if (leaders != std::min(ready, 1)) Fail(absl::StrCat(leaders, " leaders of ", ready));
  for (int i = 0; i < pool_.rows(); ++i) {
    const SlotView& row = pool_.row(i);
    if (row.state == WorkerState::kReady && view.restart.phase == RestartPhase::kSucceeded &&
        row.generation != view.worker_generation) {
      Fail("a worker of another generation after the restart");
    }
  }
}

}  // namespace squall::testing
