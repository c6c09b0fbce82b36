// Random orders of events against a model of the kernel: processes that obey, ignore, crash or
// hang; messages that come late, twice, in another order or not at all; a clock that jumps.
//
// A failure prints the seed of its sequence. SQUALL_SEED=n runs from that seed, SQUALL_SEQUENCES=1
// only one:   bazel test //process:pool_state_random_test --test_env=SQUALL_SEED=17
// --test_env=SQUALL_SEQUENCES=1
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/process/pool_state.h"
#include "squall/process/testing/pool_model.h"

namespace squall::testing {
namespace {

constexpr int kDefaultSequences = 400'000;
constexpr int kEventsPerSequence = 40;

int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* text = std::getenv(name);
  int64_t value;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

// Dice.
class Chance {
 public:
  explicit Chance(uint64_t seed) : random_(seed) {}
  int Below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  bool OneIn(int n) { return Below(n) == 0; }
  bool Percent(int percent) { return Below(100) < percent; }

 private:
  std::mt19937_64 random_;
};

RestartOptions RandomRestart(Chance& chance, int surge_slots) {
  RestartOptions restart;
  if (chance.OneIn(2)) restart.max_surge = chance.Below(3);
  restart.max_unavailable = chance.Below(2);
  if (restart.max_surge == 0 || surge_slots == 0) restart.max_unavailable = 1;
  if (chance.OneIn(2)) restart.soak = absl::Seconds(chance.Below(10));
  if (chance.OneIn(2)) restart.ready_timeout = absl::Seconds(1 + chance.Below(20));
  if (chance.Percent(30)) restart.min_healthy = chance.Below(4);
  restart.max_failures = 1 + chance.Below(3);
  if (chance.Percent(30)) restart.on_failure = OnRestartFailure::kPause;
  return restart;
}

PoolOptions RandomOptions(Chance& chance) {
  PoolOptions options;
  options.max_workers = 1 + chance.Below(5);
  options.desired = chance.Below(options.max_workers + 1);
  options.breaker.deaths = chance.Below(4);
  if (chance.Percent(20)) options.max_restarts = chance.Below(6);
  if (chance.Percent(10)) options.drain.grace = absl::ZeroDuration();
  if (chance.Percent(20)) options.backoff.healthy_after = absl::ZeroDuration();
  options.surge_slots = chance.Below(3);
  options.restart = RandomRestart(chance, options.surge_slots);
  return options;
}

class RandomWorld {
 public:
  explicit RandomWorld(uint64_t seed) : chance_(seed), model_(RandomOptions(chance_), seed) {}

  // An error, or "" when all invariants held and the end was reached.
  std::string Run() {
    Send(PoolStart{});
    for (int i = 0; i < kEventsPerSequence && model_.error().empty(); ++i) RandomEvent();
    faults_ = false;
    while (!pending_.empty()) Deliver(0, 0);
    model_.Converge();
    return model_.error();
  }

  PoolModel& model() { return model_; }

 private:
  void RandomEvent() {
    switch (chance_.Below(20)) {
      case 0:
        return SendResize();
      case 1:
        return Send(ResizeBy{.delta = chance_.OneIn(2) ? 1 : -1});
      case 2:
        if (chance_.Percent(12)) {
          Send(ShutdownRequest{.mode = chance_.OneIn(2) ? ShutdownMode::kGraceful
                                                        : ShutdownMode::kFast});
        }
        return;
      case 3:
        // Also far over every deadline: a suspended master.
        model_.Advance(absl::Seconds(chance_.Below(chance_.OneIn(5) ? 1000 : 20)));
        return Send(PoolTick{});
      case 4:
        model_.AdvanceToDeadline();
        return Send(PoolTick{});
      case 5:
        return Deliver(/*lose_percent=*/20, /*duplicate_percent=*/20);
      case 6:
        // Nonsense: other incarnations, slots that do not exist.
        return Send(WorkerExited{chance_.Below(8) - 1,
                                 static_cast<uint64_t>(chance_.Below(3)) + 1000,
                                 ExitStatus::Killed(SIGKILL)});
      case 7:
        return SendStale();
      case 8:
      case 9:
        return Crash();
      case 10:
        model_.Advance(absl::Milliseconds(chance_.Below(200)));
        return Send(PoolTick{});
      case 11:
        return Send(RestartRequest{
            .options = chance_.OneIn(2) ? std::optional<RestartOptions>()
                                        : RandomRestart(chance_, model_.options().surge_slots)});
      case 12:
        return SendToSome();
      case 13:
        return SendRelief();
      default:
        return Deliver(2, 5);
    }
  }

  void SendResize() {
    ResizeRequest request{.target = chance_.Below(model_.options().max_workers + 3) - 1};
    if (chance_.Percent(30)) {
      request.expected_generation =
          model_.pool().pool().generation + static_cast<uint64_t>(chance_.Below(2));
    }
    request.validate_only = chance_.OneIn(10);
    Send(request);
  }

  // What an operator takes back or makes up for.
  void SendRelief() {
    if (chance_.OneIn(4)) return Send(CancelRestart{"operator"});
    if (chance_.OneIn(2)) {
      return Send(ResetBreaker{chance_.Below(model_.options().max_workers + 2) - 1, "operator"});
    }
    for (const ModelProcess& process : model_.processes()) {
      if (chance_.Percent(50)) {
        return Send(CancelReplace{process.slot, process.incarnation, "operator"});
      }
    }
  }

