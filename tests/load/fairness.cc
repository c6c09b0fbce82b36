// How evenly each accept policy spreads long-lived connections over the workers of a pool, and at
// what cost.
//
//   bazel run --config=opt //tests/load:fairness
//
// Sequential: each connection is opened a moment after the one before it was accepted. Concurrent:
// all are opened at once, without waiting. Per connection: wake-ups by the listener, accepts in vain,
// epoll_ctl calls for the listener, times that a worker went to sleep, and processor time of the
// workers (with the connection's own registration).
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "squall/base/flags.h"
#include "squall/base/logging.h"
#include "squall/base/unique_fd.h"
#include "squall/netutil/accept.h"
#include "squall/tests/load/accept_policies.h"
#include "squall/tests/load/measured_pool.h"

ABSL_FLAG(int, connections, 400, "connections per round");
ABSL_FLAG(absl::Duration, pause, absl::Microseconds(500),
          "from an accept to the next sequential connection");
ABSL_FLAG(std::string, policy, "", "only this one");
ABSL_FLAG(int, rounds, 5, "pools per row; the round with the median coefficient is printed");

namespace {

using squall::AcceptPolicy;
using squall::testing::MeasuredPool;
using squall::testing::NamedPolicy;
using squall::testing::Spread;
using squall::testing::WorkerTally;

enum class Arrival { kSequential, kConcurrent };

struct Round {
  Spread spread;
  absl::Duration until_accepted;
  double wakeups = 0;
  double would_block = 0;
  double epoll_ctls = 0;
  double sleeps = 0;
  absl::Duration cpu;
};

Round Measure(AcceptPolicy policy, int workers, Arrival arrival) {
  const int count = absl::GetFlag(FLAGS_connections);
  MeasuredPool pool({.workers = workers, .policy = policy});
  std::vector<squall::UniqueFd> clients;
  const absl::Time start = absl::Now();
  for (int i = 0; i < count; ++i) {
    clients.push_back(pool.Connect());
    if (arrival == Arrival::kConcurrent) continue;
    pool.WaitUntilAccepted(i + 1);
    absl::SleepFor(absl::GetFlag(FLAGS_pause));
  }
  pool.WaitUntilAccepted(count);
  Round round;
  round.until_accepted = absl::Now() - start;
  round.spread = squall::testing::SpreadOf(pool.AcceptedByWorker());
  clients.clear();
  for (const WorkerTally& tally : pool.Stop()) {
    round.wakeups += static_cast<double>(tally.accepts.wakeups) / count;
    round.would_block += static_cast<double>(tally.accepts.would_block) / count;
    round.epoll_ctls += static_cast<double>(tally.accepts.epoll_ctls) / count;
    round.sleeps += static_cast<double>(tally.sleeps) / count;
    round.cpu += tally.cpu / count;
  }
  return round;
}

void Print(const char* policy, int workers, Arrival arrival, std::vector<Round> rounds) {
  int64_t worst = 0;
  for (const Round& round : rounds) worst = std::max(worst, round.spread.max - round.spread.min);
  std::sort(rounds.begin(), rounds.end(), [](const Round& a, const Round& b) {
    return a.spread.coefficient_of_variation < b.spread.coefficient_of_variation;
  });
  const Round& median = rounds[rounds.size() / 2];
  std::printf("%-10s %7d %-10s %4d %4d %5.3f %5d %7.2f %6.2f %9.2f %6.2f %6.1f %7.1f\n", policy,
              workers, arrival == Arrival::kSequential ? "sequential" : "concurrent",
              static_cast<int>(median.spread.max), static_cast<int>(median.spread.min),
              median.spread.coefficient_of_variation, static_cast<int>(worst), median.wakeups,
              median.would_block, median.epoll_ctls, median.sleeps,
              absl::ToDoubleMicroseconds(median.cpu),
              absl::ToDoubleMilliseconds(median.until_accepted));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  squall::ParseFlagsOrExit(argc, argv, "fairness: connections by worker, for each accept policy");
  squall::InitLogging({.min_level = squall::LogLevel::kWarning});
  const std::vector<NamedPolicy> policies =
      squall::testing::PoliciesOrExit(absl::GetFlag(FLAGS_policy));
  std::printf(
      "%d connections; the median of %d rounds, and the worst max - min of them\n"
      "%-10s %7s %-10s %4s %4s %5s %5s %7s %6s %9s %6s %6s %7s\n",
      absl::GetFlag(FLAGS_connections), absl::GetFlag(FLAGS_rounds), "policy", "workers", "arrival",
      "max", "min", "CV", "worst", "wakeups", "EAGAIN", "epoll_ctl", "sleeps", "CPU us", "all ms");
  std::fflush(stdout);
  for (const NamedPolicy& named : policies) {
    for (const int workers : {2, 4, 8, 16}) {
      for (const Arrival arrival : {Arrival::kSequential, Arrival::kConcurrent}) {
        std::vector<Round> rounds;
        for (int i = 0; i < absl::GetFlag(FLAGS_rounds); ++i) {
          rounds.push_back(Measure(named.policy, workers, arrival));
        }
        Print(named.name, workers, arrival, std::move(rounds));
      }
    }
  }
  return 0;
}
