// Random orders of events against a small model of the kernel: processes that obey, ignore, crash
// or hang; messages that come late, twice, in another order or not at all; a clock that jumps.
//
// A failure prints the seed of its sequence. SQUALL_SEED=n runs from that seed, SQUALL_SEQUENCES=1
// only one:   bazel test //process:pool_state_random_test --test_env=SQUALL_SEED=17
// --test_env=SQUALL_SEQUENCES=1
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/process/pool_state.h"

namespace squall {
namespace {

constexpr int kDefaultSequences = 100'000;
constexpr int kEventsPerSequence = 40;

int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* text = std::getenv(name);
  int64_t value;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

// One process of the model.
struct Process {
  int slot = 0;
  int row = 0;
  uint64_t incarnation = 0;
  pid_t pid = 0;
  bool exists = false;  // fork succeeded
  bool alive = false;
  ExitStatus status;
  bool heeds_drain = true;
  bool heeds_term = true;
  // What the core did with it, as the adapter saw it.
  MonotonicTime spawned;
  MonotonicTime drained = MonotonicTime::Infinite();
  MonotonicTime term = MonotonicTime::Infinite();
  MonotonicTime kill = MonotonicTime::Infinite();
  MonotonicTime abort = MonotonicTime::Infinite();
  bool kill_asked = false;  // By an operator.
  bool leader = false;      // What it believes.
  bool ready_told = false;  // The core got its READY.
  bool exit_told = false;   // The core got its exit.
};

class Model {
 public:
  explicit Model(uint64_t seed) : random_(seed), options_(RandomOptions()), pool_(options_, seed) {
    now_ = MonotonicTime() + absl::Hours(1);
  }

  // An error, or "" when all invariants held and the end was reached.
  std::string Run() {
    Send(PoolStart{});
    for (int i = 0; i < kEventsPerSequence && error_.empty(); ++i) RandomEvent();
    if (error_.empty()) Converge();
    return error_;
  }

  // The kinds of transitions that happened.
  const std::set<PoolNote::Type>& seen() const { return seen_; }

 private:
  using Key = std::pair<int, uint64_t>;

  int Below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  bool Chance(int percent) { return Below(100) < percent; }

  PoolOptions RandomOptions() {
    PoolOptions options;
    options.max_workers = 1 + Below(5);
    options.desired = Below(options.max_workers + 1);
    options.breaker.deaths = Below(4);
    if (Chance(20)) options.max_restarts = Below(6);
    if (Chance(10)) options.drain.grace = absl::ZeroDuration();
    if (Chance(20)) options.backoff.healthy_after = absl::ZeroDuration();
    options.surge_slots = Below(3);
    options.restart = RandomRestart(options.surge_slots);
    return options;
  }

  RestartOptions RandomRestart(int surge_slots) {
    RestartOptions restart;
    restart.max_surge = Below(3);
    restart.max_unavailable = Below(2);
    if (restart.max_surge == 0 || surge_slots == 0) restart.max_unavailable = 1;
    if (Chance(50)) restart.soak = absl::Seconds(Below(10));
    if (Chance(50)) restart.ready_timeout = absl::Seconds(1 + Below(20));
    if (Chance(30)) restart.min_healthy = Below(4);
    restart.max_failures = 1 + Below(3);
    if (Chance(30)) restart.on_failure = OnRestartFailure::kPause;
    return restart;
  }

  void Fail(const std::string& what) {
    if (error_.empty()) error_ = what;
  }

