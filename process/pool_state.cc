#include "squall/process/pool_state.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/base/string_view.h"

namespace squall {
namespace {

// Forks fail because the machine is full, which ends sooner than a bug in a worker does.
constexpr absl::Duration kMaxSpawnBackoff = absl::Seconds(10);

BackoffOptions SpawnBackoffOptions(BackoffOptions options) {
  options.max = std::max(options.initial, std::min(options.max, kMaxSpawnBackoff));
  return options;
}

// The least that a request stands for after `asked` was asked for.
ShutdownMode Firmer(ShutdownMode asked) {
  switch (asked) {
    case ShutdownMode::kNone:
      return ShutdownMode::kGraceful;
    case ShutdownMode::kGraceful:
      return ShutdownMode::kFast;
    case ShutdownMode::kFast:
    case ShutdownMode::kKill:
      return ShutdownMode::kKill;
  }
  return ShutdownMode::kKill;
}

}  // namespace

PoolState::PoolState(const PoolOptions& options, uint64_t seed)
    : options_(options),
      random_(static_cast<std::minstd_rand::result_type>(seed ^ (seed >> 32))),
      replace_backoff_(SpawnBackoffOptions(options.backoff), Backoff::First::kInitial) {
  const absl::Status valid = Validate(options);
  CHECK(valid.ok()) << valid.message();
  pool_.desired = options.desired;
  pool_.max_workers = options.max_workers;
  pool_.surge_slots = options.surge_slots;
  pool_.generation = 1;
  pool_.worker_generation = 1;
  history_.resize(options.max_workers);
  rows_.reserve(options.max_workers + options.surge_slots);
  for (int i = 0; i < options.max_workers + options.surge_slots; ++i) {
    Row& row = rows_.emplace_back(Row{
        .backoff = Backoff(options.backoff),
        .spawn_backoff = Backoff(SpawnBackoffOptions(options.backoff), Backoff::First::kInitial)});
    row.view.row = i;
    // Rows beyond the slots belong to none until one is handed over.
    row.view.slot = i < options.max_workers ? i : -1;
  }
  UpdatePool();
}

std::vector<PoolAction> PoolState::Step(const PoolEvent& event, MonotonicTime now) {
  now_ = std::max(now_, now);
  actions_.clear();
  if (finished_) return {};
  // The event first: a READY that came together with the end of the boot timeout counts.
  std::visit([this](const auto& e) { OnEvent(e); }, event);
  if (started_) {
    RunDeadlines();
    Reconcile();
    CheckRestart();
    RunReplacements();
    UpdateLeader();
    UpdatePool();
    FinishIfDone();
  }
  return std::exchange(actions_, {});
}

MonotonicTime PoolState::next_deadline() const {
  MonotonicTime next = MonotonicTime::Infinite();
  if (finished_) return next;
  for (const Row& row : rows_) next = std::min(next, row.view.deadline);
  if (pool_.restart.runs()) next = std::min(next, restart_deadline_);
  if (replace_not_before_.has_value() && HasReplacements()) {
    next = std::min(next, *replace_not_before_);
  }
  return next;
}

void PoolState::OnEvent(const ChangeOptions& event) {
  options_ = event.options;
  const BackoffOptions spawn_backoff = SpawnBackoffOptions(options_.backoff);
  for (Row& row : rows_) {
    row.backoff.SetOptions(options_.backoff);
    row.spawn_backoff.SetOptions(spawn_backoff);
  }
  replace_backoff_.SetOptions(spawn_backoff);
  ++pool_.generation;
  Note(PoolNote::Type::kConfigChanged, PoolNote::Severity::kInfo,
       absl::StrCat("configuration changed", By(event.actor), ": ", event.what));
}

SlotView PoolState::slot(int slot) const {
  CHECK(slot >= 0 && slot < pool_.max_workers) << slot;
  const Row* last = nullptr;
  for (const Row& row : rows_) {
    if (row.view.slot != slot) continue;
    if (Assigned(row.view)) return row.view;
    if (last == nullptr || row.view.incarnation > last->view.incarnation) last = &row;
  }
  if (last != nullptr) return last->view;
  SlotView view;
  view.slot = slot;
  view.row = -1;
  view.incarnation = history_[slot].incarnation;
  ShowHistory(view);
  return view;
}

void PoolState::ShowHistory(SlotView& view) const {
  const History& history = history_[view.slot];
  view.restarts = history.restarts;
  view.spawn_failures = history.spawn_failures;
  view.deaths = history.deaths;
  view.last_exit = history.last_exit;
}

const SlotView& PoolState::row(int row) const {
  CHECK(row >= 0 && row < rows()) << row;
  return rows_[row].view;
}

uint64_t PoolState::row_revision(int row) const {
  CHECK(row >= 0 && row < rows()) << row;
  return rows_[row].revision;
}

// ---------------------------------------------------------------------------------------------------
// Events.

PoolState::Row* PoolState::Find(int slot, uint64_t incarnation) {
  for (Row& row : rows_) {
    if (row.view.slot == slot && row.view.incarnation == incarnation) return &row;
  }
  return nullptr;
}

void PoolState::OnEvent(const PoolStart&) {
  if (started_) return;
  started_ = true;
  pool_.started_at = now_;
  Note(PoolNote::Type::kPoolStarted, PoolNote::Severity::kInfo,
       absl::StrCat("Starting ", pool_.desired, " processes"));
}

void PoolState::OnEvent(const WorkerSpawned& event) {
  Row* row = Find(event.slot, event.incarnation);
  if (row == nullptr) return;
  Transition(*row, RowEvent::kSpawned, {.pid = event.pid});
  if (failed_starts_ == 0) return;
  Note(PoolNote::Type::kWorkerStarting, PoolNote::Severity::kInfo,
       absl::StrCat("workers can be started again; attempts that failed: ", failed_starts_), row);
  failed_starts_ = 0;
  start_error_.clear();
}

void PoolState::OnEvent(const WorkerSpawnFailed& event) {
  if (Row* row = Find(event.slot, event.incarnation)) {
    Transition(*row, RowEvent::kSpawnFailed, {.error = event.error});
  }
}

void PoolState::OnEvent(const WorkerReady& event) {
  if (Row* row = Find(event.slot, event.incarnation)) Transition(*row, RowEvent::kReady);
}

void PoolState::OnEvent(const WorkerExited& event) {
  if (Row* row = Find(event.slot, event.incarnation)) {
    Transition(*row, RowEvent::kExited,
               {.status = event.status, .out_of_memory = event.out_of_memory});
  }
}

void PoolState::OnEvent(const AbortWorker& event) {
  if (Row* row = Find(event.slot, event.incarnation)) {
    Transition(*row, RowEvent::kAbort,
               {.error = event.reason, .signo = event.signo, .grace = event.grace});
  }
}

void PoolState::OnEvent(const LeaderReleased& event) {
  Row* row = Find(event.slot, event.incarnation);
  if (row == nullptr || !row->view.leader || !row->leader_revoked) return;
  row->view.leader = false;
  Touch(*row);
}

void PoolState::OnEvent(const ShutdownRequest& event) {
  started_ = true;  // Before PoolStart there is nothing to stop, and nothing to start any more.
  // Compared with what was asked for, not with what goes on: the first request during a give-up is
  // not a repeated one.
  asked_ = std::max(event.mode, Firmer(asked_));
  pool_.shutdown = std::max(pool_.shutdown, asked_);
  queued_restart_.reset();
  if (pool_.restart.runs()) EndRestart(RestartPhase::kFailed);
  NoteRequest(
      event.actor, PoolNote::Type::kShutdownRequested, PoolNote::Severity::kInfo,
      absl::StrCat("shutdown (", ToAbsl(ShutdownModeName(asked_)), ") requested", By(event.actor)));
  switch (asked_) {
    case ShutdownMode::kNone:
      return;
    case ShutdownMode::kGraceful:
      return ReleaseAll(RowEvent::kRelease);
    case ShutdownMode::kFast:
      return ReleaseAll(RowEvent::kReleaseFast);
    case ShutdownMode::kKill:
      return ReleaseAll(RowEvent::kReleaseNow);
  }
}

void PoolState::OnEvent(const PoolTick&) {}

void PoolState::ReleaseAll(RowEvent event) {
  for (Row& row : rows_) Transition(row, event);
}

// ---------------------------------------------------------------------------------------------------
// What follows from the present state.

// As they came. Of those that came together the proofs first: a successor that takes over spares its
// predecessor the next step.
void PoolState::RunDeadlines() {
  std::vector<Row*> due;
  for (Row& row : rows_) {
    if (row.view.deadline <= now_) due.push_back(&row);
  }
  const auto key = [](const Row& row) {
    return std::tuple(row.view.deadline, row.view.state != WorkerState::kReady, row.view.slot);
  };
  std::sort(due.begin(), due.end(), [&](Row* a, Row* b) { return key(*a) < key(*b); });
  for (Row* row : due) {
    if (row->view.deadline > now_ || ExtendDeadline(*row)) continue;
    Transition(*row, RowEvent::kDeadline);
  }
}

bool PoolState::ExtendDeadline(Row& row) {
  const absl::Duration late = now_ - row.view.deadline;
  if (late < kMasterWasLate || row.extended || !HasProcess(row.view.state)) return false;
  absl::Duration period;
  switch (row.view.stop_step) {
    case StopStep::kNone:
      // Proven for even longer than it had to.
      if (row.view.state == WorkerState::kReady) return false;
      period = BootTimeout(row.view.generation);
      break;
    case StopStep::kAsked:
      period = options_.drain.grace;
      break;
    case StopStep::kTermSent:
    case StopStep::kAbortSent:
      period = options_.drain.kill_after;
      break;
    case StopStep::kKillSent:
      return false;
  }
  const absl::Duration more = std::min(late, period);
  row.view.deadline = now_ + more;
  row.extended = true;
  Touch(row);
  RestartProgressed();
  Note(PoolNote::Type::kDeadlineExtended, PoolNote::Severity::kWarning,
       absl::StrCat("the master stood still for ", In(late), "; ", Name(row), " gets ", In(more),
                    " more"),
       &row, more);
  return true;
}

void PoolState::Reconcile() {
  if (pool_.shutdown != ShutdownMode::kNone) return;
  int assigned = 0;
  for (const Row& row : rows_) assigned += Assigned(row.view);
  for (; assigned > pool_.desired; --assigned) ReleaseSlot(*NextToRelease());
  // The lowest free ids. A slot whose worker still drains is not free; when no other is left, the
  // target waits for it, at most as long as the ladder.
  for (int slot = 0; slot < pool_.max_workers && assigned < pool_.desired; ++slot) {
    const bool free = std::none_of(rows_.begin(), rows_.end(), [slot](const Row& row) {
      return row.view.slot == slot && row.view.state != WorkerState::kEmpty;
    });
    if (!free) continue;
    Row* const row = RowForSlot(slot);
    if (row == nullptr) return;
    Assign(*row, slot);
    ++assigned;
  }
}

// FAILED slots first, for they serve nobody and keeping one would cost a worker that serves. Then
// the highest task ids, whatever they are doing, so that ids stay dense and low ones (programs give
// task 0 special work) stay.
PoolState::Row* PoolState::NextToRelease() {
  Row* last = nullptr;
  const auto before = [](const Row& a, const Row& b) {
    const bool failed_a = a.view.state == WorkerState::kFailed;
    const bool failed_b = b.view.state == WorkerState::kFailed;
    return failed_a != failed_b ? failed_b : a.view.slot < b.view.slot;
  };
  for (Row& row : rows_) {
    if (Assigned(row.view) && (last == nullptr || before(*last, row))) last = &row;
  }
  return last;
}

void PoolState::ReleaseSlot(Row& row) {
  if (Row* successor = SuccessorOf(row.view.slot)) {
    SetRole(*successor, RowRole::kLeaving);
    Transition(*successor, RowEvent::kRelease);
  }
  if (row.view.role == RowRole::kRefill) SetRole(row, RowRole::kHolder);
  Transition(row, RowEvent::kRelease);
}

PoolState::Row* PoolState::RowForSlot(int slot) {
  for (Row& row : rows_) {
    if (row.view.slot == slot && row.view.state == WorkerState::kEmpty) return &row;
  }
  return EmptyRow();
}

// Surge rows first: the others are where their slots will look for a place.
PoolState::Row* PoolState::EmptyRow() {
  for (auto row = rows_.rbegin(); row != rows_.rend(); ++row) {
    if (row->view.state == WorkerState::kEmpty) return &*row;
  }
  return nullptr;
}

void PoolState::Assign(Row& row, int slot) {
  row.view.slot = slot;
  Transition(row, RowEvent::kAssign);
}

// The role moves when its holder is gone, or says that it has given it up: two workers must never
// believe that they have it.
void PoolState::UpdateLeader() {
  Row* next = nullptr;
  for (Row& row : rows_) {
    const SlotView& view = row.view;
    const bool fit = view.state == WorkerState::kReady && view.stop_step == StopStep::kNone &&
                     view.role == RowRole::kHolder;
    if (view.leader) {
      if (fit || std::exchange(row.leader_revoked, true)) return;
      actions_.push_back(SetLeader{view.slot, view.incarnation, view.row, false});
      return;
    }
    if (fit && (next == nullptr || view.slot < next->view.slot)) next = &row;
  }
  if (next == nullptr || pool_.shutdown != ShutdownMode::kNone) return;
  next->view.leader = true;
  next->leader_revoked = false;
  Touch(*next);
  actions_.push_back(SetLeader{next->view.slot, next->view.incarnation, next->view.row, true});
  Note(PoolNote::Type::kLeader, PoolNote::Severity::kInfo,
       absl::StrCat(Name(*next), " is the leader"), next);
}

void PoolState::UpdatePool() {
  PoolView view = pool_;
  view.slots.fill(0);
  for (const Row& row : rows_) ++view.slots[static_cast<size_t>(row.view.state)];
  const int met = view.count(WorkerState::kReady) + view.count(WorkerState::kDone);
  if (started_ && view.shutdown == ShutdownMode::kNone && !view.restart.runs() &&
      met == view.desired && met + view.count(WorkerState::kEmpty) == rows()) {
    view.observed_generation = view.generation;
  }
  view.restart.remaining = 0;
  if (view.restart.runs()) {
    for (const Row& row : rows_) {
      view.restart.remaining += Assigned(row.view) && row.view.generation != TargetGeneration();
    }
  }
  if (view == published_) return;
  pool_ = view;
  published_ = view;
  ++revision_;
}

void PoolState::FinishIfDone() {
  const int empty = pool_.count(WorkerState::kEmpty);
  if (pool_.shutdown == ShutdownMode::kNone) {
    const int done = pool_.count(WorkerState::kDone);
    if (done == 0 || done != pool_.desired || done + empty != rows()) return;
  } else if (empty != rows()) {
    return;
  }
  finished_ = true;
  ++revision_;
  Note(PoolNote::Type::kFinished,
       exit_code_ == 0 ? PoolNote::Severity::kInfo : PoolNote::Severity::kError,
       absl::StrCat("no worker is left, exiting with status ", exit_code_));
  actions_.push_back(FinishPool{exit_code_});
}

}  // namespace squall
