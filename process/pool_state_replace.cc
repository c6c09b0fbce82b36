// The part of PoolState that puts a new worker in the place of one that serves: in a rolling
// restart, when one is to be recycled, or when an operator kills one.
#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "squall/process/pool_state.h"

namespace squall {
namespace {

// Of recycling: one slot at a time.
constexpr int kRecycleSurge = 1;

}  // namespace

void PoolState::OnEvent(const ReplaceWorker& event) {
  Row* row = Find(event.slot, event.incarnation);
  if (row == nullptr || row->view.role != RowRole::kHolder || !row->replace_reason.empty()) return;
  if (row->view.state != WorkerState::kReady || row->view.stop_step != StopStep::kNone) return;
  row->replace_reason = event.reason;
  Note(PoolNote::Type::kReplaceWanted, PoolNote::Severity::kInfo,
       absl::StrCat(Name(*row), " is to be replaced: ", event.reason), row);
}

void PoolState::OnEvent(const CancelReplace& event) {
  Row* row = Find(event.slot, event.incarnation);
  if (row == nullptr || row->replace_reason.empty()) return;
  if (row->view.role != RowRole::kHolder || SuccessorOf(event.slot) != nullptr) return;
  row->replace_reason.clear();
  NoteRequest(event.actor, PoolNote::Type::kReplaceCancelled, PoolNote::Severity::kInfo,
              absl::StrCat(Name(*row), " stays: its replacement was cancelled", By(event.actor)),
              row);
}

void PoolState::OnEvent(const KillWorker& event) {
  Row* row = Find(event.slot, event.incarnation);
  if (row == nullptr || !HasProcess(row->view.state)) return;
  NoteRequest(event.actor, PoolNote::Type::kKillRequested, PoolNote::Severity::kWarning,
              absl::StrCat(Name(*row), " is to be killed, requested", By(event.actor)), row);
  if (Assigned(row->view)) {
    Row* const successor = SuccessorOf(row->view.slot);
    SetRole(*row, successor != nullptr ? RowRole::kLeaving : RowRole::kRefill);
    if (successor != nullptr) SetRole(*successor, RowRole::kHolder);
  } else if (row->view.role == RowRole::kSuccessor) {
    SetRole(*row, RowRole::kLeaving);
  }
  Transition(*row, RowEvent::kReleaseNow);
}

bool PoolState::HasReplacements() const {
  if (pool_.shutdown != ShutdownMode::kNone) return false;
  return pool_.restart.runs() || std::any_of(rows_.begin(), rows_.end(), [](const Row& row) {
           return !row.replace_reason.empty();
         });
}

void PoolState::RunReplacements() {
  if (pool_.shutdown != ShutdownMode::kNone || !started_) return;
  if (replace_not_before_.has_value()) {
    if (now_ < *replace_not_before_) return;
    replace_not_before_.reset();
  }
  for (;;) {
    Row* next = nullptr;
    for (Row& row : rows_) {
      if (MayReplace(row) && (next == nullptr || row.view.slot < next->view.slot)) next = &row;
    }
    if (next == nullptr || !ReplaceOne(*next)) return;
  }
}

bool PoolState::MayReplace(const Row& holder) const {
  if (holder.view.role != RowRole::kHolder || !HasSlot(holder)) return false;
  // One handover of a slot at a time.
  const bool alone = std::none_of(rows_.begin(), rows_.end(), [&](const Row& row) {
    return &row != &holder && row.view.slot == holder.view.slot &&
           row.view.state != WorkerState::kEmpty;
  });
  if (!alone) return false;
  if (pool_.restart.runs()) return holder.view.generation != TargetGeneration();
  if (holder.replace_reason.empty()) return false;
  // Nothing else may be on its way: a recycle is never urgent. A FAILED slot may stay so for long.
  return std::none_of(rows_.begin(), rows_.end(), [](const Row& row) {
    return row.view.state == WorkerState::kStarting || row.view.state == WorkerState::kBackoff;
  });
}

// False when it has to wait.
bool PoolState::ReplaceOne(Row& holder) {
  const bool restarting = pool_.restart.runs();
  const int max_surge = std::min(restarting ? MaxSurge() : kRecycleSurge, options_.surge_slots);
  // Without surge rows a recycle takes the worker out first.
  const int max_unavailable =
      restarting ? restart_.max_unavailable : (options_.surge_slots == 0 ? 1 : 0);

  int ready = 0;
  int unproven = 0;
  int unavailable = CountRole(RowRole::kRefill);
  for (const Row& row : rows_) {
    if (row.view.role != RowRole::kHolder || !HasSlot(row)) continue;
    ready += Proven(row);
    if (row.view.generation != TargetGeneration()) continue;
    unproven += row.view.state == WorkerState::kStarting || row.soaking;
    unavailable += !Proven(row) && row.view.state != WorkerState::kDone;
  }

  if (!HasProcess(holder.view.state)) {
    // Nothing serves in this slot, so nothing is lost by starting it in its place.
    if (unproven >= std::max(1, max_surge + max_unavailable)) return false;
    holder.backoff.Reset();
    holder.deaths.clear();
    holder.view.on_trial = false;
    StartWorker(holder, TargetGeneration());
    return true;
  }
  Row* const row = EmptyRow();
  if (row != nullptr && CountRole(RowRole::kSuccessor) + CountRole(RowRole::kLeaving) < max_surge) {
    StartSuccessor(*row, holder);
    return true;
  }
  if (unavailable >= max_unavailable) return false;
  // One that starts or hangs is soon READY or gone, without our doing.
  if (!Proven(holder)) return false;
  if (restarting && ready - 1 < MinHealthy()) return false;
  SetRole(holder, RowRole::kRefill);
  Transition(holder, RowEvent::kRelease);
  return true;
}

void PoolState::StartSuccessor(Row& row, Row& holder) {
  row.view.slot = holder.view.slot;
  SetRole(row, RowRole::kSuccessor);
  StartWorker(row, TargetGeneration());
}

void PoolState::TakeOver(Row& successor) {
  Row* holder = nullptr;
  for (Row& row : rows_) {
    if (row.view.slot == successor.view.slot && row.view.role == RowRole::kHolder && HasSlot(row)) {
      holder = &row;
    }
  }
  SetRole(successor, RowRole::kHolder);
  replace_backoff_.Reset();
  if (holder == nullptr) return;
  SetRole(*holder, RowRole::kLeaving);
  const auto left = std::count_if(rows_.begin(), rows_.end(),
                                  [this](const Row& row) { return RestartLeft(row); });
  Note(PoolNote::Type::kTakenOver, PoolNote::Severity::kInfo,
       absl::StrCat(Name(successor), " takes over from ", Name(*holder),
                    pool_.restart.runs() ? absl::StrCat("; ", left, " to go") : ""),
       &successor);
  Transition(*holder, RowEvent::kRelease);
}

void PoolState::SuccessorLost(Row& row, const std::string& what) {
  const absl::Duration delay = replace_backoff_.Next(random_);
  const bool new_generation = OfNewGeneration(row);
  replace_not_before_ = now_ + delay;
  Note(PoolNote::Type::kWorkerDied, PoolNote::Severity::kWarning,
       absl::StrCat(what, "; the worker it was to replace stays"), &row, delay);
  Enter(row, WorkerState::kEmpty, MonotonicTime::Infinite());
  if (new_generation) CountRestartFailure(row, what);
}

}  // namespace squall
