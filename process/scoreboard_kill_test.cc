// Writers of the scoreboard are killed at random moments: readers must never hang, totals must
// never go back, what is torn must be said to be torn.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <random>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/base/status_matchers.h"
#include "squall/process/scoreboard.h"

namespace squall {
namespace {

constexpr int kKills = 2000;

// Kills `pid` after it has run for a random moment, and reaps it.
void KillSoon(pid_t pid, std::mt19937& random) {
  // Time in which the child may be anywhere in its loop; nothing depends on how far it got.
  const absl::Time until = absl::Now() + absl::Microseconds(random() % 400);
  while (absl::Now() < until) {
  }
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
}

[[noreturn]] void ServeForEver(WorkerRow& row, const std::atomic<bool>* started) {
  const_cast<std::atomic<bool>*>(started)->store(true);
  const std::string target(120, 'x');
  for (int64_t i = 1;; ++i) {
    row.Add(WorkerCounter::kAccepted);
    row.AddConnections(1);
    row.BeginRequest("GET", target, MonotonicTime::FromNanos(i));
    row.CountResponse(200);
    row.Add(WorkerCounter::kBytesOut, 100);
    row.EndRequest();
    row.AddConnections(-1);
    row.Heartbeat(MonotonicTime::FromNanos(i));
  }
}

bool Less(const WorkerCounters& a, const WorkerCounters& b) {
  for (size_t i = 0; i < a.values.size(); ++i) {
    if (a.values[i] < b.values[i]) return true;
  }
  return false;
}

TEST(ScoreboardKillTest, KilledWorkersNeitherBlockReadersNorTakeTotalsBack) {
  auto board = Scoreboard::Create(2);
  ASSERT_THAT(board, IsOk());
  auto reading = Scoreboard::MapReadOnly(board->fd());
  ASSERT_THAT(reading, IsOk());

  // A reader beside master and workers, in a process of its own as the control process is; it exits
  // with 1 as soon as a total goes back.
  const pid_t reader = fork();
  if (reader == 0) {
    WorkerCounters last;
    while (getppid() != 1) {
      const PoolSnapshot snapshot = reading->Read(Clock::Real().Now());
      if (Less(snapshot.totals, last)) _exit(1);
      last = snapshot.totals;
    }
    _exit(2);
  }

  std::mt19937 random(12345);
  SlotView view;
  view.slot = 0;
  view.state = WorkerState::kReady;
  int torn = 0;
  uint64_t previous = 0;
  absl::Duration slowest;
  WorkerCounters last;
  for (int i = 1; i <= kKills; ++i) {
    view.incarnation = static_cast<uint64_t>(i);
    view.pid = fork();
    ASSERT_GE(view.pid, 0);
    if (view.pid == 0) {
      std::atomic<bool> started{false};
      board->worker_row(0).Enter({.process = {0, view.incarnation}});
      ServeForEver(board->worker_row(0), &started);
    }
    board->PublishSlot(view);
    KillSoon(view.pid, random);

    const absl::Time before = absl::Now();
    const PoolSnapshot dead = board->Read(Clock::Real().Now());
    slowest = std::max(slowest, absl::Now() - before);
    ASSERT_EQ(dead.workers.size(), 1u);
    ASSERT_EQ(dead.workers[0].counters[WorkerCounter::kAccepted],
              dead.totals[WorkerCounter::kAccepted] - previous);
    torn += dead.workers[0].request_torn;
    ASSERT_FALSE(Less(dead.totals, last));
    last = dead.totals;
    previous = dead.totals[WorkerCounter::kAccepted];

    board->FoldWorker(0);
    const PoolSnapshot folded = board->Read(Clock::Real().Now());
    ASSERT_FALSE(folded.workers[0].request_torn);
    ASSERT_EQ(folded.workers[0].counters[WorkerCounter::kAccepted], 0u);
    ASSERT_EQ(folded.connections, 0);
    ASSERT_EQ(folded.totals[WorkerCounter::kAccepted], previous);
  }
  EXPECT_GT(previous, 0u);
  RecordProperty("torn_requests", torn);
  RecordProperty("slowest_read_us", static_cast<int>(absl::ToInt64Microseconds(slowest)));
  // Most of a worker's time goes into the request line, so of thousands of kills some hit it; none
  // would mean that tearing is not seen.
  EXPECT_GT(torn, 0);

  int status = 0;
  ASSERT_EQ(waitpid(reader, &status, WNOHANG), 0) << "a total went back, status " << status;
  ASSERT_EQ(kill(reader, SIGKILL), 0);
  ASSERT_EQ(waitpid(reader, &status, 0), reader);
}

TEST(ScoreboardKillTest, AMasterKilledWhilePublishingLeavesARowThatIsSaidToBeTorn) {
  std::mt19937 random(54321);
  int torn = 0;
  int whole = 0;
  for (int i = 0; i < kKills && (torn == 0 || whole == 0 || i < kKills / 4); ++i) {
    auto board = Scoreboard::Create(1);
    ASSERT_THAT(board, IsOk());
    board->worker_row(0).Add(WorkerCounter::kRequests, 5);
    const pid_t master = fork();
    ASSERT_GE(master, 0);
    if (master == 0) {
      SlotView view;
      view.state = WorkerState::kReady;
      PoolView pool;
      while (true) {
        ++view.incarnation;
        view.restarts = view.incarnation;
        board->PublishSlot(view);
        board->FoldWorker(0);
        ++pool.generation;
        pool.observed_generation = pool.generation;
        board->PublishPool(pool);
      }
    }
    // On a busy machine the child may start later than it would be killed.
    while (true) {
      const PoolSnapshot begun = board->Read(Clock::Real().Now());
      if (begun.torn || begun.pool.generation > 0) break;
    }
    KillSoon(master, random);
    const PoolSnapshot snapshot = board->Read(Clock::Real().Now());
    ASSERT_EQ(snapshot.totals[WorkerCounter::kRequests], 5u);
    if (!snapshot.torn) {
      ASSERT_EQ(snapshot.pool.generation, snapshot.pool.observed_generation);
    }
    for (const WorkerSnapshot& worker : snapshot.workers) {
      ASSERT_EQ(worker.slot.incarnation, worker.slot.restarts);
      torn += worker.torn;
      whole += !worker.torn;
    }
    torn += snapshot.torn;
  }
  EXPECT_GT(torn, 0);
  EXPECT_GT(whole, 0);
  RecordProperty("torn", torn);
}

}  // namespace
}  // namespace squall
