// AcceptPolicy::kReusePort in whole pools: what waits in the queue of a worker that blocks, stops or
// dies.

#include <signal.h>
#include <sys/types.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"
#include "squall/netutil/accept.h"
#include "squall/tests/load/measured_pool.h"

namespace squall {
namespace {

using ::testing::Each;
using testing::MeasuredPool;

constexpr int kQueued = 40;

absl::Duration Slow(absl::Duration duration) {
  return std::getenv("SQUALL_SLOW") != nullptr ? 5 * duration : duration;
}

void WaitUntil(const std::function<bool()>& condition) {
  const absl::Time deadline = absl::Now() + absl::Minutes(1);
  while (!condition()) {
    ASSERT_LT(absl::Now(), deadline);
    absl::SleepFor(absl::Milliseconds(1));
  }
}

std::vector<UniqueFd> Ask(const MeasuredPool& pool, const char* target, int count) {
  std::vector<UniqueFd> clients;
  for (int i = 0; i < count; ++i) {
    clients.push_back(pool.Connect());
    MeasuredPool::SendRequest(clients.back(), target);
  }
  return clients;
}

std::vector<int> Statuses(const std::vector<UniqueFd>& clients) {
  std::vector<int> statuses;
  for (const UniqueFd& client : clients) statuses.push_back(MeasuredPool::ReadStatus(client));
  return statuses;
}

// The first worker, once it has answered something; it waits for a connection then.
pid_t FirstWorker(const MeasuredPool& pool) {
  WaitUntil([&] {
    testing::AnswerAtOnce(pool, 1, "/");
    return pool.AcceptedByWorker()[0] > 0;
  });
  return pool.worker_pid(0);
}

// Kills the first worker while connections wait in its queue, which it has no time to accept. How
// each connection was answered.
std::vector<int> KillWithAQueue(const MeasuredPool& pool) {
  const pid_t victim = FirstWorker(pool);
  EXPECT_EQ(::kill(victim, SIGSTOP), 0);
  const std::vector<UniqueFd> queued = Ask(pool, "/", kQueued);
  EXPECT_EQ(::kill(victim, SIGKILL), 0);
  return Statuses(queued);
}

TEST(ReusePortTest, TheReplacementAnswersWhatADeadWorkerLeaves) {
  const MeasuredPool pool({.workers = 2, .policy = AcceptPolicy::kReusePort});
  EXPECT_THAT(KillWithAQueue(pool), Each(200));
}

TEST(ReusePortTest, ASiblingAnswersWhatADeadWorkerLeaves) {
  const MeasuredPool pool({.workers = 2,
                           .policy = AcceptPolicy::kReusePort,
                           .backoff = {.initial = absl::Hours(1), .max = absl::Hours(1)}});
  // The first death is replaced at once, the second after an hour.
  const pid_t first = FirstWorker(pool);
  ASSERT_EQ(::kill(first, SIGKILL), 0);
  WaitUntil([&] { return pool.worker_pid(0) != first && pool.serving() == 2; });
  EXPECT_THAT(KillWithAQueue(pool), Each(200));
  pool.WaitUntilServing(1);
  // The kernel leaves the dead worker's socket out now: nobody waits for a sibling to look.
  std::vector<absl::Duration> times;
  for (int i = 0; i < 21; ++i) times.push_back(testing::AnswerAtOnce(pool, 1, "/"));
  std::sort(times.begin(), times.end());
  EXPECT_LT(times[16], Slow(absl::Milliseconds(20)));
}

TEST(ReusePortTest, ASiblingAnswersWhatWaitsForAStoppedWorker) {
  const MeasuredPool pool({.workers = 2, .policy = AcceptPolicy::kReusePort});
  const pid_t stopped = FirstWorker(pool);
  ASSERT_EQ(::kill(stopped, SIGSTOP), 0);
  EXPECT_THAT(Statuses(Ask(pool, "/", kQueued)), Each(200));
  EXPECT_EQ(::kill(stopped, SIGCONT), 0);
}

}  // namespace
}  // namespace squall
