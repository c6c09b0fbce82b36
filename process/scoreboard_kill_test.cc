// Writers of the scoreboard are killed at random moments, ten thousand times, beside readers that go
// on: none of them waits for the dead, totals never go back, what is torn is said to be torn.
// scoreboard_step_test chooses the moments; here writers run at their full speed.
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/base/status_matchers.h"
#include "squall/process/scoreboard.h"
#include "squall/process/worker_row.h"
#include "squall/process/worker_sample.h"

namespace squall {
namespace {

int Kills() { return std::getenv("SQUALL_SLOW") != nullptr ? 1'000 : 10'000; }

// Half of the reads are faster than this, whoever was killed.
constexpr absl::Duration kPassMark = absl::Milliseconds(1);

// Has the kernel send SIGKILL to this process in a random moment of at most 100 µs, as it comes: with
// the signals sent by another process, most of the test would be waiting for the scheduler.
void DieSoon(std::mt19937& random) {
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGKILL;
  timer_t timer;
  itimerspec moment = {};
  moment.it_value.tv_nsec = static_cast<long>(1 + random() % 100'000);
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) _exit(1);
  if (timer_settime(timer, 0, &moment, nullptr) != 0) _exit(1);
}

void Reap(pid_t pid) {
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
}

// Calls `write(i)` for i = 1, 2, ... until it dies in a random moment. The first calls are before
// that is decided: they fault the pages in, which may take longer than the moment is away.
template <typename Write>
[[noreturn]] void WriteUntilDead(std::mt19937& random, Write write) {
  int64_t i = 1;
  while (i <= 2) write(i++);
  DieSoon(random);
  while (true) write(i++);
}

void Serve(WorkerRow& row, const std::string& target, int64_t i) {
  const MonotonicTime now = MonotonicTime::FromNanos(i);
  row.Add(WorkerCounter::kAccepted);
  row.AddConnections(1);
  row.BeginRequest("GET", target, now);
  row.CountResponse(200);
  row.Add(WorkerCounter::kBytesOut, 100);
  row.RecordLatency(MonotonicTime(), now);
  row.EndRequest();
  row.AddConnections(-1);
  row.Heartbeat(now);
  row.loop_meter()->EndTurn(i & 0xff);
}

bool Less(const WorkerCounters& a, const WorkerCounters& b) {
  for (size_t i = 0; i < a.values.size(); ++i) {
    if (a.values[i] < b.values[i]) return true;
  }
  return false;
}

// A reader in a process of its own, as the control process is, that reads as fast as it can.
class Reader {
 public:
  explicit Reader(const Scoreboard& board)
      : found_(new (mmap(nullptr, sizeof(Found), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                         -1, 0)) Found{}) {
    pid_ = fork();
    if (pid_ == 0) ReadForEver(board);
  }
  ~Reader() {
    if (pid_ > 0) Stop();
    munmap(found_, sizeof(Found));
  }

  void Stop() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

  uint64_t went_back() const { return found_->went_back; }
  uint64_t reads() const { return found_->fast + found_->slow; }
  uint64_t slow() const { return found_->slow; }

 private:
  struct Found {
    std::atomic<uint64_t> went_back{0};
    std::atomic<uint64_t> fast{0};
    std::atomic<uint64_t> slow{0};  // Slower than the pass mark.
  };

  [[noreturn]] void ReadForEver(const Scoreboard& board) {
    WorkerCounters last;
    uint64_t last_answers = 0;
    while (getppid() != 1) {
      const MonotonicTime before = Clock::Real().Now();
      const PoolSnapshot snapshot = board.Read(before);
      ++(Clock::Real().Now() - before <= kPassMark ? found_->fast : found_->slow);
      const uint64_t answers = snapshot.latency.count();
      if (Less(snapshot.totals, last) || answers < last_answers) ++found_->went_back;
      last = snapshot.totals;
      last_answers = answers;
    }
    _exit(0);
  }

