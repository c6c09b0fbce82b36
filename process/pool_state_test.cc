#include "squall/process/pool_state.h"

#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace squall {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Drives a pool by hand: time moves only when a test says so, every spawned worker gets pid
// 1000 + slot.
class PoolStateTest : public ::testing::Test {
 protected:
  void Make(PoolOptions options) {
    options.backoff.jitter = 0;
    pool_.emplace(options, 1);
  }

  void Send(const PoolEvent& event) {
    spawns_.clear();
    drains_.clear();
    terms_.clear();
    kills_.clear();
    leaders_.clear();
    revoked_.clear();
    notes_.clear();
    for (const PoolAction& action : pool_->Step(event, now_)) {
      std::visit([this](const auto& a) { Take(a); }, action);
    }
  }
  void Advance(absl::Duration by) {
    now_ += by;
    Send(PoolTick{});
  }
  // To the next deadline, which must be `after` from now.
  void AdvanceToDeadline(absl::Duration after) {
    ASSERT_EQ(pool_->next_deadline() - now_, after);
    Advance(after);
  }

  // The slot's present worker …
  void Spawned(int slot) { Send(WorkerSpawned{slot, Incarnation(slot), 1000 + slot}); }
  void Ready(int slot) { Send(WorkerReady{slot, Incarnation(slot)}); }
  void Exited(int slot, ExitStatus status) { Send(WorkerExited{slot, Incarnation(slot), status}); }

  // A pool whose first `n` workers are READY.
  void StartReady(PoolOptions options) {
    Make(options);
    Send(PoolStart{});
    for (int i = 0; i < options.desired; ++i) {
      Spawned(i);
      Ready(i);
    }
    ASSERT_EQ(pool_->pool().count(WorkerState::kReady), options.desired);
  }

  uint64_t Incarnation(int slot) { return pool_->slot(slot).incarnation; }
  WorkerState State(int slot) { return pool_->slot(slot).state; }
  bool Noted(PoolNote::Type type) {
    for (const PoolNote& note : notes_) {
      if (note.type == type) return true;
    }
    return false;
  }

  void Take(const SpawnWorker& a) { spawns_.push_back(a.slot); }
  void Take(const DrainWorker& a) { drains_.push_back(a.slot); }
  void Take(const SignalWorker& a) { (a.signo == SIGTERM ? terms_ : kills_).push_back(a.slot); }
  void Take(const SetLeader& a) { (a.leader ? leaders_ : revoked_).push_back(a.slot); }
  void Take(const ResizeResult& a) { result_ = a; }
  void Take(const RestartResult& a) { restart_ = a; }
  void Take(const PoolNote& a) { notes_.push_back(a); }
  void Take(const FinishPool& a) { exit_code_ = a.exit_code; }

  MonotonicTime now_ = MonotonicTime() + absl::Hours(1);
  std::optional<PoolState> pool_;
  // Of the last event.
  std::vector<int> spawns_, drains_, terms_, kills_, leaders_, revoked_;
  std::vector<PoolNote> notes_;
  // The last ones ever.
  ResizeResult result_;
  RestartResult restart_;
  std::optional<int> exit_code_;
};

constexpr absl::Duration kBoot = absl::Seconds(60);
constexpr absl::Duration kGrace = absl::Seconds(30);
constexpr absl::Duration kKillAfter = absl::Seconds(5);

TEST_F(PoolStateTest, StartsTheDesiredWorkersInTheOrderOfTheirIds) {
  Make({.desired = 3, .max_workers = 8});
  EXPECT_TRUE(pool_->next_deadline().is_infinite());
  Send(PoolStart{});
  EXPECT_THAT(spawns_, ElementsAre(0, 1, 2));
  EXPECT_EQ(pool_->next_deadline(), now_ + kBoot);
  EXPECT_EQ(pool_->pool().observed_generation, 0u);
  for (int i = 0; i < 3; ++i) {
    Spawned(i);
    Ready(i);
  }
  EXPECT_EQ(pool_->pool().count(WorkerState::kReady), 3);
  EXPECT_EQ(pool_->pool().observed_generation, 1u);
  EXPECT_TRUE(pool_->next_deadline().is_infinite()) << "an idle pool needs no timer";
  Send(PoolStart{});
  EXPECT_THAT(spawns_, IsEmpty());
}

