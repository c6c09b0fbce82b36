#include "squall/process/testing/pool_fingerprint.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/numeric/int128.h"
#include "squall/base/logging.h"
#include "squall/process/pool_options.h"
#include "squall/process/pool_view.h"
#include "squall/process/worker_state.h"

namespace squall::testing {

uint64_t PoolFingerprint::Of(const PoolModel& model) {
  const BackoffOptions& backoff = model.options().backoff;
  CHECK(backoff.jitter == 0 && backoff.initial == backoff.max);
  return PoolFingerprint(model).Pool();
}

// A multiplication to 128 bits, folded, as in wyhash.
void PoolFingerprint::Add(uint64_t value) {
  const absl::uint128 product =
      absl::uint128(hash_ ^ 0x9e3779b97f4a7c15) * absl::uint128(value ^ 0xbf58476d1ce4e5b9);
  hash_ = absl::Uint128Low64(product) ^ absl::Uint128High64(product);
}

void PoolFingerprint::AddFuture(MonotonicTime time) {
  Add(time.is_infinite() ? ~uint64_t{0} : static_cast<uint64_t>(time.nanos() - pool_.now_.nanos()));
}

void PoolFingerprint::AddPast(MonotonicTime time, absl::Duration cap) {
  const absl::Duration age = std::min(pool_.now_ - time, cap);
  Add(time.is_infinite() ? ~uint64_t{0} : static_cast<uint64_t>(absl::ToInt64Nanoseconds(age)));
}

void PoolFingerprint::AddGeneration(uint64_t generation) {
  const auto older = std::lower_bound(generations_.begin(), generations_.end(), generation);
  Add(static_cast<uint64_t>(older - generations_.begin()));
}

uint64_t PoolFingerprint::Pool() {
  const RestartView& restart = pool_.pool_.restart;
  for (const PoolState::Row& row : pool_.rows_) {
    if (row.view.state != WorkerState::kEmpty) generations_.push_back(row.view.generation);
  }
  generations_.push_back(pool_.pool_.worker_generation);
  if (restart.runs()) generations_.push_back(restart.generation);
  std::sort(generations_.begin(), generations_.end());
  generations_.erase(std::unique(generations_.begin(), generations_.end()), generations_.end());

  std::vector<uint64_t> rows;
  for (const PoolState::Row& row : pool_.rows_) {
    if (row.view.state != WorkerState::kEmpty) rows.push_back(Row(row));
  }
  std::sort(rows.begin(), rows.end());
  hash_ = 0;
  for (uint64_t row : rows) Add(row);

  Add(static_cast<uint64_t>(pool_.pool_.desired));
  Add(static_cast<uint64_t>(pool_.pool_.shutdown));
  Add(static_cast<uint64_t>(pool_.asked_));
  Add(pool_.started_);
  Add(pool_.finished_);
  Add(static_cast<uint64_t>(pool_.exit_code_));
  AddGeneration(pool_.pool_.worker_generation);
  Add(restart.runs());
  if (restart.runs()) {
    Add(static_cast<uint64_t>(restart.phase));
    AddGeneration(restart.generation);
    if (restart.phase == RestartPhase::kRunning) Add(static_cast<uint64_t>(restart.failures));
    AddRestartOptions(pool_.restart_);
    AddFuture(pool_.restart_deadline_);
    Add(pool_.restart_extended_);
    Add(static_cast<uint64_t>(pool_.restart_left_));
    Add(pool_.queued_restart_.has_value());
    if (pool_.queued_restart_.has_value()) {
      AddRestartOptions(pool_.queued_restart_->options.value_or(pool_.options_.restart));
    }
  }
  if (pool_.replace_not_before_.has_value() && *pool_.replace_not_before_ > pool_.now_) {
    AddFuture(*pool_.replace_not_before_);
  }
  if (pool_.options_.max_restarts.has_value()) Add(pool_.pool_.restarts);
  return hash_;
}

uint64_t PoolFingerprint::Row(const PoolState::Row& row) {
  const SlotView& view = row.view;
  const PoolOptions& options = pool_.options_;
  hash_ = 0;
  Add(static_cast<uint64_t>(view.slot));
  Add(static_cast<uint64_t>(view.role));
  Add(static_cast<uint64_t>(view.state));
  Add(static_cast<uint64_t>(view.stop_step));
  AddGeneration(view.generation);
  Add(model_.HasFailed(view.generation));
  Add(view.pid != 0);
  AddFuture(view.deadline);
  if (view.state == WorkerState::kReady) AddPast(view.ready_at, options.backoff.healthy_after);
  Add(view.on_trial);
  Add(view.leader);
  Add(row.leader_revoked);
  Add(row.extended);
  Add(row.soaking);
  Add(!row.replace_reason.empty());
  // The first delay is none, every further one the same.
  Add(static_cast<uint64_t>(std::min(row.backoff.failures(), 1)));
  for (const MonotonicTime death : row.deaths) {
    if (pool_.now_ - death <= options.breaker.window) AddPast(death, options.breaker.window);
  }
  if (HasProcess(view.state)) AddProcess(view.slot, view.incarnation);
  return hash_;
}

void PoolFingerprint::AddProcess(int slot, uint64_t incarnation) {
  const auto process = std::find_if(
      model_.processes().begin(), model_.processes().end(), [&](const ModelProcess& candidate) {
        return candidate.slot == slot && candidate.incarnation == incarnation;
      });
  CHECK(process != model_.processes().end()) << "slot " << slot << ", incarnation " << incarnation;
  const DrainOptions& drain = model_.options().drain;
  Add(static_cast<uint64_t>(process->life));
  Add(process->spawn_told);
  Add(process->ready_told);
  Add(process->kill_requested);
  Add(process->replace_wanted);
  Add(process->leader);
  Add(process->leader_revoked);
  if (!process->ready_told) AddFuture(std::max(process->boot_end, pool_.now_));
  AddPast(process->drained, drain.grace);
  AddPast(process->term, drain.kill_after);
  AddPast(process->kill, drain.kill_after);
  AddPast(process->abort, PoolModel::kAbortGrace);
}

void PoolFingerprint::AddRestartOptions(const RestartOptions& options) {
  Add(static_cast<uint64_t>(options.max_surge.value_or(-1)));
  Add(static_cast<uint64_t>(options.max_unavailable));
  Add(static_cast<uint64_t>(options.max_failures));
  Add(static_cast<uint64_t>(options.on_failure));
  Add(static_cast<uint64_t>(options.min_healthy.value_or(-1)));
  Add(static_cast<uint64_t>(absl::ToInt64Nanoseconds(options.soak)));
  Add(static_cast<uint64_t>(
      absl::ToInt64Nanoseconds(options.ready_timeout.value_or(absl::ZeroDuration()))));
}

}  // namespace squall::testing