  Found* const found_;
  pid_t pid_ = 0;
};

TEST(ScoreboardKillTest, KilledWorkersNeitherBlockReadersNorTakeTotalsBack) {
  constexpr int kWorkers = 8;  // At the same time.
  auto board = Scoreboard::Create(kWorkers);
  ASSERT_THAT(board, IsOk());
  auto reading = Scoreboard::MapReadOnly(board->fd());
  ASSERT_THAT(reading, IsOk());
  Reader reader(*reading);
  const auto accepted = [&](int row) {
    return board->worker_row(row).counter(WorkerCounter::kAccepted);
  };

  std::mt19937 random(12345);
  int torn = 0;
  std::vector<absl::Duration> reads;
  PoolSnapshot last;
  for (int round = 1; round <= Kills() / kWorkers; ++round) {
    pid_t pids[kWorkers];
    uint64_t before[kWorkers];
    for (int i = 0; i < kWorkers; ++i) {
      SlotView view;
      view.slot = view.row = i;
      view.state = WorkerState::kReady;
      view.incarnation = static_cast<uint64_t>(round);
      before[i] = accepted(i);
      // So that each child has its own.
      random.discard(1);
      pids[i] = fork();
      ASSERT_GE(pids[i], 0);
      if (pids[i] == 0) {
        board->worker_row(i).Enter({.process = {i, view.incarnation}});
        const std::string target(120, 'x');
        WriteUntilDead(random, [&](int64_t n) { Serve(board->worker_row(i), target, n); });
      }
      board->PublishSlot(view);
    }
    for (const pid_t pid : pids) ASSERT_NO_FATAL_FAILURE(Reap(pid));

    for (int i = 0; i < kWorkers; ++i) {
      const MonotonicTime start = Clock::Real().Now();
      const PoolSnapshot dead = board->Read(start);
      reads.push_back(Clock::Real().Now() - start);
      ASSERT_EQ(dead.workers.size(), static_cast<size_t>(kWorkers));
      ASSERT_EQ(dead.workers[i].counters[WorkerCounter::kAccepted], accepted(i) - before[i]);
      torn += dead.workers[i].request_torn;
      ASSERT_FALSE(Less(dead.totals, last.totals));
      ASSERT_GE(dead.latency.count(), last.latency.count());
      last = dead;

      board->FoldWorker(i);
      const PoolSnapshot folded = board->Read(Clock::Real().Now());
      ASSERT_EQ(folded.workers[i].counters[WorkerCounter::kAccepted], 0u);
      ASSERT_EQ(folded.workers[i].latency.count(), 0u);
      ASSERT_EQ(folded.workers[i].connections, 0);
      ASSERT_EQ(folded.totals.values, dead.totals.values);
      ASSERT_EQ(folded.latency.count(), dead.latency.count());
    }
  }
  // Much of a worker's time goes into the request line, so of thousands of kills some hit it; none
  // would mean that tearing is not seen.
  EXPECT_GT(torn, 0);
  reader.Stop();
  EXPECT_EQ(reader.went_back(), 0u);
  EXPECT_GT(reader.reads(), 0u);
  EXPECT_LE(reader.slow(), reader.reads() / 2);
  std::sort(reads.begin(), reads.end());
  EXPECT_LE(reads[reads.size() / 2], kPassMark);
  std::cout << "kill -9 while the scoreboard is written: " << reads.size() << " kills, read in "
            << reads[reads.size() / 2] << " (mark " << kPassMark << "), slowest " << reads.back()
            << "; of " << reader.reads() << " reads beside, " << reader.slow()
            << " were slower than that; " << torn << " requests torn, no total went back\n";
}

TEST(ScoreboardKillTest, AMasterKilledWhilePublishingLeavesWhatWasThereBefore) {
  // Where programs are slow, few are killed while they publish.
  constexpr int kMost = 2'000;
  std::mt19937 random(54321);
  int torn = 0;
  int whole = 0;
  for (int i = 0; i < kMost && (torn == 0 || whole == 0 || i < Kills() / 20); ++i) {
    auto board = Scoreboard::Create(1);
    ASSERT_THAT(board, IsOk());
    board->worker_row(0).Add(WorkerCounter::kRequests, 5);
    SlotView view;
    view.state = WorkerState::kReady;
    board->PublishSlot(view);
    random.discard(1);
    const pid_t master = fork();
    ASSERT_GE(master, 0);
    if (master == 0) {
      PoolView pool;
      const WorkerSample sample;
      WriteUntilDead(random, [&](int64_t) {
        ++view.generation;
        view.restarts = view.deaths[3] = view.generation;
        board->PublishSlot(view);
        board->PublishSample(0, sample);
        board->FoldWorker(0);
        ++pool.generation;
        pool.observed_generation = pool.generation;
        board->PublishPool(pool);
      });
    }
    ASSERT_NO_FATAL_FAILURE(Reap(master));
    const PoolSnapshot snapshot = board->Read(Clock::Real().Now());
    ASSERT_EQ(snapshot.totals[WorkerCounter::kRequests], 5u);
    ASSERT_EQ(snapshot.pool.generation, snapshot.pool.observed_generation);
    ASSERT_EQ(snapshot.workers.size(), 1u);
    const WorkerSnapshot& worker = snapshot.workers[0];
    ASSERT_EQ(worker.slot.generation, worker.slot.restarts);
    ASSERT_EQ(worker.slot.generation, worker.slot.deaths[3]);
    // Each slot is published before its pool.
    ASSERT_GE(worker.slot.generation, snapshot.pool.generation);
    ASSERT_LE(worker.slot.generation, snapshot.pool.generation + 1);
    torn += worker.torn || snapshot.torn;
    whole += !worker.torn && !snapshot.torn;
  }
  EXPECT_GT(torn, 0);
  EXPECT_GT(whole, 0);
  std::cout << "kill -9 of a master that publishes: " << torn << " rows torn and said to be, "
            << whole << " whole\n";
}

}  // namespace
}  // namespace squall