TEST_F(PoolStateTest, ADeathIsAnsweredAtOnceThenWithGrowingDelays) {
  StartReady({.desired = 2, .max_workers = 2});
  Exited(1, ExitStatus::Killed(SIGKILL));
  EXPECT_THAT(spawns_, ElementsAre(1)) << "the first restart is free";
  EXPECT_THAT(notes_[0].text, HasSubstr("worker 1 (pid 1001) was killed by signal 9 (SIGKILL)"));
  absl::Duration expected = absl::Milliseconds(100);
  for (int i = 0; i < 5; ++i) {
    Exited(1, ExitStatus::Exited(3));
    EXPECT_THAT(spawns_, IsEmpty());
    EXPECT_EQ(State(1), WorkerState::kBackoff);
    AdvanceToDeadline(expected);
    EXPECT_THAT(spawns_, ElementsAre(1));
    expected *= 2;
  }
  EXPECT_EQ(State(0), WorkerState::kReady);
  const SlotView view = pool_->slot(1);
  EXPECT_EQ(view.restarts, 6u);
  EXPECT_EQ(view.deaths[static_cast<size_t>(DeathCause::kSignaled)], 1u);
  EXPECT_EQ(view.deaths[static_cast<size_t>(DeathCause::kBootFailure)], 5u);
  EXPECT_EQ(view.incarnation, 7u);
}

TEST_F(PoolStateTest, AHealthyMinuteForgetsTheBackoff) {
  StartReady({.desired = 1, .max_workers = 1});
  Exited(0, ExitStatus::Exited(1));
  Ready(0);
  now_ += absl::Seconds(59);
  Exited(0, ExitStatus::Exited(1));
  EXPECT_EQ(State(0), WorkerState::kBackoff);
  AdvanceToDeadline(absl::Milliseconds(100));
  Ready(0);
  now_ += absl::Seconds(60);
  Exited(0, ExitStatus::Exited(1));
  EXPECT_THAT(spawns_, ElementsAre(0));
}

TEST_F(PoolStateTest, ReadyInTheSameInstantAsTheBootTimeoutCounts) {
  Make({.desired = 1, .max_workers = 1});
  Send(PoolStart{});
  Spawned(0);
  now_ += kBoot;
  Ready(0);
  EXPECT_EQ(State(0), WorkerState::kReady);
  EXPECT_THAT(kills_, IsEmpty());
}

TEST_F(PoolStateTest, ABootTimeoutKillsAndCounts) {
  Make({.desired = 1, .max_workers = 1});
  Send(PoolStart{});
  Spawned(0);
  AdvanceToDeadline(kBoot);
  EXPECT_THAT(kills_, ElementsAre(0));
  EXPECT_TRUE(Noted(PoolNote::Type::kBootTimeout));
  Ready(0);
  EXPECT_EQ(State(0), WorkerState::kStarting) << "too late";
  AdvanceToDeadline(kKillAfter);
  EXPECT_THAT(kills_, ElementsAre(0)) << "an unkillable process is killed again";
  Exited(0, ExitStatus::Killed(SIGKILL));
  EXPECT_THAT(spawns_, ElementsAre(0));
  EXPECT_EQ(pool_->slot(0).last_exit->cause, DeathCause::kBootTimeout);
}

TEST_F(PoolStateTest, TheBreakerOpensAndTriesAgain) {
  StartReady({.desired = 2, .max_workers = 2, .breaker = {.deaths = 3}});
  for (int i = 0; i < 4; ++i) {
    Exited(0, ExitStatus::Exited(1));
    if (State(0) == WorkerState::kBackoff) Advance(pool_->next_deadline() - now_);
  }
  EXPECT_EQ(State(0), WorkerState::kFailed);
  EXPECT_TRUE(Noted(PoolNote::Type::kBreakerOpen));
  EXPECT_EQ(State(1), WorkerState::kReady) << "the others serve on";
  AdvanceToDeadline(absl::Minutes(5));
  EXPECT_THAT(spawns_, ElementsAre(0));
  Exited(0, ExitStatus::Exited(1));
  EXPECT_EQ(State(0), WorkerState::kFailed) << "one death of the trial worker is enough";
  AdvanceToDeadline(absl::Minutes(5));
  Ready(0);
  AdvanceToDeadline(absl::Seconds(60));
  EXPECT_TRUE(Noted(PoolNote::Type::kBreakerClosed));
  EXPECT_TRUE(pool_->next_deadline().is_infinite());
  Exited(0, ExitStatus::Exited(1));
  EXPECT_THAT(spawns_, ElementsAre(0)) << "all is forgotten";
}