  void RandomEvent() {
    switch (Below(20)) {
      case 0:
        return SendResize();
      case 1:
        return Send(ResizeBy{.delta = Chance(50) ? 1 : -1});
      case 2:
        if (Chance(12)) SendShutdown(Chance(50) ? ShutdownMode::kGraceful : ShutdownMode::kFast);
        return;
      case 3:
        // Also far over every deadline: a suspended master.
        now_ += absl::Seconds(Chance(20) ? Below(1000) : Below(20));
        return Send(PoolTick{});
      case 4:
        if (!pool_.next_deadline().is_infinite()) now_ = std::max(now_, pool_.next_deadline());
        return Send(PoolTick{});
      case 5:
        return Deliver(/*lose_percent=*/20, /*duplicate_percent=*/20);
      case 6:
        // Nonsense: other incarnations, slots that do not exist.
        return Send(WorkerExited{Below(8) - 1, static_cast<uint64_t>(Below(3)) + 1000,
                                 ExitStatus::Killed(SIGKILL)});
      case 7:
        return SendStale();
      case 8:
      case 9:
        return Crash();
      case 10:
        now_ += absl::Milliseconds(Below(200));
        return Send(PoolTick{});
      case 11:
        replaced_ = true;
        return Send(RestartRequest{.options = Chance(50) ? std::optional<RestartOptions>()
                                                         : RandomRestart(options_.surge_slots)});
      case 12:
        return SendToSome();
      default:
        return Deliver(2, 5);
    }
  }

  // What the watchdog, the recycler and the operator do to one worker.
  void SendToSome() {
    for (auto& [key, process] : processes_) {
      if (!Chance(30)) continue;
      switch (Below(3)) {
        case 0:
          replaced_ = true;
          return Send(ReplaceWorker{process.slot, process.incarnation, "old"});
        case 1:
          replaced_ = true;
          process.kill_asked = RowOf(process.slot, process.incarnation) != nullptr;
          return Send(KillWorker{process.slot, process.incarnation, "operator"});
        default:
          return Send(
              AbortWorker{process.slot, process.incarnation, SIGABRT, absl::Seconds(3), "stalled"});
      }
    }
  }

  const SlotView* RowOf(int slot, uint64_t incarnation) {
    for (int i = 0; i < pool_.rows(); ++i) {
      const SlotView& row = pool_.row(i);
      if (row.slot == slot && row.incarnation == incarnation && HasProcess(row.state)) return &row;
    }
    return nullptr;
  }

  void SendResize() {
    ResizeRequest request{.target = Below(options_.max_workers + 3) - 1};
    if (Chance(30)) request.expected_generation = pool_.pool().generation + Below(2);
    if (Chance(30)) request.request_id = std::string(1, static_cast<char>('a' + Below(3)));
    request.validate_only = Chance(10);
    Send(request);
  }

  void SendShutdown(ShutdownMode mode) {
    ++shutdowns_;
    // The third request, or the second when the first was a fast one, kills.
    if (fast_) kill_asked_ = true;
    if (mode == ShutdownMode::kFast || shutdowns_ > 1) fast_ = true;
    Send(ShutdownRequest{.mode = mode});
  }

  // An event of an earlier incarnation, again.
  void SendStale() {
    if (processes_.empty()) return;
    auto it = processes_.begin();
    std::advance(it, Below(static_cast<int>(processes_.size())));
    const Process& process = it->second;
    if (RowOf(process.slot, process.incarnation) != nullptr) return;
    switch (Below(3)) {
      case 0:
        return Send(WorkerReady{process.slot, process.incarnation});
      case 1:
        return Send(WorkerExited{process.slot, process.incarnation, ExitStatus::Exited(3)});
      default:
        return Send(WorkerSpawned{process.slot, process.incarnation, process.pid});
    }
  }

  void Crash() {
    for (auto& [key, process] : processes_) {
      if (process.alive && Chance(40)) {
        return Die(process, Chance(25)   ? ExitStatus::Exited(0)
                            : Chance(50) ? ExitStatus::Exited(3)
                                         : ExitStatus::Killed(SIGSEGV));
      }
    }
  }

  void Die(Process& process, ExitStatus status) {
    process.alive = false;
    process.leader = false;
    process.status = status;
    pending_.push_back(WorkerExited{process.slot, process.incarnation, status});
  }

  // One of the messages on their way.
  void Deliver(int lose_percent, int duplicate_percent) {
    if (pending_.empty()) return;
    const size_t i = static_cast<size_t>(Below(static_cast<int>(pending_.size())));
    const PoolEvent event = pending_[i];
    if (const auto* released = std::get_if<LeaderReleased>(&event)) {
      Find(released->slot, released->incarnation)->leader = false;
    }
    // A pidfd stays readable and fork returns: only a READY can be lost for good.
    if (std::holds_alternative<WorkerReady>(event) && Chance(lose_percent)) {
      pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(i));
      return;
    }
    if (!Chance(duplicate_percent)) {
      pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    Send(event);
  }

