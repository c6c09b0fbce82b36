#include "squall/process/pool_state.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/base/string_view.h"

namespace squall {
namespace {

// AIP-155: long enough for every client's retries.
constexpr absl::Duration kRequestMemory = absl::Minutes(10);
constexpr size_t kMaxRemembered = 16384;

// A deadline overdue by more than this was not missed by the worker but by the master itself
// (SIGSTOP, a frozen cgroup, a starved machine), and the worker most likely stood still with it.
constexpr absl::Duration kMasterWasLate = absl::Seconds(5);

// Forks fail because the machine is full, which ends sooner than a bug in a worker does.
constexpr absl::Duration kMaxSpawnBackoff = absl::Seconds(10);

BackoffOptions SpawnBackoffOptions(BackoffOptions options) {
  options.max = std::max(options.initial, std::min(options.max, kMaxSpawnBackoff));
  return options;
}

// A slot that counts towards the target.
bool Assigned(WorkerState state) {
  return state != WorkerState::kEmpty && state != WorkerState::kDraining;
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

std::string By(const std::string& actor) {
  return actor.empty() ? std::string() : absl::StrCat(" by ", actor);
}

}  // namespace

PoolState::PoolState(const PoolOptions& options, uint64_t seed)
    : options_(options), random_(static_cast<std::minstd_rand::result_type>(seed ^ (seed >> 32))) {
  const absl::Status valid = Validate(options);
  CHECK(valid.ok()) << valid.message();
  pool_.desired = options.desired;
  pool_.max_workers = options.max_workers;
  pool_.generation = 1;
  slots_.reserve(options.max_workers);
  for (int i = 0; i < options.max_workers; ++i) {
    Slot& slot = slots_.emplace_back(Slot{
        .backoff = Backoff(options.backoff),
        .spawn_backoff = Backoff(SpawnBackoffOptions(options.backoff), Backoff::First::kInitial)});
    slot.view.slot = i;
    slot.view.row = i;
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
    UpdatePool();
    FinishIfDone();
  }
  return std::exchange(actions_, {});
}

MonotonicTime PoolState::next_deadline() const {
  MonotonicTime next = MonotonicTime::Infinite();
  if (finished_) return next;
  for (const Slot& slot : slots_) next = std::min(next, slot.view.deadline);
  return next;
}

SlotView PoolState::slot(int slot) const {
  CHECK(slot >= 0 && slot < static_cast<int>(slots_.size())) << slot;
  return slots_[slot].view;
}

uint64_t PoolState::slot_revision(int slot) const {
  CHECK(slot >= 0 && slot < static_cast<int>(slots_.size())) << slot;
  return slots_[slot].revision;
}

// ---------------------------------------------------------------------------------------------------
// Events.

PoolState::Slot* PoolState::Find(int slot, uint64_t incarnation) {
  if (slot < 0 || slot >= static_cast<int>(slots_.size())) return nullptr;
  return slots_[slot].view.incarnation == incarnation ? &slots_[slot] : nullptr;
}

void PoolState::OnEvent(const PoolStart&) {
  if (started_) return;
  started_ = true;
  pool_.started_at = now_;
  Note(PoolNote::Type::kPoolStarted, PoolNote::Severity::kInfo,
       absl::StrCat("Starting ", pool_.desired, " processes"));
}

void PoolState::OnEvent(const WorkerSpawned& event) {
  if (Slot* slot = Find(event.slot, event.incarnation)) {
    Transition(*slot, SlotEvent::kSpawned, {.pid = event.pid});
  }
}

void PoolState::OnEvent(const WorkerSpawnFailed& event) {
  if (Slot* slot = Find(event.slot, event.incarnation)) {
    Transition(*slot, SlotEvent::kSpawnFailed, {.error = event.error});
  }
}

void PoolState::OnEvent(const WorkerReady& event) {
  if (Slot* slot = Find(event.slot, event.incarnation)) Transition(*slot, SlotEvent::kReady);
}

void PoolState::OnEvent(const WorkerExited& event) {
  if (Slot* slot = Find(event.slot, event.incarnation)) {
    Transition(*slot, SlotEvent::kExited, {.status = event.status});
  }
}

void PoolState::OnEvent(const ResizeRequest& event) {
  ResizeResult result = Resize(event);
  if (result.code != absl::StatusCode::kOk) {
    Note(PoolNote::Type::kResizeRefused, PoolNote::Severity::kWarning,
         absl::StrCat("resize to ", event.target, By(event.actor), " refused: ", result.message));
  }
  actions_.push_back(std::move(result));
}

void PoolState::OnEvent(const ResizeBy& event) {
  int64_t target = static_cast<int64_t>(pool_.desired) + event.delta;
  target = std::clamp<int64_t>(target, 1, pool_.max_workers);
  // A pool that was resized to 0 does not grow by "one less".
  if (event.delta < 0) target = std::min<int64_t>(target, pool_.desired);
  OnEvent(ResizeRequest{.target = static_cast<int>(target), .actor = event.actor});
}

void PoolState::OnEvent(const ShutdownRequest& event) {
  started_ = true;  // Before PoolStart there is nothing to stop, and nothing to start any more.
  // Compared with what was asked for, not with what goes on: the first request during a give-up is
  // not a repeated one.
  asked_ = std::max(event.mode, Firmer(asked_));
  pool_.shutdown = std::max(pool_.shutdown, asked_);
  Note(
      PoolNote::Type::kShutdownRequested, PoolNote::Severity::kInfo,
      absl::StrCat("shutdown (", ToAbsl(ShutdownModeName(asked_)), ") requested", By(event.actor)));
  switch (asked_) {
    case ShutdownMode::kNone:
      return;
    case ShutdownMode::kGraceful:
      return ReleaseAll(SlotEvent::kRelease);
    case ShutdownMode::kFast:
      return ReleaseAll(SlotEvent::kReleaseFast);
    case ShutdownMode::kKill:
      return ReleaseAll(SlotEvent::kReleaseNow);
  }
}

void PoolState::OnEvent(const PoolTick&) {}

ResizeResult PoolState::Resize(const ResizeRequest& request) {
  ResizeResult result{
      .generation = pool_.generation, .desired = pool_.desired, .max_workers = pool_.max_workers};
  const auto refuse = [&](absl::StatusCode code, ResizeReason reason, std::string message) {
    result.code = code;
    result.reason = reason;
    result.message = std::move(message);
    return result;
  };

  if (request.request_id.size() > kMaxRequestId) {
    return refuse(absl::StatusCode::kInvalidArgument, ResizeReason::kRequestIdTooLong,
                  absl::StrCat("the request id has ", request.request_id.size(),
                               " bytes; it may have at most ", kMaxRequestId));
  }
  ForgetOldRequests();
  if (const auto it = requests_.find(request.request_id);
      !request.request_id.empty() && it != requests_.end()) {
    if (it->second.target != request.target) {
      return refuse(absl::StatusCode::kInvalidArgument, ResizeReason::kRequestIdReused,
                    absl::StrCat("the request id ", request.request_id, " was used to resize to ",
                                 it->second.target, ", it cannot be used again to resize to ",
                                 request.target));
    }
    result = it->second.result;
    result.replayed = true;
    return result;
  }
  if (!started_) {
    return refuse(absl::StatusCode::kFailedPrecondition, ResizeReason::kNotStarted,
                  "the pool has not started yet");
  }
  if (pool_.shutdown != ShutdownMode::kNone) {
    return refuse(absl::StatusCode::kFailedPrecondition, ResizeReason::kShuttingDown,
                  "the pool is shutting down");
  }
  if (request.target < 0) {
    return refuse(
        absl::StatusCode::kInvalidArgument, ResizeReason::kNegativeTarget,
        absl::StrCat("the number of workers must not be negative, it was ", request.target));
  }
  if (request.target > pool_.max_workers) {
    return refuse(absl::StatusCode::kFailedPrecondition, ResizeReason::kSlotCapacity,
                  absl::StrCat("this pool can have at most ", pool_.max_workers,
                               " workers (max_workers, fixed at its start), ", request.target,
                               " were asked for"));
  }
  if (request.expected_generation.has_value() && *request.expected_generation != pool_.generation) {
    return refuse(absl::StatusCode::kAborted, ResizeReason::kStaleGeneration,
                  absl::StrCat("the pool is at generation ", pool_.generation, " now, not at ",
                               *request.expected_generation, "; read it and decide again"));
  }
  if (!request.request_id.empty() && requests_.size() >= kMaxRemembered) {
    return refuse(
        absl::StatusCode::kResourceExhausted, ResizeReason::kTooManyRequestIds,
        absl::StrCat("there were ", kMaxRemembered, " resizes with a request id in the last ",
                     In(kRequestMemory), "; try again later"));
  }

  result.desired = request.target;
  if (request.validate_only) return result;
  const int before = pool_.desired;
  SetTarget(request.target);
  result.generation = pool_.generation;
  Note(PoolNote::Type::kResizeAccepted, PoolNote::Severity::kInfo,
       absl::StrCat("resize from ", before, " to ", request.target, By(request.actor),
                    " accepted, generation ", pool_.generation));
  if (!request.request_id.empty()) {
    requests_.emplace(request.request_id, RememberedRequest{result, request.target, now_});
    request_order_.push_back(request.request_id);
  }
  return result;
}

void PoolState::ForgetOldRequests() {
  while (!request_order_.empty()) {
    const auto it = requests_.find(request_order_.front());
    if (now_ - it->second.at <= kRequestMemory) return;
    requests_.erase(it);
    request_order_.pop_front();
  }
}

void PoolState::SetTarget(int target) {
  if (target != pool_.desired) {
    pool_.desired = target;
    ++pool_.generation;
  }
  // Whoever asks for `target` workers wants living ones.
  for (Slot& slot : slots_) {
    if (slot.view.state == WorkerState::kDone) Transition(slot, SlotEvent::kRelease);
  }
}

void PoolState::ReleaseAll(SlotEvent event) {
  for (Slot& slot : slots_) Transition(slot, event);
}

// ---------------------------------------------------------------------------------------------------
// What follows from the present state.

void PoolState::RunDeadlines() {
  for (Slot& slot : slots_) {
    if (slot.view.deadline > now_ || ExtendDeadline(slot)) continue;
    Transition(slot, SlotEvent::kDeadline);
  }
}

bool PoolState::ExtendDeadline(Slot& slot) {
  const absl::Duration late = now_ - slot.view.deadline;
  if (late < kMasterWasLate || slot.extended || !HasProcess(slot.view.state)) return false;
  absl::Duration period;
  switch (slot.view.stop_step) {
    case StopStep::kNone:
      if (slot.view.state == WorkerState::kReady) return false;
      period = options_.boot_timeout;
      break;
    case StopStep::kAsked:
      period = options_.drain.grace;
      break;
    case StopStep::kTermSent:
      period = options_.drain.kill_after;
      break;
    case StopStep::kKillSent:
      return false;
  }
  const absl::Duration more = std::min(late, period);
  slot.view.deadline = now_ + more;
  slot.extended = true;
  Touch(slot);
  Note(PoolNote::Type::kDeadlineExtended, PoolNote::Severity::kWarning,
       absl::StrCat("the master stood still for ", In(late), "; ", Name(slot), " gets ", In(more),
                    " more"),
       &slot, more);
  return true;
}

void PoolState::Reconcile() {
  if (pool_.shutdown != ShutdownMode::kNone) return;
  int assigned = 0;
  for (const Slot& slot : slots_) assigned += Assigned(slot.view.state);
  for (; assigned > pool_.desired; --assigned) Transition(*NextToRelease(), SlotEvent::kRelease);
  // The lowest free ids. A slot whose worker still drains is not free; when no other is left, the
  // target waits for it, at most as long as the ladder.
  for (Slot& slot : slots_) {
    if (assigned >= pool_.desired) break;
    if (slot.view.state != WorkerState::kEmpty) continue;
    Transition(slot, SlotEvent::kAssign);
    ++assigned;
  }
}

// FAILED slots first, for they serve nobody and keeping one would cost a worker that serves. Then
// the highest task ids, whatever they are doing, so that ids stay dense and low ones (programs give
// task 0 special work) stay.
PoolState::Slot* PoolState::NextToRelease() {
  Slot* last = nullptr;
  Slot* last_failed = nullptr;
  for (Slot& slot : slots_) {
    if (Assigned(slot.view.state)) last = &slot;
    if (slot.view.state == WorkerState::kFailed) last_failed = &slot;
  }
  return last_failed != nullptr ? last_failed : last;
}

void PoolState::UpdatePool() {
  PoolView view = pool_;
  view.slots.fill(0);
  for (const Slot& slot : slots_) ++view.slots[static_cast<size_t>(slot.view.state)];
  const int met = view.count(WorkerState::kReady) + view.count(WorkerState::kDone);
  if (started_ && view.shutdown == ShutdownMode::kNone && met == view.desired &&
      met + view.count(WorkerState::kEmpty) == view.max_workers) {
    view.observed_generation = view.generation;
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
    if (done == 0 || done != pool_.desired || done + empty != pool_.max_workers) return;
  } else if (empty != pool_.max_workers) {
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
