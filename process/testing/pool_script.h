// A PoolState that a test drives by hand, event by event. A process is named by its slot and its
// incarnation, "1.2", and so are the actions: "spawn 1.2", "drain 1.1", "TERM 1.1", "KILL 1.1",
// "ABRT 1.1", "lead 0.1", "unlead 0.1", "finish 0".
//
//   PoolScript pool({.desired = 2});  // Both are READY.
//   EXPECT_THAT(pool.Restart(), ElementsAre("spawn 0.2"));
//   EXPECT_THAT(pool.Ready("0.2"), ElementsAre("drain 0.1", "unlead 0.1"));
//   EXPECT_EQ(pool.Show(), "0.1 DRAINING leaving g1, 0.2 READY g2, 1.1 READY g1");
//
// Every function returns what the pool wants done. Time moves only when the test says so; fork
// succeeds at once, with pid 100 · slot + incarnation, unless the test makes it fail. Jitter is off.
#ifndef SQUALL_PROCESS_TESTING_POOL_SCRIPT_H_
#define SQUALL_PROCESS_TESTING_POOL_SCRIPT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/process/exit_status.h"
#include "squall/process/pool_action.h"
#include "squall/process/pool_event.h"
#include "squall/process/pool_options.h"
#include "squall/process/pool_state.h"
#include "squall/process/pool_view.h"

namespace squall::testing {

class PoolScript {
 public:
  using Actions = std::vector<std::string>;

  enum class Begin { kReady, kStarting, kNotStarted };
  explicit PoolScript(PoolOptions options, Begin begin = Begin::kReady);

  Actions Send(const PoolEvent& event);

  Actions Ready(std::string_view worker);
  Actions Exits(std::string_view worker, const ExitStatus& status = ExitStatus::Exited(0));
  // SIGSEGV.
  Actions Crashes(std::string_view worker);
  Actions Abort(std::string_view worker, absl::Duration grace = absl::Seconds(3));
  Actions Replace(std::string_view worker);
  Actions Kill(std::string_view worker);
  Actions ReleasesLeader(std::string_view worker);
  Actions Resize(int target);
  Actions Restart(const std::optional<RestartOptions>& options = std::nullopt);
  Actions Shutdown(ShutdownMode mode = ShutdownMode::kGraceful);
  Actions Advance(absl::Duration by);
  // Without a tick.
  void Sleep(absl::Duration by) { now_ += by; }
  // To the next deadline, which must be that far away.
  Actions AdvanceToDeadline(absl::Duration after);

  // From now on.
  void ForksFail(bool fail) { forks_fail_ = fail; }

  const PoolState& pool() const { return pool_; }
  const PoolView& view() const { return pool_.pool(); }
  const RestartView& restart() const { return pool_.pool().restart; }
  MonotonicTime now() const { return now_; }
  // The last answers.
  const ResizeResult& resize_result() const { return resize_result_; }
  const RestartResult& restart_result() const { return restart_result_; }

  // All rows but the empty ones by slot and incarnation, each with its state, its role when it is
  // not the slot's holder, and its generation.
  std::string Show() const;
  // The texts of the notes of this type that came with the last event, and whether there was one.
  std::vector<std::string> Notes(PoolNote::Type type) const;
  bool Noted(PoolNote::Type type) const { return !Notes(type).empty(); }

 private:
  struct Worker {
    int slot;
    uint64_t incarnation;
  };
  static Worker Parse(std::string_view worker);

  void Step(const PoolEvent& event, Actions& actions);
  void Take(const PoolAction& action, Actions& actions);

  PoolState pool_;
  MonotonicTime now_;
  bool forks_fail_ = false;
  std::vector<PoolEvent> forks_;  // To be told.
  std::vector<PoolNote> notes_;
  ResizeResult resize_result_;
  RestartResult restart_result_;
};

}  // namespace squall::testing

#endif  // SQUALL_PROCESS_TESTING_POOL_SCRIPT_H_
