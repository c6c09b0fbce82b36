// The autoscaler at the head of a simulated pool whose handlers block, under load that stays, jumps
// and fails to be met.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/process/autoscaler.h"
#include "squall/process/autoscaler_inputs.h"
#include "squall/process/autoscaler_options.h"
#include "squall/process/listen_backlog.h"

namespace squall {
namespace {

using Kind = ScaleDecision::Kind;

struct Load {
  double busy = 1;       // Workers that would be just enough: arrivals per second × seconds each.
  bool random = false;   // Poisson arrivals and exponential times, or a clockwork.
  double seconds = 0.2;  // Of one request.
  double cpu = 1;        // Share of a request in which it computes.
};

class SimulatedPool {
 public:
  SimulatedPool(const AutoscalerOptions& options, int workers, int boot_seconds, uint32_t seed)
      : options_(options),
        autoscaler_(options),
        boot_steps_(boot_seconds * kStepsPerSecond),
        random_(seed),
        desired_(workers),
        least_(workers),
        most_(workers),
        workers_(static_cast<size_t>(workers)) {
    for (Worker& worker : workers_) worker.ready_at = 0;
  }

  // One second of load and then one look.
  void Second(const Load& load) {
    for (int i = 0; i < kStepsPerSecond; ++i) Step(load);
    Look();
  }
  void Run(const Load& load, int seconds) {
    for (int i = 0; i < seconds; ++i) Second(load);
  }
  // The seconds until so many workers are READY.
  int SecondsUntilReady(const Load& load, int workers) {
    for (int seconds = 1; seconds < 10000; ++seconds) {
      Second(load);
      if (ready() >= workers) return seconds;
    }
    return 10000;
  }

  // While true, forks fail.
  void SetForksFail(bool fail) { forks_fail_ = fail; }
  void ForgetHistory() {
    grown_ = reversals_ = 0;
    least_ = most_ = desired_;
  }

  int desired() const { return desired_; }
  int64_t waiting() const { return waiting_; }
  int ready() const {
    return static_cast<int>(
        std::count_if(workers_.begin(), workers_.end(),
                      [this](const Worker& w) { return IsReady(w) && !w.draining; }));
  }
  // Since ForgetHistory.
  int grown() const { return grown_; }          // Decisions to grow.
  int reversals() const { return reversals_; }  // Growths that undid a cut.
  int least() const { return least_; }          // The smallest target, and the largest.
  int most() const { return most_; }

 private:
  static constexpr int kStepsPerSecond = 10;

  struct Worker {
    int64_t ready_at = 0;
    int64_t busy_until = 0;
    bool draining = false;
  };

  bool IsReady(const Worker& worker) const { return worker.ready_at <= step_; }
  bool IsBusy(const Worker& worker) const { return worker.busy_until > step_; }

  void Step(const Load& load) {
    ++step_;
    const double mean = load.busy / load.seconds / kStepsPerSecond;
    if (load.random) {
      if (mean > 0) waiting_ += std::poisson_distribution<int64_t>(mean)(random_);
    } else {
      arrived_ += mean;
      waiting_ += static_cast<int64_t>(arrived_);
      arrived_ -= std::floor(arrived_);
    }
    for (Worker& worker : workers_) {
      if (IsReady(worker) && !worker.draining && !IsBusy(worker) && waiting_ > 0) {
        --waiting_;
        // Both kinds have the same mean.
        const double mean_steps = load.seconds * kStepsPerSecond;
        worker.busy_until =
            step_ + (load.random ? 1 + std::geometric_distribution<int64_t>(1 / mean_steps)(random_)
                                 : std::lround(mean_steps));
      }
      if (IsReady(worker) && IsBusy(worker) && !worker.draining) cpu_ += load.cpu / kStepsPerSecond;
    }
    std::erase_if(workers_, [this](const Worker& w) { return w.draining && !IsBusy(w); });
  }