  void Send(const PoolEvent& event) {
    if (!error_.empty()) return;
    const PoolView before = pool_.pool();
    const bool was_finished = pool_.finished();
    if (trace_) std::cerr << "event " << event.index() << "\n";
    Expect(event);
    std::vector<WorkerState> states;
    for (int i = 0; i < pool_.rows(); ++i) states.push_back(pool_.row(i).state);
    const std::vector<PoolAction> actions = pool_.Step(event, now_);
    if (was_finished && !actions.empty()) return Fail("actions after FinishPool");
    int results = 0;
    int restarts = 0;
    for (const PoolAction& action : actions) {
      if (finished_) Fail("an action after FinishPool");
      if (std::holds_alternative<ResizeResult>(action)) ++results;
      if (std::holds_alternative<RestartResult>(action)) ++restarts;
      std::visit([this](const auto& a) { Perform(a); }, action);
    }
    const bool resize =
        std::holds_alternative<ResizeRequest>(event) || std::holds_alternative<ResizeBy>(event);
    if (!was_finished && results != (resize ? 1 : 0)) Fail("not exactly one ResizeResult");
    const bool restart = std::holds_alternative<RestartRequest>(event);
    if (!was_finished && restarts != (restart ? 1 : 0)) Fail("not exactly one RestartResult");
    const bool may_release =
        resize || replaced_ || gave_up_ || std::holds_alternative<ShutdownRequest>(event);
    for (int i = 0; i < pool_.rows(); ++i) {
      if (pool_.row(i).state == WorkerState::kDraining &&
          states[static_cast<size_t>(i)] != WorkerState::kDraining && !may_release) {
        Fail("a worker was stopped without a request");
      }
    }
    if (const auto* request = std::get_if<ResizeRequest>(&event)) {
      CheckResize(*request, before, actions);
    }
    Check(before);
  }

  // What the event must do to the count of crashes.
  void Expect(const PoolEvent& event) {
    if (const auto* ready = std::get_if<WorkerReady>(&event)) {
      if (Process* process = Find(ready->slot, ready->incarnation)) process->ready_told = true;
    }
    const auto* exited = std::get_if<WorkerExited>(&event);
    if (exited == nullptr || pool_.finished()) return;
    Process* process = Find(exited->slot, exited->incarnation);
    if (process == nullptr || !process->exists || process->exit_told) return;
    process->exit_told = true;
    // A worker that was released while it was being killed for its boot timeout gets no action
    // more.
    const SlotView* row = RowOf(exited->slot, exited->incarnation);
    const bool released = row == nullptr || row->state == WorkerState::kDraining;
    const bool requested = released || !process->drained.is_infinite() ||
                           !process->term.is_infinite() || process->kill_asked || fast_ ||
                           shutdowns_ > 0 || gave_up_;
    if (!requested && (!exited->status.success() || !process->abort.is_infinite())) {
      ++crashes_;
      if (options_.max_restarts.has_value() && crashes_ > *options_.max_restarts) gave_up_ = true;
    }
  }

  void CheckResize(const ResizeRequest& request, const PoolView& before,
                   const std::vector<PoolAction>& actions) {
    for (const PoolAction& action : actions) {
      const auto* result = std::get_if<ResizeResult>(&action);
      if (result == nullptr) continue;
      if (result->code != absl::StatusCode::kOk) {
        if (result->message.empty()) Fail("a refusal without words");
        if (pool_.pool().desired != before.desired) Fail("a refused resize changed the target");
        return;
      }
      if (result->replayed || request.validate_only) {
        if (result->generation > before.generation) Fail("a replay made a generation");
        if (pool_.pool().desired != before.desired) Fail("a replay changed the target");
        return;
      }
      if (pool_.pool().desired != request.target) Fail("the accepted target was not taken");
      const uint64_t bump = request.target == before.desired ? 0 : 1;
      if (result->generation != before.generation + bump) Fail("wrong generation");
    }
  }