TEST_F(PoolStateTest, DeathsOutsideTheWindowDoNotOpenTheBreaker) {
  StartReady({.desired = 1, .max_workers = 1, .breaker = {.deaths = 2}});
  for (int i = 0; i < 20; ++i) {
    now_ += absl::Minutes(3);
    Ready(0);
    Exited(0, ExitStatus::Exited(1));
    EXPECT_NE(State(0), WorkerState::kFailed);
    if (State(0) == WorkerState::kBackoff) Advance(pool_->next_deadline() - now_);
  }
}

TEST_F(PoolStateTest, TornadosLimitStopsEveryWorkerAndExitsOne) {
  StartReady({.desired = 2, .max_workers = 2, .max_restarts = 2});
  Exited(0, ExitStatus::Exited(1));
  Exited(0, ExitStatus::Exited(1));
  AdvanceToDeadline(absl::Milliseconds(100));
  Exited(0, ExitStatus::Exited(1));
  EXPECT_THAT(terms_, ElementsAre(1));
  EXPECT_TRUE(Noted(PoolNote::Type::kGivingUp));
  EXPECT_FALSE(exit_code_.has_value());
  Exited(1, ExitStatus::Killed(SIGTERM));
  EXPECT_EQ(exit_code_, 1);
}

TEST_F(PoolStateTest, TheBreakerDoesNotKeepTornadosLimitFromBeingReached) {
  StartReady({.desired = 1, .max_workers = 1, .breaker = {.deaths = 1}, .max_restarts = 3});
  for (int i = 0; i < 4; ++i) {
    Exited(0, ExitStatus::Exited(1));
    if (State(0) == WorkerState::kBackoff) Advance(pool_->next_deadline() - now_);
  }
  EXPECT_EQ(exit_code_, 1);
}

TEST_F(PoolStateTest, ExitZeroIsDoneAndTheLastOneEndsTheMaster) {
  StartReady({.desired = 2, .max_workers = 4, .max_restarts = 0});
  Exited(0, ExitStatus::Exited(0));
  EXPECT_EQ(State(0), WorkerState::kDone);
  EXPECT_THAT(spawns_, IsEmpty());
  EXPECT_EQ(pool_->pool().observed_generation, 1u);
  EXPECT_FALSE(pool_->finished());
  Exited(1, ExitStatus::Exited(0));
  EXPECT_EQ(exit_code_, 0);
  EXPECT_TRUE(pool_->finished());
  Send(ResizeRequest{.target = 3});
  EXPECT_THAT(spawns_, IsEmpty());
}

TEST_F(PoolStateTest, ExitZeroBeforeReadyIsDoneToo) {
  // Tornado's test_multi_process: a worker that never runs a loop.
  Make({.desired = 1, .max_workers = 1});
  Send(PoolStart{});
  Spawned(0);
  Exited(0, ExitStatus::Exited(0));
  EXPECT_EQ(exit_code_, 0);
}

TEST_F(PoolStateTest, AResizeReplacesDoneWorkers) {
  StartReady({.desired = 2, .max_workers = 4});
  Exited(0, ExitStatus::Exited(0));
  Send(ResizeRequest{.target = 2});
  EXPECT_THAT(spawns_, ElementsAre(0));
  EXPECT_EQ(result_.generation, 1u) << "the target is what it was";
}

TEST_F(PoolStateTest, ShrinkDrainsTheHighestIdsAndGrowTakesTheLowestFree) {
  StartReady({.desired = 4, .max_workers = 6});
  Send(ResizeRequest{.target = 2});
  EXPECT_EQ(result_.code, absl::StatusCode::kOk);
  EXPECT_EQ(result_.generation, 2u);
  EXPECT_THAT(drains_, ElementsAre(3, 2));
  EXPECT_EQ(pool_->pool().observed_generation, 1u);
  Send(ResizeRequest{.target = 3});
  EXPECT_THAT(spawns_, ElementsAre(4)) << "2 and 3 still drain";
  Exited(2, ExitStatus::Exited(0));
  Exited(3, ExitStatus::Exited(0));
  EXPECT_EQ(pool_->pool().restarts, 0u);
  EXPECT_EQ(pool_->pool().count(WorkerState::kDone), 0);
  Send(ResizeRequest{.target = 4});
  EXPECT_THAT(spawns_, ElementsAre(2));
}

