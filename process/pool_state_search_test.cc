// Every order of events in pools of one to three slots, see PoolSearch. The bound of each search is
// the number of deviations from a course without requests and faults; two have none. Further:
//   bazel test //process:pool_state_search_test --test_env=SQUALL_DEVIATIONS=5 --test_timeout=3600
#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/process/pool_options.h"
#include "squall/process/testing/pool_search.h"

namespace squall::testing {
namespace {

// More than there are in the way to any state.
constexpr int kNoBound = 1000;

const std::vector<PoolMove>& EveryMove() {
  static const auto* moves =
      new std::vector<PoolMove>{PoolMove::kForkFails, PoolMove::kExit3,   PoolMove::kCrash,
                                PoolMove::kAbort,     PoolMove::kReplace, PoolMove::kKill,
                                PoolMove::kResize,    PoolMove::kRestart, PoolMove::kShutdown};
  return *moves;
}

// Every wait is as short as it can be without being the same as others.
PoolOptions Small() {
  return {.desired = 2,
          .max_workers = 3,
          .surge_slots = 1,
          .boot_timeout = absl::Seconds(2),
          .drain = {.grace = absl::Seconds(1), .kill_after = absl::Seconds(1)},
          .backoff = {.initial = absl::Seconds(1),
                      .multiplier = 1,
                      .max = absl::Seconds(1),
                      .jitter = 0,
                      .healthy_after = absl::Seconds(2)},
          .breaker = {.deaths = 1, .window = absl::Seconds(2), .cool_down = absl::Seconds(2)},
          .restart = {.max_surge = 1, .soak = absl::Seconds(1), .max_failures = 2}};
}

PoolOptions Shortest() {
  PoolOptions options = Small();
  options.boot_timeout = absl::Seconds(1);
  options.backoff.healthy_after = absl::Seconds(1);
  options.breaker = {.deaths = 0, .window = absl::Seconds(1), .cool_down = absl::Seconds(1)};
  return options;
}

// The search finds nothing wrong, and is no smaller than it was.
void Expect(const PoolOptions& options, const std::vector<PoolMove>& moves, int deviations,
            size_t least_expanded) {
  const char* text = std::getenv("SQUALL_DEVIATIONS");
  int more;
  if (text != nullptr && absl::SimpleAtoi(text, &more) && deviations != kNoBound) deviations = more;
  PoolSearch search(options, moves);
  search.Run(deviations);
  std::cout << search.Summary() << "\n";
  EXPECT_EQ(search.error(), "");
  EXPECT_GE(search.expanded(), least_expanded);
}

TEST(PoolStateSearchTest, OneSlotWholly) {
  PoolOptions options = Shortest();
  options.desired = options.max_workers = 1;
  Expect(options,
         {PoolMove::kForkFails, PoolMove::kExit3, PoolMove::kAbort, PoolMove::kResize,
          PoolMove::kRestart, PoolMove::kShutdown},
         kNoBound, 100'000);
}

TEST(PoolStateSearchTest, TwoSlotsWithoutReplacementWholly) {
  PoolOptions options = Shortest();
  options.max_workers = 2;
  options.surge_slots = 0;
  options.restart = {.max_surge = 0, .max_unavailable = 1};
  Expect(options,
         {PoolMove::kForkFails, PoolMove::kExit3, PoolMove::kAbort, PoolMove::kResize,
          PoolMove::kShutdown},
         kNoBound, 60'000);
}

TEST(PoolStateSearchTest, AnyThreeDeviations) { Expect(Small(), EveryMove(), 3, 50'000); }

TEST(PoolStateSearchTest, AnyThreeDeviationsWithoutSurge) {
  PoolOptions options = Small();
  options.surge_slots = 0;
  options.restart = {.max_surge = 0,
                     .max_unavailable = 1,
                     .min_healthy = 1,
                     .soak = absl::Seconds(1),
                     .max_failures = 1,
                     .on_failure = OnRestartFailure::kPause};
  Expect(options, EveryMove(), 3, 30'000);
}

TEST(PoolStateSearchTest, AnyFourDeviationsInTwoSlots) {
  PoolOptions options = Small();
  options.max_workers = 2;
  Expect(options, {PoolMove::kExit3, PoolMove::kResize, PoolMove::kRestart}, 4, 40'000);
}

TEST(PoolStateSearchTest, AnyFourDeviationsOfOneTarget) {
  Expect(Small(),
         {PoolMove::kForkFails, PoolMove::kExit3, PoolMove::kAbort, PoolMove::kReplace,
          PoolMove::kKill, PoolMove::kRestart},
         4, 100'000);
}

TEST(PoolStateSearchTest, AnyFiveDeviationsOfARestart) {
  Expect(Small(), {PoolMove::kForkFails, PoolMove::kExit3, PoolMove::kRestart}, 5, 70'000);
}

}  // namespace
}  // namespace squall::testing