  Process* Find(int slot, uint64_t incarnation) {
    const auto it = processes_.find({slot, incarnation});
    return it == processes_.end() ? nullptr : &it->second;
  }

  void Perform(const SpawnWorker& spawn) {
    const SlotView& row = pool_.row(spawn.row);
    int alive = 0;
    int in_slot = 0;
    for (const auto& [key, process] : processes_) {
      if (!process.alive) continue;
      ++alive;
      if (process.row == spawn.row) Fail("two live processes in a row");
      if (key.first != spawn.slot) continue;
      ++in_slot;
      const SlotView* other = RowOf(process.slot, process.incarnation);
      const bool leaving = other != nullptr && other->role == RowRole::kLeaving;
      if (!leaving && row.role != RowRole::kSuccessor) Fail("two live processes in a slot");
    }
    if (in_slot > 1) Fail("three live processes in a slot");
    if (alive >= options_.max_workers + options_.surge_slots) Fail("more processes than rows");
    if (row.slot != spawn.slot || row.generation != spawn.generation) Fail("another row's start");
    if (shutdowns_ > 0 || gave_up_) Fail("a start during a shutdown");
    uint64_t& last = incarnations_[spawn.slot];
    if (spawn.incarnation <= last) Fail("an incarnation that does not grow");
    last = spawn.incarnation;

    Process process;
    process.slot = spawn.slot;
    process.row = spawn.row;
    process.incarnation = spawn.incarnation;
    process.spawned = now_;
    if (faults_ && Chance(15)) {
      pending_.push_back(WorkerSpawnFailed{spawn.slot, spawn.incarnation, "fork: EAGAIN"});
    } else {
      process.exists = process.alive = true;
      process.pid = ++last_pid_;
      process.heeds_drain = !faults_ || Chance(60);
      process.heeds_term = !faults_ || Chance(60);
      pending_.push_back(WorkerSpawned{spawn.slot, spawn.incarnation, process.pid});
      if (!faults_ || Chance(70)) {
        pending_.push_back(WorkerReady{spawn.slot, spawn.incarnation});
      }
    }
    processes_[{spawn.slot, spawn.incarnation}] = process;
  }

  void Perform(const DrainWorker& drain) {
    Process* process = Find(drain.slot, drain.incarnation);
    if (process == nullptr) return Fail("a drain for nobody");
    if (!process->drained.is_infinite()) Fail("asked to drain twice");
    process->drained = now_;
    if (process->alive && process->heeds_drain) Die(*process, ExitStatus::Exited(Below(2)));
  }

  void Perform(const SignalWorker& signal) {
    Process* process = Find(signal.slot, signal.incarnation);
    if (process == nullptr) return Fail("a signal for nobody");
    if (signal.signo == SIGTERM) {
      if (!process->term.is_infinite()) Fail("TERM twice");
      const bool over =
          !process->drained.is_infinite() && now_ - process->drained >= options_.drain.grace;
      if (!over && !fast_ && !gave_up_) Fail("TERM before the grace period was over");
      process->term = now_;
    } else if (signal.signo == SIGABRT) {
      if (!process->abort.is_infinite()) Fail("ABRT twice");
      process->abort = now_;
    } else {
      const bool hung = !process->abort.is_infinite() && now_ - process->abort >= absl::Seconds(3);
      const bool over =
          !process->term.is_infinite() && now_ - process->term >= options_.drain.kill_after;
      // Of a restart's workers the shortest time that RandomRestart gives.
      const bool boot = !process->ready_told && now_ - process->spawned >= absl::Seconds(1);
      if (!over && !boot && !hung && !kill_asked_ && !process->kill_asked &&
          process->kill.is_infinite()) {
        Fail("KILL before the ladder");
      }
      process->kill = now_;
    }
    if (process->alive) {
      if (signal.signo == SIGKILL) {
        // An uninterruptible sleep outlives a KILL or two.
        if (!faults_ || Chance(70)) Die(*process, ExitStatus::Killed(SIGKILL));
      } else if (process->heeds_term) {
        Die(*process, ExitStatus::Killed(SIGTERM));
      }
    } else if (process->exists) {
      pending_.push_back(WorkerExited{process->slot, process->incarnation, process->status});
    } else {
      pending_.push_back(WorkerSpawnFailed{process->slot, process->incarnation, "gone"});
    }
  }