  AutoscalerInputs Inputs() const {
    AutoscalerInputs inputs{.desired = desired_, .max_workers = 64};
    for (const Worker& worker : workers_) {
      if (worker.draining) {
        ++inputs.draining;
      } else if (IsReady(worker)) {
        ++inputs.ready;
        if (!IsBusy(worker)) ++inputs.idle;
      } else {
        ++inputs.coming;
      }
    }
    inputs.backlog = ListenBacklog{.length = waiting_, .longest = waiting_, .limit = 1024};
    if (inputs.ready > 0) inputs.cpu = cpu_ / inputs.ready;
    inputs.spawn_failures = spawn_failures_;
    return inputs;
  }

  void Look() {
    now_ += absl::Seconds(1);
    ++seconds_;
    StartMissing();
    const AutoscalerInputs inputs = Inputs();
    cpu_ = 0;
    const std::optional<ScaleDecision> decision = autoscaler_.Decide(inputs, now_);
    if (!decision.has_value() || !decision->resizes()) return;
    SCOPED_TRACE(decision->reason);
    EXPECT_NE(decision->reason.find(Describe(inputs)), std::string::npos);
    EXPECT_GE(decision->target, options_.min_workers);
    EXPECT_LE(decision->target, options_.max_workers.value_or(64));
    if (decision->kind == Kind::kGrow) {
      EXPECT_GT(decision->target, desired_);
      EXPECT_LE(decision->target, desired_ + options_.max_spawn_rate);
      EXPECT_GE(seconds_ - failed_at_, 10);
      ++grown_;
      if (last_was_cut_) ++reversals_;
    } else {
      EXPECT_EQ(decision->target, desired_ - 1);
      EXPECT_EQ(inputs.draining, 0);
      StopLast();
    }
    last_was_cut_ = decision->kind == Kind::kShrink;
    desired_ = decision->target;
    StartMissing();
    least_ = std::min(least_, desired_);
    most_ = std::max(most_, desired_);
  }

  // Forks that fail are tried again; what they were for is not coming.
  void StartMissing() {
    const auto live = std::count_if(workers_.begin(), workers_.end(),
                                    [](const Worker& worker) { return !worker.draining; });
    if (live >= desired_) return;
    if (forks_fail_) {
      ++spawn_failures_;
      failed_at_ = seconds_;
      return;
    }
    for (auto i = live; i < desired_; ++i) workers_.push_back({.ready_at = step_ + boot_steps_});
  }

  // As in PoolState, the last one, whatever it does.
  void StopLast() {
    for (auto worker = workers_.rbegin(); worker != workers_.rend(); ++worker) {
      if (worker->draining) continue;
      worker->draining = true;
      return;
    }
  }

