#include "squall/process/autoscaler.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/base/status_matchers.h"
#include "squall/process/autoscaler_inputs.h"
#include "squall/process/autoscaler_options.h"
#include "squall/process/listen_backlog.h"

namespace squall {
namespace {

using ::testing::HasSubstr;

using Kind = ScaleDecision::Kind;

// A pool in numbers, which does at once what is decided: new workers are READY and busy at the next
// tick, and a cut takes an idle one.
class AutoscalerTest : public ::testing::Test {
 protected:
  void Make(const AutoscalerOptions& options) {
    ASSERT_THAT(Validate(options), IsOk());
    autoscaler_.emplace(options);
  }

  std::optional<ScaleDecision> Tick() {
    now_ += absl::Seconds(1);
    std::optional<ScaleDecision> decision = autoscaler_->Decide(pool_, now_);
    if (decision.has_value() && decision->resizes()) {
      pool_.ready += decision->target - pool_.desired;
      if (decision->kind == Kind::kShrink) pool_.idle += decision->target - pool_.desired;
      pool_.desired = decision->target;
    }
    return decision;
  }
  // The pool's targets after each of `ticks` ticks.
  std::vector<int> Targets(int ticks) {
    std::vector<int> targets;
    for (int i = 0; i < ticks; ++i) {
      Tick();
      targets.push_back(pool_.desired);
    }
    return targets;
  }
  // How many ticks pass until something is said, and what; -1 for nothing in `most` ticks.
  int TicksUntilDecision(int most = 100000) {
    for (int i = 1; i <= most; ++i) {
      if (std::optional<ScaleDecision> decision = Tick()) {
        decision_ = *decision;
        return i;
      }
    }
    return -1;
  }
  void Load(int ready, int idle) {
    pool_.desired = pool_.ready = ready;
    pool_.idle = idle;
  }

