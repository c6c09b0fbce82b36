// Every writer of the scoreboard is killed after each of its stores, by stepping it through its
// instructions. Whatever it leaves, a reader sees the state before or after, or is told that it is
// torn; totals never go back; and the next writer puts it right.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/ioloop/loop_meter.h"
#include "squall/process/scoreboard.h"
#include "squall/process/testing/stepped_process.h"
#include "squall/process/worker_row.h"
#include "squall/process/worker_sample.h"

namespace squall {
namespace {

MonotonicTime At(int64_t seconds) { return MonotonicTime() + absl::Seconds(seconds); }

// A slot whose fields all say `n`, so that a mixture of two would show.
SlotView SlotOf(uint64_t n) {
  SlotView view;
  view.state = WorkerState::kReady;
  view.incarnation = 1;
  view.generation = view.restarts = view.spawn_failures = n;
  view.deaths.fill(n);
  view.started_at = view.ready_at = At(static_cast<int64_t>(n));
  view.last_exit = LastExit{.pid = static_cast<pid_t>(n), .incarnation = n};
  return view;
}

std::optional<uint64_t> Whole(const SlotView& view) {
  const uint64_t n = view.generation;
  const bool whole = view.restarts == n && view.spawn_failures == n &&
                     std::all_of(view.deaths.begin(), view.deaths.end(),
                                 [&](uint64_t deaths) { return deaths == n; }) &&
                     view.ready_at == At(static_cast<int64_t>(n)) && view.last_exit.has_value() &&
                     view.last_exit->incarnation == n;
  return whole ? std::optional<uint64_t>(n) : std::nullopt;
}

PoolView PoolOf(uint64_t n) {
  PoolView view;
  view.generation = view.observed_generation = view.restarts = view.spawn_failures = n;
  view.desired = static_cast<int>(n);
  view.slots.fill(static_cast<int>(n));
  return view;
}

WorkerSample SampleOf(int64_t n) {
  return {.at = At(n),
          .rss_bytes = static_cast<uint64_t>(n),
          .cpu_time = absl::Seconds(n),
          .cpu_share = static_cast<double>(n),
          .health_since = At(n)};
}

bool Whole(const WorkerSample& sample) {
  const auto n = static_cast<int64_t>(sample.rss_bytes);
  return sample.at == At(n) && sample.cpu_time == absl::Seconds(n) && sample.cpu_share == n &&
         sample.health_since == At(n);
}

const std::string& LongTarget() {
  static const std::string target = "/" + std::string(126, 'n');
  return target;
}

constexpr std::string_view kStack = "#0 main\n#1 _start\n";

void LeaveStack(Scoreboard& board) {
  WorkerRow& row = board.worker_row(0);
  std::memcpy(row.stack_area().data(), kStack.data(), kStack.size());
  row.stack_size()->store(kStack.size(), std::memory_order_release);
}

// One of the writers, and what may be seen when it was killed.
struct Writer {
  std::string name;
  bool is_master = false;
  std::function<void(Scoreboard&)> write;
  // Fails if this is neither as before the write nor as after it, nor said to be torn.
  std::function<void(const PoolSnapshot&)> check;
  // Before the write, not watched.
  std::function<void(Scoreboard&)> prepare = [](Scoreboard&) {};
};

void PrintTo(const Writer& writer, std::ostream* out) { *out << writer.name; }

std::vector<Writer> Writers() {
  const auto none = [](const PoolSnapshot&) {};
  return {
      {"BeginRequest", false,
       [](Scoreboard& board) { board.worker_row(0).BeginRequest("DELETE", LongTarget(), At(9)); },
       [](const PoolSnapshot& snapshot) {
         const WorkerSnapshot& worker = snapshot.workers[0];
         EXPECT_NE(worker.request_torn, worker.request.has_value());
         if (worker.request_torn) return;
         const bool after = worker.request->method() == "DELETE";
         EXPECT_EQ(worker.request->target(), after ? LongTarget() : "/old");
         EXPECT_EQ(worker.request->since, At(after ? 9 : 1));
         EXPECT_EQ(worker.in_flight, after ? 2u : 1u);
       }},
      {"EndRequest", false, [](Scoreboard& board) { board.worker_row(0).EndRequest(); },
       [](const PoolSnapshot& snapshot) {
         const WorkerSnapshot& worker = snapshot.workers[0];
         EXPECT_FALSE(worker.request_torn);
         EXPECT_EQ(worker.request.has_value(), worker.in_flight == 1);
       }},
      {"Counters", false,
       [](Scoreboard& board) {
         WorkerRow& row = board.worker_row(0);
         row.Add(WorkerCounter::kAccepted);
         row.AddConnections(1);
         row.Add(WorkerCounter::kBytesIn, uint64_t{1} << 40);
         row.CountResponse(200);
         row.Add(WorkerCounter::kBytesOut, 100);
       },
       [](const PoolSnapshot& snapshot) {
         EXPECT_GE(snapshot.connections, 2);
         EXPECT_LE(snapshot.connections, 3);
       }},
      {"RecordLatency", false,
       [](Scoreboard& board) { board.worker_row(0).RecordLatency(At(1), At(4)); },
       [](const PoolSnapshot& snapshot) { EXPECT_LE(snapshot.latency.max(), absl::Seconds(3)); }},
      {"Heartbeat", false, [](Scoreboard& board) { board.worker_row(0).Heartbeat(At(25)); },
       [](const PoolSnapshot& snapshot) {
         const WorkerSnapshot& worker = snapshot.workers[0];
         EXPECT_TRUE(worker.heartbeat_age == absl::Seconds(75) ||
                     worker.heartbeat_age == absl::Seconds(98));
         // The window goes on; nothing of it is lost on the way.
         EXPECT_EQ(worker.longest_loop_turn, absl::Nanoseconds(700));
       }},
      {"LoopTurn", false,
       [](Scoreboard& board) {
         LoopMeter& meter = *board.worker_row(0).loop_meter();
         meter.EndWait();
         meter.EndTurn(900);
         meter.BeginWait();
       },
       [](const PoolSnapshot& snapshot) {
         EXPECT_LE(snapshot.workers[0].longest_loop_turn, absl::Nanoseconds(900));
       }},
      {"Enter", false,
       [](Scoreboard& board) {
         board.worker_row(0).Enter({.process = {0, 1}, .pid = 2, .generation = 2});
       },
       [](const PoolSnapshot& snapshot) { EXPECT_TRUE(snapshot.workers[0].request.has_value()); }},
      {"LeaveStack", false, LeaveStack, none},
      {"PublishPool", true, [](Scoreboard& board) { board.PublishPool(PoolOf(2)); },
       [](const PoolSnapshot& snapshot) {
         EXPECT_EQ(snapshot.pool, PoolOf(snapshot.pool.generation));
         if (snapshot.torn) {
           EXPECT_EQ(snapshot.pool.generation, 1u);
         }
       }},
      {"PublishSlot", true, [](Scoreboard& board) { board.PublishSlot(SlotOf(2)); },
       [](const PoolSnapshot& snapshot) {
         const auto whole = Whole(snapshot.workers[0].slot);
         ASSERT_TRUE(whole.has_value());
         if (snapshot.workers[0].torn) {
           EXPECT_EQ(*whole, 1u);
         }
       }},
      {"PublishSample", true, [](Scoreboard& board) { board.PublishSample(0, SampleOf(2)); },
       [](const PoolSnapshot& snapshot) {
         ASSERT_TRUE(snapshot.workers[0].sample.has_value());
         EXPECT_TRUE(Whole(*snapshot.workers[0].sample));
       }},
      {"FoldWorker", true, [](Scoreboard& board) { board.FoldWorker(0); },
       [](const PoolSnapshot& snapshot) {
         EXPECT_TRUE(snapshot.connections == 2 || snapshot.connections == 0);
         EXPECT_EQ(snapshot.totals[WorkerCounter::kRequests], 7u);
         EXPECT_EQ(snapshot.latency.count(), 2u);
       }},
      {"TakeStack", true, [](Scoreboard& board) { board.TakeStack(0); }, none, LeaveStack},
  };
}

bool Less(const WorkerCounters& a, const WorkerCounters& b) {
  for (size_t i = 0; i < a.values.size(); ++i) {
    if (a.values[i] < b.values[i]) return true;
  }
  return false;
}

class ScoreboardStepTest : public testing::TestWithParam<Writer> {
 protected:
  // A scoreboard with one worker that has done some work, and is at a request.
  static Scoreboard Prepared() {
    Scoreboard board = Scoreboard::Create(1).value();
    board.PublishPool(PoolOf(1));
    board.PublishSlot(SlotOf(1));
    board.PublishSample(0, SampleOf(1));
    WorkerRow& row = board.worker_row(0);
    row.Enter({.process = {0, 1}, .pid = 1, .generation = 1});
    row.Add(WorkerCounter::kRequests, 7);
    row.AddConnections(2);
    row.Heartbeat(At(2));
    row.RecordLatency(At(1), At(1));
    row.RecordLatency(At(1), At(2));
    row.loop_meter()->EndTurn(700);
    row.BeginRequest("GET", "/old", At(1));
    GetParam().prepare(board);
    return board;
  }