TEST_F(PoolStateTest, GrowthWaitsForADrainingSlotWhenNoOtherIsLeft) {
  StartReady({.desired = 2, .max_workers = 2});
  Send(ResizeRequest{.target = 1});
  Send(ResizeRequest{.target = 2});
  EXPECT_THAT(spawns_, IsEmpty()) << "never two processes in a slot";
  Exited(1, ExitStatus::Killed(SIGKILL));
  EXPECT_THAT(spawns_, ElementsAre(1));
  EXPECT_EQ(pool_->pool().restarts, 0u) << "a requested stop is not a crash";
}

TEST_F(PoolStateTest, AFailedSlotIsGivenUpBeforeOneThatServes) {
  StartReady({.desired = 2, .max_workers = 2, .breaker = {.deaths = 0}});
  Exited(0, ExitStatus::Exited(1));
  ASSERT_EQ(State(0), WorkerState::kFailed);
  Send(ResizeRequest{.target = 1});
  EXPECT_EQ(State(0), WorkerState::kEmpty);
  EXPECT_EQ(State(1), WorkerState::kReady);
  EXPECT_EQ(pool_->pool().observed_generation, 2u);
}

TEST_F(PoolStateTest, TheLadder) {
  StartReady({.desired = 2, .max_workers = 2});
  Send(ResizeRequest{.target = 1});
  EXPECT_THAT(drains_, ElementsAre(1));
  AdvanceToDeadline(kGrace);
  EXPECT_THAT(terms_, ElementsAre(1));
  EXPECT_EQ(pool_->slot(1).stop_step, StopStep::kTermSent);
  AdvanceToDeadline(kKillAfter);
  EXPECT_THAT(kills_, ElementsAre(1));
  AdvanceToDeadline(kKillAfter);
  EXPECT_THAT(kills_, ElementsAre(1));
  Exited(1, ExitStatus::Killed(SIGKILL));
  EXPECT_EQ(State(1), WorkerState::kEmpty);
  EXPECT_TRUE(pool_->next_deadline().is_infinite());
}

TEST_F(PoolStateTest, AMasterThatStoodStillGivesOneMorePeriod) {
  StartReady({.desired = 2, .max_workers = 2});
  Send(ResizeRequest{.target = 1});
  Advance(kGrace + absl::Hours(1));
  EXPECT_THAT(terms_, IsEmpty());
  EXPECT_TRUE(Noted(PoolNote::Type::kDeadlineExtended));
  AdvanceToDeadline(kGrace);
  EXPECT_THAT(terms_, ElementsAre(1));
  // Only once: a master that is always late must not wait for ever.
  Advance(absl::Hours(1));
  EXPECT_THAT(kills_, IsEmpty());
  Advance(absl::Hours(1));
  EXPECT_THAT(kills_, ElementsAre(1));
}