  // What the watchdog, the recycler and the operator do to one worker.
  void SendToSome() {
    for (const ModelProcess& process : model_.processes()) {
      if (!chance_.Percent(30)) continue;
      switch (chance_.Below(3)) {
        case 0:
          return Send(ReplaceWorker{process.slot, process.incarnation, "old"});
        case 1:
          return Send(KillWorker{process.slot, process.incarnation, "operator"});
        default:
          return Send(AbortWorker{process.slot, process.incarnation, SIGABRT,
                                  PoolModel::kAbortGrace, "stalled"});
      }
    }
  }

  // An event of an earlier incarnation, again.
  void SendStale() {
    if (gone_.empty()) return;
    const auto [slot, incarnation] =
        gone_[static_cast<size_t>(chance_.Below(static_cast<int>(gone_.size())))];
    switch (chance_.Below(3)) {
      case 0:
        return Send(WorkerReady{slot, incarnation});
      case 1:
        return Send(WorkerExited{slot, incarnation, ExitStatus::Exited(3)});
      default:
        return Send(WorkerSpawned{slot, incarnation, 99});
    }
  }

  void Crash() {
    for (ModelProcess& process : model_.processes()) {
      if (process.life != ModelProcess::Life::kAlive || !chance_.Percent(40)) continue;
      pending_.push_back(model_.Die(process, chance_.OneIn(4)   ? ExitStatus::Exited(0)
                                             : chance_.OneIn(2) ? ExitStatus::Exited(3)
                                                                : ExitStatus::Killed(SIGSEGV)));
      return;
    }
  }

  // One of the messages on their way.
  void Deliver(int lose_percent, int duplicate_percent) {
    if (pending_.empty()) return;
    const size_t i = static_cast<size_t>(chance_.Below(static_cast<int>(pending_.size())));
    const PoolEvent event = pending_[i];
    const auto remove = [&] { pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(i)); };
    // A pidfd stays readable and fork returns: only a READY can be lost for good.
    if (std::holds_alternative<WorkerReady>(event) && chance_.Percent(lose_percent)) {
      return remove();
    }
    if (!chance_.Percent(duplicate_percent)) remove();
    if (const auto* exited = std::get_if<WorkerExited>(&event)) {
      gone_.emplace_back(exited->slot, exited->incarnation);
    }
    Send(event);
  }

  void Send(const PoolEvent& event) {
    for (const PoolAction& action : model_.Send(event)) {
      std::visit([this](const auto& a) { React(a); }, action);
    }
  }

  // What processes make of the actions.
  void React(const SpawnWorker& spawn) {
    ModelProcess* process = model_.Find(spawn.slot, spawn.incarnation);
    if (process == nullptr) return;
    if (faults_ && chance_.Percent(15)) return pending_.push_back(model_.FailFork(*process));
    pending_.push_back(model_.Fork(*process));
    if (!faults_ || chance_.Percent(70)) {
      pending_.push_back(WorkerReady{spawn.slot, spawn.incarnation});
    }
  }
  void React(const DrainWorker& drain) {
    if (chance_.Percent(60))
      End(drain.slot, drain.incarnation, ExitStatus::Exited(chance_.Below(2)));
  }
  void React(const SignalWorker& signal) {
    // An uninterruptible sleep outlives a KILL or two.
    if (chance_.Percent(signal.signo == SIGKILL ? 70 : 60)) {
      End(signal.slot, signal.incarnation, ExitStatus::Killed(signal.signo));
    }
  }
  void React(const SetLeader& action) {
    // It hears of it at some time, or dies first.
    if (!action.leader) pending_.push_back(LeaderReleased{action.slot, action.incarnation});
  }
  void React(const ResizeResult&) {}
  void React(const RestartResult&) {}
  void React(const PoolNote&) {}
  void React(const FinishPool&) {}

  void End(int slot, uint64_t incarnation, const ExitStatus& status) {
    ModelProcess* process = model_.Find(slot, incarnation);
    if (process == nullptr || process->life != ModelProcess::Life::kAlive) return;
    pending_.push_back(model_.Die(*process, status));
  }

  Chance chance_;
  PoolModel model_;
  std::vector<PoolEvent> pending_;
  std::vector<std::pair<int, uint64_t>> gone_;  // Slot and incarnation.
  bool faults_ = true;
};

// In parts, which Bazel's shards run side by side.
constexpr int kParts = 4;

class PoolStateRandomTest : public ::testing::TestWithParam<int> {};

TEST_P(PoolStateRandomTest, InvariantsHold) {
  const int64_t first = FromEnvironment("SQUALL_SEED", 1);
  const int64_t count = FromEnvironment("SQUALL_SEQUENCES", kDefaultSequences);
  int failures = 0;
  std::bitset<kNumNoteTypes> seen;
  for (int64_t i = GetParam(); i < count && failures < 5; i += kParts) {
    const uint64_t seed = static_cast<uint64_t>(first + i);
    RandomWorld world(seed);
    if (count == 1) world.model().Trace();
    const std::string error = world.Run();
    seen |= world.model().seen();
    if (error.empty()) continue;
    ++failures;
    ADD_FAILURE() << error << "\n  again with: --test_env=SQUALL_SEED=" << seed
                  << " --test_env=SQUALL_SEQUENCES=1";
  }
  // A model that never gets there proves nothing.
  if (count < kDefaultSequences) return;
  EXPECT_TRUE(seen.all()) << "types of notes that were seen, the last one first: " << seen;
}

INSTANTIATE_TEST_SUITE_P(Parts, PoolStateRandomTest, ::testing::Range(0, kParts));

}  // namespace
}  // namespace squall::testing