  static PoolSnapshot Read(const Scoreboard& board) { return board.Read(At(100)); }

  // What holds for every state that a killed writer may leave. `last` are the totals of the state
  // before, and become those of this one.
  static void CheckLeft(const Scoreboard& board, WorkerCounters* last, uint64_t* last_requests) {
    const PoolSnapshot snapshot = Read(board);
    ASSERT_EQ(snapshot.workers.size(), 1u);
    ASSERT_FALSE(Less(snapshot.totals, *last));
    ASSERT_GE(snapshot.latency.count(), *last_requests);
    *last = snapshot.totals;
    *last_requests = snapshot.latency.count();
    ASSERT_FALSE(Less(snapshot.totals, snapshot.workers[0].counters));
    if (const auto stack = board.LastStack(0)) {
      EXPECT_EQ(stack->text, kStack);
    }
    GetParam().check(snapshot);
  }

  // The supervisor after the death of a worker, and its next worker.
  static void ReplaceWorker(Scoreboard& board) {
    const PoolSnapshot before = Read(board);
    const std::string stack = board.TakeStack(0);
    EXPECT_TRUE(stack.empty() || stack == kStack) << stack;
    EXPECT_EQ(board.LastStack(0).has_value(), !stack.empty());
    board.FoldWorker(0);
    const PoolSnapshot folded = Read(board);
    EXPECT_EQ(folded.totals.values, before.totals.values);
    EXPECT_EQ(folded.latency.count(), before.latency.count());
    EXPECT_EQ(folded.workers[0].counters.values, WorkerCounters().values);
    EXPECT_EQ(folded.workers[0].latency.count(), 0u);
    EXPECT_EQ(folded.connections, 0);
    EXPECT_EQ(folded.workers[0].in_flight, 0u);

    SlotView view = SlotOf(3);
    view.incarnation = 2;
    board.PublishSlot(view);
    WorkerRow& row = board.worker_row(0);
    row.Enter({.process = {0, 2}});
    const PoolSnapshot entered = Read(board);
    EXPECT_FALSE(entered.workers[0].request_torn);
    EXPECT_FALSE(entered.workers[0].request.has_value());
    EXPECT_FALSE(entered.workers[0].heartbeat_age.has_value());
    EXPECT_EQ(entered.workers[0].longest_loop_turn, absl::ZeroDuration());
    row.AddConnections(1);
    row.Heartbeat(At(99));
    row.Add(WorkerCounter::kRequests);
    row.BeginRequest("PUT", "/next", At(99));
    row.RecordLatency(At(98), At(99));
    const PoolSnapshot next = Read(board);
    const WorkerSnapshot& worker = next.workers[0];
    EXPECT_FALSE(worker.torn || worker.request_torn);
    EXPECT_EQ(worker.slot.incarnation, 2u);
    EXPECT_EQ(worker.heartbeat_age, absl::Seconds(1));
    EXPECT_EQ(worker.connections, 1);
    EXPECT_EQ(worker.in_flight, 1u);
    ASSERT_TRUE(worker.request.has_value());
    EXPECT_EQ(worker.request->method(), "PUT");
    EXPECT_EQ(worker.request->target(), "/next");
    EXPECT_EQ(worker.counters[WorkerCounter::kRequests], 1u);
    EXPECT_EQ(worker.latency.count(), 1u);
    EXPECT_EQ(next.totals[WorkerCounter::kRequests], before.totals[WorkerCounter::kRequests] + 1);
    EXPECT_EQ(next.latency.count(), before.latency.count() + 1);
  }