TEST_F(PoolStateTest, RefusedResizes) {
  StartReady({.desired = 2, .max_workers = 64});
  Send(ResizeRequest{.target = 65});
  EXPECT_EQ(result_.code, absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(result_.reason, RefusalReason::kSlotCapacity);
  EXPECT_THAT(result_.message, HasSubstr("at most 64"));
  EXPECT_TRUE(Noted(PoolNote::Type::kResizeRefused));
  Send(ResizeRequest{.target = -1});
  EXPECT_EQ(result_.code, absl::StatusCode::kInvalidArgument);
  Send(ResizeRequest{.target = 3, .expected_generation = 7});
  EXPECT_EQ(result_.code, absl::StatusCode::kAborted);
  EXPECT_EQ(result_.generation, 1u);
  Send(ResizeRequest{.target = 3, .request_id = std::string(64, 'x')});
  EXPECT_EQ(result_.reason, RefusalReason::kRequestIdTooLong);
  EXPECT_THAT(result_.message, HasSubstr("64 bytes; it may have at most 63"));
  Send(ResizeRequest{.target = 2, .request_id = std::string(63, 'x')});
  EXPECT_EQ(result_.code, absl::StatusCode::kOk);
  Send(ResizeRequest{.target = 3, .validate_only = true});
  EXPECT_EQ(result_.code, absl::StatusCode::kOk);
  EXPECT_EQ(result_.desired, 3);
  EXPECT_EQ(pool_->pool().desired, 2);
  EXPECT_EQ(pool_->pool().generation, 1u);
  Send(ShutdownRequest{});
  Send(ResizeRequest{.target = 3});
  EXPECT_EQ(result_.code, absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(result_.reason, RefusalReason::kShuttingDown);
}

TEST_F(PoolStateTest, ARequestIdMakesAResizeIdempotent) {
  StartReady({.desired = 2, .max_workers = 8});
  Send(ResizeRequest{.target = 3, .request_id = "a"});
  Send(ResizeRequest{.target = 5});
  EXPECT_EQ(pool_->pool().generation, 3u);
  Send(ResizeRequest{.target = 3, .expected_generation = 1, .request_id = "a"});
  EXPECT_TRUE(result_.replayed);
  EXPECT_EQ(result_.generation, 2u);
  EXPECT_EQ(pool_->pool().desired, 5) << "a retry must not undo what came after it";
  Send(ResizeRequest{.target = 4, .request_id = "a"});
  EXPECT_EQ(result_.code, absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(result_.reason, RefusalReason::kRequestIdReused);
  now_ += absl::Minutes(10) + absl::Nanoseconds(1);
  Send(ResizeRequest{.target = 4, .request_id = "a"});
  EXPECT_EQ(result_.code, absl::StatusCode::kOk) << "forgotten after ten minutes";
}

TEST_F(PoolStateTest, TheTableOfRequestIdsIsBounded) {
  StartReady({.desired = 1, .max_workers = 2});
  for (int i = 0; i < 16384; ++i) {
    Send(ResizeRequest{.target = 1, .request_id = std::to_string(i)});
    ASSERT_EQ(result_.code, absl::StatusCode::kOk);
  }
  Send(ResizeRequest{.target = 1, .request_id = "one more"});
  EXPECT_EQ(result_.code, absl::StatusCode::kResourceExhausted);
  Send(ResizeRequest{.target = 2});
  EXPECT_EQ(result_.code, absl::StatusCode::kOk) << "without an id nothing is to be remembered";
}

TEST_F(PoolStateTest, TtinAndTtouAreClamped) {
  StartReady({.desired = 1, .max_workers = 2});
  Send(ResizeBy{.delta = -1});
  EXPECT_EQ(pool_->pool().desired, 1);
  EXPECT_EQ(pool_->pool().generation, 1u);
  Send(ResizeBy{.delta = 1});
  Send(ResizeBy{.delta = 1});
  EXPECT_EQ(pool_->pool().desired, 2);
  EXPECT_EQ(pool_->pool().generation, 2u);
  Send(ResizeRequest{.target = 0});
  Send(ResizeBy{.delta = -1});
  EXPECT_EQ(pool_->pool().desired, 0);
}

TEST_F(PoolStateTest, APoolOfNoneLivesOn) {
  StartReady({.desired = 1, .max_workers = 2});
  Send(ResizeRequest{.target = 0});
  Exited(0, ExitStatus::Exited(0));
  EXPECT_FALSE(pool_->finished());
  Send(ResizeRequest{.target = 1});
  EXPECT_THAT(spawns_, ElementsAre(0));
}

TEST_F(PoolStateTest, AFailedForkIsTriedAgainAndIsNotADeath) {
  Make({.desired = 1, .max_workers = 1, .max_restarts = 0});
  Send(PoolStart{});
  absl::Duration expected = absl::Milliseconds(100);
  for (int i = 0; i < 20; ++i) {
    Send(WorkerSpawnFailed{0, Incarnation(0), "fork: Resource temporarily unavailable"});
    EXPECT_EQ(State(0), WorkerState::kBackoff);
    AdvanceToDeadline(expected);
    EXPECT_THAT(spawns_, ElementsAre(0));
    expected = std::min(expected * 2, absl::Seconds(10));
  }
  EXPECT_EQ(pool_->pool().restarts, 0u);
  EXPECT_EQ(pool_->pool().spawn_failures, 20u);
  EXPECT_FALSE(pool_->finished());
}

TEST_F(PoolStateTest, GracefulShutdownDrainsAllAndEndsWithZero) {
  StartReady({.desired = 2, .max_workers = 3});
  Send(ShutdownRequest{ShutdownMode::kGraceful, "signal TERM"});
  EXPECT_THAT(drains_, ElementsAre(0, 1));
  Exited(0, ExitStatus::Exited(3));
  EXPECT_THAT(spawns_, IsEmpty());
  EXPECT_FALSE(pool_->finished());
  Exited(1, ExitStatus::Exited(0));
  EXPECT_EQ(exit_code_, 0);
  EXPECT_EQ(pool_->pool().restarts, 0u);
}

TEST_F(PoolStateTest, RepeatedShutdownsEscalate) {
  StartReady({.desired = 1, .max_workers = 1});
  Send(ShutdownRequest{ShutdownMode::kGraceful});
  EXPECT_THAT(drains_, ElementsAre(0));
  Send(ShutdownRequest{ShutdownMode::kGraceful});
  EXPECT_THAT(terms_, ElementsAre(0));
  EXPECT_EQ(pool_->next_deadline(), now_ + kKillAfter);
  Send(ShutdownRequest{ShutdownMode::kGraceful});
  EXPECT_THAT(kills_, ElementsAre(0));
  Exited(0, ExitStatus::Killed(SIGKILL));
  EXPECT_EQ(exit_code_, 0);
}

TEST_F(PoolStateTest, FastShutdownWithoutProcessesEndsAtOnce) {
  StartReady({.desired = 1, .max_workers = 1, .breaker = {.deaths = 0}});
  Exited(0, ExitStatus::Exited(1));
  ASSERT_EQ(State(0), WorkerState::kFailed);
  Send(ShutdownRequest{ShutdownMode::kFast});
  EXPECT_EQ(exit_code_, 0);
}

TEST_F(PoolStateTest, ShutdownBeforeTheStart) {
  Make({.desired = 1, .max_workers = 1});
  Send(ShutdownRequest{});
  EXPECT_EQ(exit_code_, 0);
  Send(PoolStart{});
  EXPECT_THAT(spawns_, IsEmpty());
}

TEST_F(PoolStateTest, EventsOfAnEarlierIncarnationAreIgnored) {
  StartReady({.desired = 1, .max_workers = 1});
  const uint64_t old = Incarnation(0);
  Exited(0, ExitStatus::Killed(SIGSEGV, true));
  ASSERT_EQ(Incarnation(0), old + 1);
  const uint64_t revision = pool_->revision();
  Send(WorkerExited{0, old, ExitStatus::Killed(SIGSEGV)});
  Send(WorkerReady{0, old});
  Send(WorkerSpawned{0, old, 99});
  Send(WorkerExited{7, 1, ExitStatus::Exited(1)});
  Send(WorkerExited{-1, 1, ExitStatus::Exited(1)});
  EXPECT_EQ(State(0), WorkerState::kStarting);
  EXPECT_EQ(pool_->revision(), revision);
  EXPECT_EQ(pool_->pool().restarts, 1u);
}

TEST_F(PoolStateTest, RevisionsTellWhatToPublish) {
  StartReady({.desired = 2, .max_workers = 2});
  const uint64_t before = pool_->revision();
  Exited(1, ExitStatus::Exited(1));
  EXPECT_GT(pool_->revision(), before);
  EXPECT_GT(pool_->row_revision(1), before);
  EXPECT_LE(pool_->row_revision(0), before);
  const uint64_t after = pool_->revision();
  Send(PoolTick{});
  EXPECT_EQ(pool_->revision(), after);
}

TEST(PoolOptionsTest, NamesWhatMakesNoSense) {
  const auto message = [](const PoolOptions& options) {
    return std::string(Validate(options).message());
  };
  EXPECT_TRUE(Validate(PoolOptions{}).ok());
  EXPECT_THAT(message({.desired = 65}), HasSubstr("between 0 and max_workers (64), not 65"));
  EXPECT_THAT(message({.desired = -3}), HasSubstr("not -3"));
  EXPECT_THAT(message({.max_workers = 0}), HasSubstr("max_workers must be at least 1"));
  EXPECT_THAT(message({.boot_timeout = absl::InfiniteDuration()}), HasSubstr("boot_timeout"));
  EXPECT_THAT(message({.drain = {.grace = -absl::Seconds(1)}}), HasSubstr("drain.grace"));
  EXPECT_THAT(message({.backoff = {.multiplier = 0.5}}), HasSubstr("backoff.multiplier"));
  EXPECT_THAT(message({.max_restarts = -1}), HasSubstr("max_restarts"));
}

}  // namespace
}  // namespace squall
