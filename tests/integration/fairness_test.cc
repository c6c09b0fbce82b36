// How AcceptPolicy::kBalanced spreads connections over real workers: evenly, with one wake-up each,
// and never behind a blocking handler while another worker is free. tests/load/fairness.cc and
// head_of_line.cc print the figures of all policies.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"
#include "squall/netutil/accept.h"
#include "squall/tests/load/measured_pool.h"

namespace squall {
namespace {

using testing::AnswerAtOnce;
using testing::MeasuredPool;
using testing::Spread;
using testing::SpreadOf;
using testing::WorkerTally;

constexpr int kConnections = 400;
// From an accept to the next connection of those that come one after the other.
constexpr absl::Duration kPause = absl::Microseconds(500);
// A worker that others keep from the processor for a whole burst gets nothing of it, so that what
// is promised is the median of a few.
constexpr int kRounds = 5;

template <typename T>
T Median(std::vector<T> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

enum class Arrival { kSequential, kConcurrent };

class FairnessTest : public ::testing::TestWithParam<int> {
 protected:
  struct Round {
    int64_t difference;  // of the worker with the most and the one with the fewest connections
    double wakeups;      // per connection
  };

  static Round Measure(int workers, Arrival arrival) {
    MeasuredPool pool({.workers = workers, .policy = AcceptPolicy::kBalanced});
    std::vector<UniqueFd> clients;
    for (int i = 0; i < kConnections; ++i) {
      clients.push_back(pool.Connect());
      if (arrival == Arrival::kConcurrent) continue;
      pool.WaitUntilAccepted(i + 1);
      absl::SleepFor(kPause);
    }
    pool.WaitUntilAccepted(kConnections);
    EXPECT_EQ(pool.accepted(), kConnections);
    const Spread spread = SpreadOf(pool.AcceptedByWorker());
    clients.clear();
    uint64_t wakeups = 0;
    for (const WorkerTally& tally : pool.Stop()) wakeups += tally.accepts.wakeups;
    return {.difference = spread.max - spread.min,
            .wakeups = static_cast<double>(wakeups) / kConnections};
  }

  static void ExpectSpread(int workers, Arrival arrival, double most) {
    std::vector<int64_t> differences;
    std::vector<double> wakeups;
    for (int i = 0; i < kRounds; ++i) {
      const Round round = Measure(workers, arrival);
      differences.push_back(round.difference);
      wakeups.push_back(round.wakeups);
    }
    EXPECT_LE(static_cast<double>(Median(differences)), most)
        << ::testing::PrintToString(differences);
    EXPECT_LE(Median(wakeups), 1.1) << ::testing::PrintToString(wakeups);
  }
};

INSTANTIATE_TEST_SUITE_P(Workers, FairnessTest, ::testing::Values(2, 4, 8, 16));

TEST_P(FairnessTest, OneAfterTheOther) { ExpectSpread(GetParam(), Arrival::kSequential, 2); }

TEST_P(FairnessTest, AllAtOnce) {
  const double mean = static_cast<double>(kConnections) / GetParam();
  ExpectSpread(GetParam(), Arrival::kConcurrent, std::max(2.0, 0.1 * mean));
}

TEST(HeadOfLineTest, FourBlockingRequestsTakeTwoRoundsOfTwoWorkers) {
  const int slowness = std::getenv("SQUALL_SLOW") != nullptr ? 5 : 1;
  MeasuredPool pool({.workers = 2, .policy = AcceptPolicy::kBalanced});
  std::vector<absl::Duration> rounds;
  for (int i = 0; i < 10; ++i) rounds.push_back(AnswerAtOnce(pool, 4, "/block?ms=500"));
  EXPECT_LE(Median(rounds), absl::Seconds(1) + slowness * absl::Milliseconds(100));
  // A request that waits behind another one although a worker is free makes it 1.5 s.
  EXPECT_LE(std::count_if(rounds.begin(), rounds.end(),
                          [](absl::Duration time) { return time >= absl::Seconds(1.45); }),
            1)
      << ::testing::PrintToString(rounds);
}

}  // namespace
}  // namespace squall