  // Another master finishes what the dead one began.
  static void RepeatMastersWork(Scoreboard& board) {
    board.PublishPool(PoolOf(5));
    board.PublishSlot(SlotOf(5));
    board.PublishSample(0, SampleOf(5));
    const PoolSnapshot snapshot = Read(board);
    EXPECT_FALSE(snapshot.torn || snapshot.workers[0].torn);
    EXPECT_EQ(snapshot.pool, PoolOf(5));
    EXPECT_EQ(Whole(snapshot.workers[0].slot), 5u);
    ASSERT_TRUE(snapshot.workers[0].sample.has_value());
    EXPECT_EQ(snapshot.workers[0].sample->rss_bytes, 5u);
  }

  static void PutRight(Scoreboard& board) {
    if (GetParam().is_master) RepeatMastersWork(board);
    ReplaceWorker(board);
  }
};

// A process that writes into `board`, and stops after each store.
class StoringProcess {
 public:
  StoringProcess(const Scoreboard& board, absl::FunctionRef<void()> write)
      : size_(static_cast<size_t>(lseek(board.fd(), 0, SEEK_END))),
        memory_(mmap(nullptr, size_, PROT_READ, MAP_SHARED, board.fd(), 0)),
        before_(static_cast<const char*>(memory_), size_),
        process_(SteppedProcess::Start(write)) {}
  StoringProcess(const StoringProcess&) = delete;
  StoringProcess& operator=(const StoringProcess&) = delete;
  ~StoringProcess() { munmap(memory_, size_); }

