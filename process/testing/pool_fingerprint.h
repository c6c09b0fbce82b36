// A number that two pools of a PoolModel share when they behave alike from now on, so that a search
// through all orders of events need not go through the same state twice.
//
//   if (!seen.insert(PoolFingerprint::Of(model)).second) return;
//
// Left out is what only people see: totals, pids, incarnations, texts, points in time as such. Times
// count relative to now and no longer than they matter, generations by their order, and rows have no
// numbers. All that PoolState reads to decide is in it; whoever adds a member there adds it here.
// A search that compares what follows from two states with one fingerprint finds what was forgotten.
#ifndef SQUALL_PROCESS_TESTING_POOL_FINGERPRINT_H_
#define SQUALL_PROCESS_TESTING_POOL_FINGERPRINT_H_

#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/process/pool_state.h"
#include "squall/process/restart_options.h"
#include "squall/process/testing/pool_model.h"

namespace squall::testing {

class PoolFingerprint {
 public:
  // The model's options must have constant delays: no jitter, and backoff.initial = backoff.max.
  static uint64_t Of(const PoolModel& model);

 private:
  explicit PoolFingerprint(const PoolModel& model) : model_(model), pool_(model.pool()) {}

  uint64_t Pool();
  uint64_t Row(const PoolState::Row& row);
  void AddProcess(int slot, uint64_t incarnation);
  void AddRestartOptions(const RestartOptions& options);

  void Add(uint64_t value);
  // How long until `time`.
  void AddFuture(MonotonicTime time);
  // How long ago `time` was, at most `cap`.
  void AddPast(MonotonicTime time, absl::Duration cap);
  // How many generations are older.
  void AddGeneration(uint64_t generation);

  const PoolModel& model_;
  const PoolState& pool_;
  std::vector<uint64_t> generations_;  // That matter, the oldest first.
  uint64_t hash_ = 0;
};

}  // namespace squall::testing

#endif  // SQUALL_PROCESS_TESTING_POOL_FINGERPRINT_H_