  AutoscalerOptions options_;
  Autoscaler autoscaler_;
  int64_t boot_steps_;
  std::minstd_rand random_;
  int desired_;
  int least_, most_;
  std::vector<Worker> workers_;
  MonotonicTime now_ = MonotonicTime() + absl::Hours(1);
  int64_t step_ = 0;
  int64_t seconds_ = 0;
  int64_t failed_at_ = -1000;
  int64_t waiting_ = 0;
  double arrived_ = 0;
  double cpu_ = 0;
  bool forks_fail_ = false;
  uint64_t spawn_failures_ = 0;
  bool last_was_cut_ = false;
  int grown_ = 0, reversals_ = 0;
};

class AutoscalerLoadTest : public ::testing::TestWithParam<AutoscalerMode> {
 protected:
  AutoscalerOptions Options() const {
    return {.mode = GetParam(), .min_workers = 1, .max_workers = 64};
  }
};

TEST_P(AutoscalerLoadTest, SettlesUnderALoadThatStays) {
  for (const bool random : {false, true}) {
    for (const double busy : {0.9, 3.3, 10.5, 35.0}) {
      for (const int boot_seconds : {0, 5}) {
        SCOPED_TRACE(
            absl::StrCat("busy ", busy, random ? ", random" : "", ", boot ", boot_seconds));
        const Load load{.busy = busy, .random = random};
        SimulatedPool pool(Options(), 4, boot_seconds, 1);
        pool.Run(load, 1800);
        pool.ForgetHistory();
        pool.Run(load, 3600);
        // Enough workers, and not many more than the mode asks for. The load of a random process is
        // within three times its standard deviation.
        const double peak = random ? busy + 3 * std::sqrt(busy) : busy;
        const double enough = GetParam() == AutoscalerMode::kCpu ? peak / Options().cpu_low
                                                                 : peak + Options().max_spare;
        EXPECT_LE(pool.most(), std::min(64.0, enough + 2));
        EXPECT_GE(pool.least(), std::floor(busy));
        EXPECT_LE(pool.waiting(), 10);
        // A cut is tried now and then; each time it was wrong the next one waits longer.
        EXPECT_LE(pool.reversals(), 8);
        EXPECT_LE(pool.grown(), 15);
        // A queue that grew while a worker booted needs some more for a while.
        if (!random) {
          EXPECT_LE(pool.most() - pool.least(), GetParam() == AutoscalerMode::kBacklog ? 5 : 0);
        }
        std::cout << AutoscalerModeName(GetParam()) << " busy " << busy << " random " << random
                  << " boot " << boot_seconds << ": " << pool.least() << " to " << pool.most()
                  << " workers, " << pool.grown() << " growths, " << pool.reversals()
                  << " after a cut\n";
      }
    }
  }
}

TEST_P(AutoscalerLoadTest, FollowsABurstAndForgetsIt) {
  for (const int boot_seconds : {0, 5}) {
    SCOPED_TRACE(absl::StrCat("boot ", boot_seconds));
    SimulatedPool pool(Options(), 4, boot_seconds, 1);
    pool.Run({.busy = 1}, 600);
    const int before = pool.desired();
    EXPECT_LE(before, 6);
    const int seconds = pool.SecondsUntilReady({.busy = 30}, 31);
    std::cout << AutoscalerModeName(GetParam()) << ": from " << before << " to 31 workers in "
              << seconds << " s, boot " << boot_seconds << "\n";
    EXPECT_LE(seconds, boot_seconds == 0 ? 12 : 60);
    pool.Run({.busy = 30}, 60);
    EXPECT_LE(pool.waiting(), 4);
    pool.Run({.busy = 30}, 600);
    pool.ForgetHistory();
    pool.Run({.busy = 1}, 25);
    EXPECT_LE(pool.most() - pool.least(), 1);  // The hold.
    pool.Run({.busy = 1}, 600);
    EXPECT_LE(pool.desired(), 6);
    EXPECT_EQ(pool.reversals(), 0);
  }
}

TEST_P(AutoscalerLoadTest, ASlowBootDoesNotOvershootByMuch) {
  for (const int boot_seconds : {2, 5, 20}) {
    SimulatedPool pool(Options(), 4, boot_seconds, 1);
    pool.Run({.busy = 6}, 300);
    std::cout << AutoscalerModeName(GetParam()) << ": at most " << pool.most()
              << " workers for 6, boot " << boot_seconds << " s\n";
    EXPECT_LE(pool.most(), 20);
  }
}

TEST_P(AutoscalerLoadTest, KeepsItsRulesWhateverHappens) {
  for (uint32_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::minstd_rand random(seed);
    const auto below = [&random](uint32_t n) { return static_cast<int>(random() % n); };
    AutoscalerOptions options = Options();
    options.min_workers = 1 + below(5);
    options.max_workers = options.min_workers + below(60);
    options.max_spawn_rate = 1 + below(32);
    options.scale_down_hold = absl::Seconds(below(60));
    SimulatedPool pool(options, options.min_workers, below(10), seed);
    for (int minute = 0; minute < 30; ++minute) {
      pool.SetForksFail(below(5) == 0);
      const double busy = below(3) == 0 ? 0 : below(70);
      pool.Run({.busy = busy, .random = true, .cpu = 0.5}, 60);
    }
    // And in the end the load is met, or the pool is at its bound.
    pool.SetForksFail(false);
    pool.Run({.busy = 20}, 600);
    EXPECT_TRUE(pool.ready() >= 20 || pool.desired() == options.max_workers) << pool.ready();
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, AutoscalerLoadTest,
                         ::testing::Values(AutoscalerMode::kSpare, AutoscalerMode::kBacklog,
                                           AutoscalerMode::kCpu),
                         [](const auto& info) {
                           return std::string(AutoscalerModeName(info.param));
                         });

}  // namespace
}  // namespace squall
