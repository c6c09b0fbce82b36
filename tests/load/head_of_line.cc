// How long requests wait behind blocking handlers, for each accept policy.
//
//   bazel run --config=opt //tests/load:head_of_line
//
// First, 2 workers and 4 requests at once to a handler that blocks for 0.5 s: two rounds of two are
// 1.0 s, and whoever has a request wait behind another one while the other worker is free
// needs 1.5 s. Second, 2 workers, one of them blocked for 200 ms: fast requests, each on a
// connection of its own, one after the other.
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "squall/base/flags.h"
#include "squall/base/logging.h"
#include "squall/base/unique_fd.h"
#include "squall/tests/load/accept_policies.h"
#include "squall/tests/load/measured_pool.h"

ABSL_FLAG(std::string, policy, "", "only this one");
ABSL_FLAG(int, rounds, 100, "rounds of 4 requests");
ABSL_FLAG(int, blocks, 50, "times that a worker blocks beside fast requests");

namespace {

using squall::testing::MeasuredPool;
using squall::testing::NamedPolicy;

absl::Duration Quantile(std::vector<absl::Duration>& values, double quantile) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(quantile * static_cast<double>(values.size() - 1))];
}

void FourRequestsAtOnce(const NamedPolicy& named) {
  constexpr absl::Duration kInTime = absl::Milliseconds(1100);
  MeasuredPool pool({.workers = 2, .policy = named.policy});
  std::vector<absl::Duration> rounds;
  for (int i = 0; i < absl::GetFlag(FLAGS_rounds); ++i) {
    rounds.push_back(squall::testing::AnswerAtOnce(pool, 4, "/block?ms=500"));
  }
  const auto in_time = std::count_if(rounds.begin(), rounds.end(),
                                     [](absl::Duration time) { return time <= kInTime; });
  std::printf(
      "%-12s %8.3f %8.3f %8.3f %8d of %d\n", named.name, absl::ToDoubleSeconds(Quantile(rounds, 0)),
      absl::ToDoubleSeconds(Quantile(rounds, 0.5)), absl::ToDoubleSeconds(Quantile(rounds, 1)),
      static_cast<int>(in_time), static_cast<int>(rounds.size()));
  std::fflush(stdout);
}

void FastBesideBlocked(const NamedPolicy& named) {
  MeasuredPool pool({.workers = 2, .policy = named.policy});
  std::vector<absl::Duration> times;
  for (int i = 0; i < absl::GetFlag(FLAGS_blocks); ++i) {
    const absl::Time start = absl::Now();
    const squall::UniqueFd blocked = pool.Connect();
    MeasuredPool::SendRequest(blocked, "/block?ms=200");
    while (absl::Now() < start + absl::Milliseconds(180)) {
      times.push_back(squall::testing::AnswerAtOnce(pool, 1, "/"));
    }
    MeasuredPool::ReadAnswer(blocked);
  }
  std::printf("%-12s %8d %8.3f %8.3f %8.3f %8.3f\n", named.name, static_cast<int>(times.size()),
              absl::ToDoubleMilliseconds(Quantile(times, 0.5)),
              absl::ToDoubleMilliseconds(Quantile(times, 0.99)),
              absl::ToDoubleMilliseconds(Quantile(times, 0.999)),
              absl::ToDoubleMilliseconds(Quantile(times, 1)));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  squall::ParseFlagsOrExit(argc, argv, "head_of_line: waiting behind blocking handlers");
  squall::InitLogging({.min_level = squall::LogLevel::kWarning});
  const std::vector<NamedPolicy> policies =
      squall::testing::PoliciesOrExit(absl::GetFlag(FLAGS_policy));
  std::printf(
      "2 workers, 4 requests at once that block for 0.5 s; seconds until all are answered\n"
      "%-12s %8s %8s %8s %8s\n",
      "policy", "min", "median", "max", "<= 1.1 s");
  std::fflush(stdout);
  for (const NamedPolicy& named : policies) FourRequestsAtOnce(named);
  std::printf(
      "\n2 workers, one of them blocked; milliseconds of fast requests beside it\n"
      "%-12s %8s %8s %8s %8s %8s\n",
      "policy", "requests", "median", "p99", "p99.9", "max");
  std::fflush(stdout);
  for (const NamedPolicy& named : policies) FastBesideBlocked(named);
  return 0;
}