  const absl::Status& status() const { return process_.status(); }

  // Runs until the scoreboard is another one. False at the end.
  bool StoreOnce() {
    while (process_->Step()) {
      if (std::memcmp(before_.data(), memory_, size_) == 0) continue;
      std::memcpy(before_.data(), memory_, size_);
      return true;
    }
    return false;
  }
  void Kill() { process_->Kill(); }

 private:
  const size_t size_;
  void* const memory_;
  std::string before_;
  absl::StatusOr<SteppedProcess> process_;
};

TEST_P(ScoreboardStepTest, AWriterIsKilledAfterEachOfItsStores) {
  const Writer& writer = GetParam();
  int stores = 0;
  {
    Scoreboard board = Prepared();
    StoringProcess process(board, [&] { writer.write(board); });
    if (absl::IsPermissionDenied(process.status())) {
      GTEST_SKIP() << process.status().message()
                   << "; scoreboard_kill_test kills writers at random times instead";
    }
    ASSERT_TRUE(process.status().ok()) << process.status();
    WorkerCounters last;
    uint64_t last_requests = 0;
    for (; process.StoreOnce(); ++stores) {
      ASSERT_NO_FATAL_FAILURE(CheckLeft(board, &last, &last_requests)) << "store " << stores;
    }
    ASSERT_NO_FATAL_FAILURE(PutRight(board));
  }
  ASSERT_GT(stores, 0) << "the writer writes nothing";
  RecordProperty("stores", stores);

  // Where programs run many times slower, each third one.
  const int stride = std::getenv("SQUALL_SLOW") != nullptr ? 3 : 1;
  for (int killed_after = 1; killed_after <= stores && !HasFailure(); killed_after += stride) {
    SCOPED_TRACE(absl::StrCat("after store ", killed_after, " of ", stores));
    Scoreboard board = Prepared();
    StoringProcess process(board, [&] { writer.write(board); });
    ASSERT_TRUE(process.status().ok()) << process.status();
    for (int store = 0; store < killed_after; ++store) ASSERT_TRUE(process.StoreOnce());
    process.Kill();
    WorkerCounters last;
    uint64_t last_requests = 0;
    ASSERT_NO_FATAL_FAILURE(CheckLeft(board, &last, &last_requests));
    ASSERT_NO_FATAL_FAILURE(PutRight(board));
  }
}

INSTANTIATE_TEST_SUITE_P(Writers, ScoreboardStepTest, testing::ValuesIn(Writers()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace squall