  std::optional<Autoscaler> autoscaler_;
  AutoscalerInputs pool_{.desired = 4, .max_workers = 64, .ready = 4, .idle = 2};
  MonotonicTime now_ = MonotonicTime() + absl::Hours(1);
  ScaleDecision decision_;
};

TEST_F(AutoscalerTest, StaticDecidesNothing) {
  Make({.min_workers = 10, .max_workers = 20});
  EXPECT_TRUE(autoscaler_->next_tick().is_infinite());
  for (int ready = 0; ready < 64; ++ready) {
    Load(ready, 0);
    EXPECT_EQ(TicksUntilDecision(100), -1);
  }
}

TEST_F(AutoscalerTest, ATickEachInterval) {
  Make({.mode = AutoscalerMode::kSpare, .interval = absl::Seconds(2)});
  Load(4, 0);
  EXPECT_LE(autoscaler_->next_tick(), now_);
  EXPECT_TRUE(autoscaler_->Decide(pool_, now_).has_value());
  EXPECT_EQ(autoscaler_->next_tick(), now_ + absl::Seconds(2));
  EXPECT_FALSE(autoscaler_->Decide(pool_, now_ + absl::Milliseconds(1999)).has_value());
  EXPECT_TRUE(autoscaler_->Decide(pool_, now_ + absl::Seconds(2)).has_value());
  // A master that stood still has missed its ticks.
  EXPECT_TRUE(autoscaler_->Decide(pool_, now_ + absl::Hours(1)).has_value());
  EXPECT_FALSE(autoscaler_->Decide(pool_, now_ + absl::Hours(1)).has_value());
}

TEST_F(AutoscalerTest, SpareDoublesItsRateWhileWorkersAreTooFew) {
  Make({.mode = AutoscalerMode::kSpare, .min_spare = 2, .max_spare = 40, .max_spawn_rate = 16});
  Load(20, 0);
  EXPECT_EQ(Targets(7), (std::vector<int>{21, 23, 27, 35, 51, 64, 64}));
}

TEST_F(AutoscalerTest, SpareStartsAgainAtOneAfterEnough) {
  Make({.mode = AutoscalerMode::kSpare, .min_spare = 2, .max_spare = 40});
  Load(20, 0);
  EXPECT_EQ(Targets(3), (std::vector<int>{21, 23, 27}));
  pool_.idle = 2;
  EXPECT_EQ(Targets(1), (std::vector<int>{27}));
  pool_.idle = 1;
  EXPECT_EQ(Targets(2), (std::vector<int>{28, 30}));
}

TEST_F(AutoscalerTest, SpareNeverMakesMoreIdleWorkersThanMaxSpare) {
  Make({.mode = AutoscalerMode::kSpare, .min_spare = 2, .max_spare = 3});
  Load(20, 1);
  EXPECT_EQ(Targets(5), (std::vector<int>{21, 23, 25, 27, 29}));
}

TEST_F(AutoscalerTest, WhatIsComingCounts) {
  Make({.mode = AutoscalerMode::kSpare, .min_spare = 2, .max_spare = 10});
  Load(20, 0);
  pool_.coming = 2;
  EXPECT_EQ(TicksUntilDecision(100), -1);
  pool_.coming = 1;
  EXPECT_EQ(TicksUntilDecision(1), 1);
  EXPECT_EQ(decision_.target, 21);
}

TEST_F(AutoscalerTest, ABootThatTakesLongKeepsTheRate) {
  Make({.mode = AutoscalerMode::kSpare, .min_spare = 2, .max_spare = 40});
  Load(20, 0);
  EXPECT_EQ(Targets(2), (std::vector<int>{21, 23}));
  pool_.coming = 5;
  EXPECT_EQ(Targets(3), (std::vector<int>{23, 23, 23}));
  pool_.coming = 0;
  EXPECT_EQ(Targets(2), (std::vector<int>{27, 35}));
}

TEST_F(AutoscalerTest, NoMoreAreComingThanServe) {
  Make({.mode = AutoscalerMode::kSpare, .min_spare = 8, .max_spare = 40});
  Load(3, 0);
  pool_.coming = 3;
  EXPECT_EQ(TicksUntilDecision(100), -1);
  pool_.coming = 2;
  EXPECT_EQ(TicksUntilDecision(1), 1);
  EXPECT_EQ(decision_.target, 4);
  // With nobody left to serve one may come.
  Load(3, 0);
  pool_.ready = 0;
  pool_.coming = 0;
  EXPECT_EQ(TicksUntilDecision(1), 1);
  EXPECT_EQ(decision_.target, 4);
}

TEST_F(AutoscalerTest, SpareGivesUpOneATickAfterTheHold) {
  Make({.mode = AutoscalerMode::kSpare, .min_spare = 1, .max_spare = 4});
  Load(20, 7);
  EXPECT_EQ(TicksUntilDecision(), 31);
  EXPECT_EQ(decision_.kind, Kind::kShrink);
  EXPECT_EQ(decision_.reason,
            "goes from 20 to 19 workers: more than max_spare 4 are idle, for 30s at least (desired "
            "20, ready 20, idle 7, coming 0, draining 0)");
  EXPECT_EQ(Targets(4), (std::vector<int>{18, 17, 17, 17}));
}

TEST_F(AutoscalerTest, OnlyWhatWasTooManyAllTheTimeGoes) {
  Make({.mode = AutoscalerMode::kSpare, .min_spare = 1, .max_spare = 4});
  Load(20, 9);
  Targets(10);
  pool_.idle = 6;  // Two too many, for a moment.
  Targets(1);
  pool_.idle = 9;
  EXPECT_EQ(TicksUntilDecision(), 20);
  EXPECT_EQ(Targets(31), std::vector<int>(31, 18));
  // A hold later, the rest.
  EXPECT_EQ(Targets(4), (std::vector<int>{17, 16, 15, 15}));
}

TEST_F(AutoscalerTest, ABreakInTheSurplusStartsTheHoldAnew) {
  Make({.mode = AutoscalerMode::kSpare, .min_spare = 1, .max_spare = 4});
  Load(20, 5);
  EXPECT_EQ(TicksUntilDecision(30), -1);
  pool_.idle = 4;
  EXPECT_EQ(TicksUntilDecision(1), -1);
  pool_.idle = 5;
  EXPECT_EQ(TicksUntilDecision(), 31);
}

TEST_F(AutoscalerTest, NoCutWhileAProcessDrains) {
  Make({.mode = AutoscalerMode::kSpare});
  Load(20, 10);
  pool_.draining = 1;
  EXPECT_EQ(TicksUntilDecision(1000), -1);
  pool_.draining = 0;
  EXPECT_EQ(TicksUntilDecision(), 1);
}

TEST_F(AutoscalerTest, StaysInItsBounds) {
  Make({.mode = AutoscalerMode::kSpare, .min_workers = 5, .max_workers = 9});
  Load(7, 0);
  EXPECT_EQ(Targets(4), (std::vector<int>{8, 9, 9, 9}));
  Load(7, 7);
  const std::vector<int> targets = Targets(100);
  EXPECT_EQ(*std::min_element(targets.begin(), targets.end()), 5);
  // An operator's target outside of them.
  Load(20, 0);
  EXPECT_EQ(TicksUntilDecision(), 1);
  EXPECT_THAT(decision_.reason, HasSubstr("goes from 20 to 9 workers: max_workers is 9"));
  Load(2, 2);
  EXPECT_EQ(TicksUntilDecision(), 1);
  EXPECT_THAT(decision_.reason, HasSubstr("goes from 2 to 5 workers: min_workers is 5"));
}

TEST_F(AutoscalerTest, ThePoolsSlotsBoundItAsWell) {
  Make({.mode = AutoscalerMode::kSpare, .min_workers = 5, .max_workers = 100});
  pool_.max_workers = 8;
  Load(7, 0);
  EXPECT_EQ(Targets(3), (std::vector<int>{8, 8, 8}));
  pool_.max_workers = 4;
  Load(3, 3);
  EXPECT_EQ(Targets(2), (std::vector<int>{4, 4}));
}

TEST_F(AutoscalerTest, TheMaximumIsToldOnce) {
  Make({.mode = AutoscalerMode::kSpare, .max_workers = 8});
  Load(8, 0);
  for (int episode = 0; episode < 2; ++episode) {
    EXPECT_EQ(TicksUntilDecision(), 1);
    EXPECT_EQ(decision_.kind, Kind::kAtMaximum);
    EXPECT_EQ(decision_.target, 8);
    EXPECT_FALSE(decision_.resizes());
    EXPECT_THAT(decision_.reason,
                HasSubstr("stays at 8 workers: fewer than min_spare 1 are idle, but max_workers is "
                          "8 (desired 8, ready 8, idle 0"));
    for (int i = 0; i < 100; ++i) {
      pool_.idle = i % 2;
      EXPECT_FALSE(Tick().has_value());
    }
    Load(7, 1);
    EXPECT_FALSE(Tick().has_value());
    Load(8, 0);
  }
}

TEST_F(AutoscalerTest, NoGrowthForTenTicksAfterAFailedFork) {
  Make({.mode = AutoscalerMode::kSpare, .min_spare = 2, .max_spare = 40});
  pool_.spawn_failures = 100;  // Long ago.
  Load(20, 0);
  EXPECT_EQ(Targets(2), (std::vector<int>{21, 23}));
  ++pool_.spawn_failures;
  EXPECT_EQ(TicksUntilDecision(), 1);
  EXPECT_EQ(decision_.kind, Kind::kHeldOff);
  EXPECT_FALSE(decision_.resizes());
  EXPECT_THAT(decision_.reason,
              HasSubstr("stays at 23 workers: fewer than min_spare 2 are idle, but workers fail to "
                        "start; no growth for 10 ticks (desired 23"));
  EXPECT_EQ(TicksUntilDecision(), 10);
  EXPECT_EQ(decision_.target, 24);  // At the rate of one again.
  // Failures that go on prolong it, and it is told once.
  ++pool_.spawn_failures;
  EXPECT_EQ(TicksUntilDecision(), 1);
  for (int i = 0; i < 50; ++i) {
    if (i % 5 == 0) ++pool_.spawn_failures;
    EXPECT_FALSE(Tick().has_value()) << i;
  }
}

TEST_F(AutoscalerTest, NoGrowthForTenTicksAfterADeathAtBoot) {
  Make({.mode = AutoscalerMode::kSpare});
  pool_.boot_failed_at = now_ - absl::Seconds(1);  // Before the first tick.
  Load(20, 0);
  EXPECT_EQ(Targets(1), (std::vector<int>{21}));
  pool_.boot_failed_at = now_;
  EXPECT_EQ(TicksUntilDecision(), 1);
  EXPECT_EQ(decision_.kind, Kind::kHeldOff);
  pool_.boot_failed_at = now_ - absl::Minutes(1);  // Its slot is EMPTY now and tells nothing.
  EXPECT_EQ(TicksUntilDecision(), 10);
  pool_.boot_failed_at = now_ - absl::Seconds(11);  // And is there again.
  EXPECT_EQ(TicksUntilDecision(), 1);
  EXPECT_EQ(decision_.kind, Kind::kGrow);
}

TEST_F(AutoscalerTest, ACutThatIsUndoneDoublesTheHoldAndARightOneHalvesIt) {
  Make({.mode = AutoscalerMode::kSpare});
  int hold = 30;
  for (int round = 0; round < 8; ++round) {
    Load(20, 5);
    EXPECT_EQ(TicksUntilDecision(), hold + 1) << round;
    pool_.idle = 0;
    EXPECT_EQ(Targets(1), (std::vector<int>{20}));
    hold = std::min(hold * 2, 30 * 64);
  }
  for (int round = 0; round < 8; ++round) {
    Load(20, 5);
    EXPECT_EQ(TicksUntilDecision(), hold + 1) << round;
    EXPECT_EQ(pool_.idle, 4);
    EXPECT_EQ(TicksUntilDecision(std::max(hold, 300) + 1), -1);
    hold = std::max(hold / 2, 30);
  }
}

TEST_F(AutoscalerTest, OnlyCutsToWhatWasTooFewWaitLonger) {
  Make({.mode = AutoscalerMode::kSpare});
  Load(20, 5);
  EXPECT_EQ(TicksUntilDecision(), 31);
  pool_.idle = 0;
  EXPECT_EQ(Targets(1), (std::vector<int>{20}));
  Load(22, 8);
  EXPECT_EQ(TicksUntilDecision(), 31);
  EXPECT_EQ(decision_.target, 21);
  EXPECT_EQ(TicksUntilDecision(), 1);
  EXPECT_EQ(decision_.target, 20);
  EXPECT_EQ(TicksUntilDecision(), 29);
  EXPECT_EQ(decision_.target, 19);  // That was too few.
  EXPECT_THAT(decision_.reason, HasSubstr("for 1m at least"));
}

TEST_F(AutoscalerTest, AGrowthBlamesACutForTenHolds) {
  for (const int later : {299, 300}) {
    Make({.mode = AutoscalerMode::kSpare});
    Load(20, 5);
    EXPECT_EQ(TicksUntilDecision(), 31);
    EXPECT_EQ(TicksUntilDecision(later), -1);
    pool_.idle = 0;
    EXPECT_EQ(Targets(1), (std::vector<int>{20}));
    Load(20, 5);
    EXPECT_EQ(TicksUntilDecision(), later < 300 ? 61 : 31);
  }
}

TEST_F(AutoscalerTest, BacklogGrowsByTheQueue) {
  Make({.mode = AutoscalerMode::kBacklog, .backlog_target = 4});
  Load(10, 0);
  EXPECT_EQ(TicksUntilDecision(100), -1);  // Unknown, as with unix sockets.
  pool_.backlog = ListenBacklog{.length = 8, .longest = 4, .limit = 100};
  EXPECT_EQ(TicksUntilDecision(100), -1);
  pool_.backlog = ListenBacklog{.length = 9, .longest = 5, .limit = 100};
  EXPECT_EQ(Targets(5), (std::vector<int>{11, 13, 17, 25, 34}));
  pool_.coming = 8;  // One for each that waits.
  EXPECT_EQ(TicksUntilDecision(), 1);
  EXPECT_EQ(decision_.target, 35);
  EXPECT_EQ(decision_.reason,
            "goes from 34 to 35 workers: 5 connections wait at a listener, backlog_target is 4, "
            "spawn rate 32 (desired 34, ready 34, idle 0, coming 8, draining 0, waiting 9 of 100)");
  pool_.coming = 9;
  EXPECT_EQ(TicksUntilDecision(100), -1);
}

TEST_F(AutoscalerTest, AQueueThatShrinksFastNeedsNobody) {
  Make({.mode = AutoscalerMode::kBacklog, .backlog_target = 4});
  Load(10, 0);
  const auto tick_with = [this](int64_t waiting) {
    pool_.backlog = ListenBacklog{.length = waiting, .longest = waiting, .limit = 1000};
    return TicksUntilDecision(1) == 1;
  };
  EXPECT_TRUE(tick_with(224));
  EXPECT_FALSE(tick_with(204));  // Ten more like this.
  EXPECT_FALSE(tick_with(184));
  EXPECT_TRUE(tick_with(170));  // This way it would take more than ten.
  EXPECT_TRUE(tick_with(170));
}

TEST_F(AutoscalerTest, BacklogCutsHalfOfTheIdleAfterEachHoldWithoutQueue) {
  Make({.mode = AutoscalerMode::kBacklog});
  Load(20, 10);
  pool_.backlog = ListenBacklog{.length = 1, .longest = 1, .limit = 100};
  EXPECT_EQ(TicksUntilDecision(1000), -1);
  pool_.backlog->length = pool_.backlog->longest = 0;
  EXPECT_EQ(TicksUntilDecision(), 31);
  EXPECT_THAT(decision_.reason, HasSubstr("no connection waits and workers are idle, for 30s"));
  EXPECT_EQ(Targets(3), (std::vector<int>{18, 17, 16}));
  for (int target = 15; target >= 10; --target) {
    TicksUntilDecision();
    EXPECT_EQ(decision_.target, target);
  }
  EXPECT_EQ(pool_.idle, 0);
  EXPECT_EQ(TicksUntilDecision(1000), -1);
}

TEST_F(AutoscalerTest, CpuGrowsToWhereTheShareIsHigh) {
  Make({.mode = AutoscalerMode::kCpu, .cpu_low = 0.3, .cpu_high = 0.5});
  Load(10, 0);
  EXPECT_EQ(TicksUntilDecision(100), -1);  // Unknown.
  pool_.cpu = 0.5;
  EXPECT_EQ(TicksUntilDecision(100), -1);
  pool_.cpu = 0.9;  // 9 processors in all, so 18 workers.
  EXPECT_EQ(TicksUntilDecision(), 1);
  EXPECT_EQ(decision_.target, 11);
  EXPECT_THAT(decision_.reason,
              HasSubstr("the mean share of a processor is above cpu_high 50%, spawn rate 1 "
                        "(desired 10, ready 10, idle 0, coming 0, draining 0, cpu 90%)"));
  pool_.cpu = 9.0 / 11;
  EXPECT_EQ(Targets(1), (std::vector<int>{13}));
  pool_.cpu = 9.0 / 13;
  EXPECT_EQ(Targets(1), (std::vector<int>{17}));
  pool_.cpu = 9.0 / 17;
  pool_.coming = 1;  // It is the eighteenth.
  EXPECT_EQ(TicksUntilDecision(100), -1);
  pool_.coming = 0;
  EXPECT_EQ(Targets(1), (std::vector<int>{18}));
}

TEST_F(AutoscalerTest, CpuCutsOnlyWhatTheOthersCanTakeOver) {
  Make({.mode = AutoscalerMode::kCpu, .cpu_low = 0.3, .cpu_high = 0.5});
  Load(2, 2);
  pool_.cpu = 0.29;  // One worker would be at 58 %.
  EXPECT_EQ(TicksUntilDecision(1000), -1);
  pool_.cpu = 0.24;
  EXPECT_EQ(TicksUntilDecision(), 31);
  EXPECT_EQ(decision_.target, 1);
  EXPECT_EQ(decision_.reason,
            "goes from 2 to 1 workers: the mean share of a processor is below cpu_low 30%, for 30s "
            "at least (desired 2, ready 2, idle 2, coming 0, draining 0, cpu 24%)");
}

TEST_F(AutoscalerTest, CpuCutsDownToItsLowMark) {
  Make({.mode = AutoscalerMode::kCpu, .cpu_low = 0.3, .cpu_high = 0.6});
  Load(10, 10);
  std::vector<int> targets;
  for (int i = 0; i < 100; ++i) {
    pool_.cpu = 1.6 / pool_.ready;
    if (TicksUntilDecision(1) == 1) targets.push_back(decision_.target);
  }
  EXPECT_EQ(targets, (std::vector<int>{9, 8, 7, 6, 5}));  // At 32 %.
  for (int i = 0; i < 100; ++i) {
    pool_.cpu = 0.0;
    Tick();
  }
  EXPECT_EQ(pool_.desired, 1);
}

TEST_F(AutoscalerTest, ADryRunTellsAndDoesNothing) {
  Make({.mode = AutoscalerMode::kSpare, .dry_run = true});
  Load(20, 0);
  EXPECT_EQ(TicksUntilDecision(), 1);
  EXPECT_FALSE(decision_.resizes());
  EXPECT_EQ(decision_.target, 21);
  EXPECT_THAT(decision_.reason, HasSubstr("would go from 20 to 21 workers: fewer than min_spare"));
  EXPECT_EQ(pool_.desired, 20);
  EXPECT_EQ(TicksUntilDecision(), 60);  // A minute later, still.
  EXPECT_EQ(decision_.target, 21);
  Load(20, 10);
  EXPECT_EQ(TicksUntilDecision(), 31);
  EXPECT_THAT(decision_.reason, HasSubstr("would go from 20 to 19 workers"));
  EXPECT_EQ(TicksUntilDecision(), 60);
  // The operator does it: that is another decision.
  Load(19, 9);
  EXPECT_EQ(TicksUntilDecision(), 1);
  EXPECT_EQ(decision_.target, 18);
  Load(17, 0);
  EXPECT_EQ(TicksUntilDecision(), 1);
  EXPECT_EQ(decision_.target, 18);
  EXPECT_EQ(decision_.kind, Kind::kGrow);
}

TEST_F(AutoscalerTest, APoolThatStopsIsLeftAlone) {
  Make({.mode = AutoscalerMode::kSpare, .min_workers = 10});
  Load(4, 0);
  pool_.shutting_down = true;
  EXPECT_EQ(TicksUntilDecision(100), -1);
}

}  // namespace
}  // namespace squall