  void Perform(const SetLeader& action) {
    Process* process = Find(action.slot, action.incarnation);
    if (process == nullptr) return Fail("the leader role for nobody");
    if (action.leader) {
      for (const auto& [key, other] : processes_) {
        if (other.alive && other.leader) Fail("two leaders");
      }
      process->leader = process->alive;
      return;
    }
    // It hears of it at some time, or dies first.
    pending_.push_back(LeaderReleased{action.slot, action.incarnation});
  }

  void Perform(const ResizeResult&) {}
  void Perform(const RestartResult&) {}
  void Perform(const PoolNote& note) {
    seen_.insert(note.type);
    if (trace_) std::cerr << (now_ - MonotonicTime()) << " " << note.text << "\n";
    if (note.text.empty()) Fail("a note without words");
  }
  void Perform(const FinishPool& finish) {
    finished_ = true;
    for (const auto& [key, process] : processes_) {
      if (process.alive) Fail("finished with a living process");
    }
    if (finish.exit_code != (gave_up_ ? 1 : 0)) Fail("wrong exit code");
  }

  void Check(const PoolView& before) {
    const PoolView& view = pool_.pool();
    if (view.generation < before.generation) Fail("the generation went back");
    if (view.observed_generation < before.observed_generation) Fail("observed went back");
    if (view.restarts != static_cast<uint64_t>(crashes_)) {
      Fail("the count of crashes is " + std::to_string(view.restarts) + ", should be " +
           std::to_string(crashes_));
    }
    int slots = 0;
    for (int count : view.slots) slots += count;
    if (slots != pool_.rows()) Fail("rows were lost");
    if (pool_.finished()) return;
    CheckRoles();
    if (view.restart.runs() && pool_.next_deadline().is_infinite()) Fail("an endless restart");
    for (int i = 0; i < pool_.rows(); ++i) {
      const SlotView slot = pool_.row(i);
      const bool waits = slot.state == WorkerState::kStarting ||
                         slot.state == WorkerState::kDraining ||
                         slot.state == WorkerState::kBackoff || slot.state == WorkerState::kFailed;
      if (waits && slot.deadline.is_infinite()) Fail("a wait without a deadline");
      if (waits && slot.deadline - now_ > absl::Minutes(10)) Fail("an unreasonable deadline");
      if (slot.deadline < pool_.next_deadline()) Fail("next_deadline misses a slot");
      if (slot.deadline < now_) Fail("work that was due was not done");
    }
  }

  void CheckRoles() {
    std::map<int, int> holders, successors;
    int leaders = 0;
    int beyond = 0;
    for (int i = 0; i < pool_.rows(); ++i) {
      const SlotView& row = pool_.row(i);
      if (row.row != i) Fail("a row with another number");
      leaders += row.leader;
      switch (row.role) {
        case RowRole::kHolder:
          holders[row.slot] += row.state != WorkerState::kEmpty;
          break;
        case RowRole::kRefill:
          ++holders[row.slot];
          if (row.state != WorkerState::kDraining) Fail("a refill that does not drain");
          break;
        case RowRole::kSuccessor:
          ++beyond;
          ++successors[row.slot];
          break;
        case RowRole::kLeaving:
          ++beyond;
          if (row.state != WorkerState::kDraining) Fail("a leaving worker that does not drain");
          break;
      }
    }
    if (leaders > 1) Fail("two leaders published");
    if (beyond > options_.surge_slots) Fail("more than surge_slots beyond the target");
    for (const auto& [slot, count] : holders) {
      if (count > 1) Fail("two holders of a slot");
    }
    for (const auto& [slot, count] : successors) {
      if (count > 1) Fail("two successors of a slot");
      if (holders[slot] != 1 && shutdowns_ == 0 && !gave_up_) Fail("a successor of nobody");
    }
  }

  // Faults stop: everything is delivered, workers behave, time goes on. The target, or the end,
  // must be reached within the longest chain of deadlines.
  void Converge() {
    faults_ = false;
    const MonotonicTime limit = now_ + absl::Hours(2);
    for (auto& [key, process] : processes_) {
      process.heeds_drain = process.heeds_term = true;
      // Its READY may have been lost, or is true only now.
      if (process.alive && !process.ready_told) {
        pending_.push_back(WorkerReady{process.slot, process.incarnation});
      }
    }
    for (int i = 0; i < 2000 && error_.empty(); ++i) {
      if (!pending_.empty()) {
        Deliver(0, 0);
        continue;
      }
      const PoolView& view = pool_.pool();
      if (pool_.finished()) return;
      if (view.shutdown == ShutdownMode::kNone && !view.restart.runs() &&
          view.observed_generation == view.generation &&
          view.count(WorkerState::kReady) + view.count(WorkerState::kDone) == view.desired &&
          view.count(WorkerState::kEmpty) == pool_.rows() - view.desired) {
        return CheckReached();
      }
      if (pool_.next_deadline().is_infinite()) return Fail("stuck: nothing will ever happen");
      now_ = std::max(now_, pool_.next_deadline());
      if (now_ > limit) return Fail("the target was not reached in time");
      Send(PoolTick{});
    }
    Fail("the target was not reached");
  }

  void CheckReached() {
    for (int i = 0; i < pool_.rows(); ++i) {
      const SlotView& row = pool_.row(i);
      if (row.state == WorkerState::kReady &&
          pool_.pool().restart.phase == RestartPhase::kSucceeded &&
          row.generation != pool_.pool().worker_generation) {
        Fail("a worker of another generation after the restart");
      }
    }
    int alive = 0;
    for (const auto& [key, process] : processes_) alive += process.alive;
    if (alive != pool_.pool().count(WorkerState::kReady)) {
      Fail(std::to_string(alive) + " processes live, " +
           std::to_string(pool_.pool().count(WorkerState::kReady)) + " are READY");
    }
  }

  std::mt19937_64 random_;
  PoolOptions options_;
  PoolState pool_;
  MonotonicTime now_;
  std::map<Key, Process> processes_;
  std::map<int, uint64_t> incarnations_;
  std::vector<PoolEvent> pending_;
  pid_t last_pid_ = 100;
  bool faults_ = true;
  int shutdowns_ = 0;
  bool fast_ = false;
  bool kill_asked_ = false;
  bool gave_up_ = false;
  bool replaced_ = false;  // Workers may be stopped so that others take their place.
  bool finished_ = false;
  int crashes_ = 0;
  std::string error_;
  std::set<PoolNote::Type> seen_;
  const bool trace_ = FromEnvironment("SQUALL_SEQUENCES", 0) == 1;
};

// In parts, which Bazel's shards run side by side.
constexpr int kParts = 4;

class PoolStateRandomTest : public ::testing::TestWithParam<int> {};

TEST_P(PoolStateRandomTest, InvariantsHold) {
  const int64_t first = FromEnvironment("SQUALL_SEED", 1);
  const int64_t count = FromEnvironment("SQUALL_SEQUENCES", kDefaultSequences);
  int failures = 0;
  std::set<PoolNote::Type> seen;
  for (int64_t i = GetParam(); i < count && failures < 5; i += kParts) {
    const uint64_t seed = static_cast<uint64_t>(first + i);
    Model model(seed);
    const std::string error = model.Run();
    seen.insert(model.seen().begin(), model.seen().end());
    if (error.empty()) continue;
    ++failures;
    ADD_FAILURE() << error << "\n  again with: --test_env=SQUALL_SEED=" << seed
                  << " --test_env=SQUALL_SEQUENCES=1";
  }
  // A model that never gets there proves nothing.
  if (count < kDefaultSequences) return;
  for (int type = 0; type <= static_cast<int>(PoolNote::Type::kFinished); ++type) {
    EXPECT_TRUE(seen.count(static_cast<PoolNote::Type>(type))) << "never seen: note type " << type;
  }
}

INSTANTIATE_TEST_SUITE_P(Parts, PoolStateRandomTest, ::testing::Range(0, kParts));

}  // namespace
}  // namespace squall
