#include "squall/process/scoreboard.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/process/worker_row.h"
#include "squall/process/worker_sample.h"

namespace squall {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kUptime = absl::Hours(1);

MonotonicTime At(absl::Duration since_boot) { return MonotonicTime() + since_boot; }

SlotView ReadySlot(int slot, uint64_t incarnation) {
  SlotView view;
  view.slot = view.row = slot;
  view.state = WorkerState::kReady;
  view.incarnation = incarnation;
  view.pid = 4711;
  view.started_at = At(kUptime);
  view.ready_at = At(kUptime + absl::Milliseconds(20));
  return view;
}

// The row of `view`, published and entered by its worker.
WorkerRow& Begin(Scoreboard& board, const SlotView& view) {
  board.PublishSlot(view);
  WorkerRow& row = board.worker_row(view.row);
  row.Enter({.process = {view.slot, view.incarnation}, .pid = view.pid});
  return row;
}

TEST(ScoreboardTest, IsBornEmpty) {
  auto board = Scoreboard::Create(64);
  ASSERT_THAT(board, IsOk());
  EXPECT_EQ(board->rows(), 64);
  EXPECT_NE(board->instance_id(), 0u);
  const PoolSnapshot snapshot = board->Read(At(kUptime));
  EXPECT_EQ(snapshot.instance_id, board->instance_id());
  EXPECT_EQ(snapshot.master_pid, getpid());
  EXPECT_TRUE(snapshot.workers.empty());
  EXPECT_FALSE(snapshot.torn);
  EXPECT_LT(absl::AbsDuration(absl::Now() - snapshot.started_at), absl::Minutes(1));
}

TEST(ScoreboardTest, TheFileIsPrivateAndCannotChangeItsSize) {
  auto board = Scoreboard::Create(4);
  ASSERT_THAT(board, IsOk());
  struct stat info;
  ASSERT_EQ(fstat(board->fd(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  EXPECT_EQ(fcntl(board->fd(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_NE(ftruncate(board->fd(), 0), 0);
}

TEST(ScoreboardTest, RefusesSillySizes) {
  EXPECT_THAT(Scoreboard::Create(0), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Scoreboard::Create(Scoreboard::kMaxRows + 1),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("4097")));
  EXPECT_THAT(Scoreboard::Create(Scoreboard::kMaxRows), IsOk());
}

TEST(ScoreboardTest, AReaderSeesWhatMasterAndWorkerWrote) {
  auto board = Scoreboard::Create(4);
  ASSERT_THAT(board, IsOk());
  auto reader = Scoreboard::MapReadOnly(board->fd());
  ASSERT_THAT(reader, IsOk());

  PoolView pool;
  pool.desired = 2;
  pool.max_workers = 4;
  pool.generation = 7;
  pool.slots[static_cast<size_t>(WorkerState::kReady)] = 1;
  board->PublishPool(pool);
  WorkerRow& row = Begin(*board, ReadySlot(1, 3));
  SlotView backoff;
  backoff.slot = backoff.row = 2;
  backoff.state = WorkerState::kBackoff;
  backoff.deadline = At(kUptime + absl::Seconds(9));
  backoff.last_exit = LastExit{
      .status = ExitStatus::Killed(SIGSEGV, true), .cause = DeathCause::kSignaled, .pid = 99};
  board->PublishSlot(backoff);

  row.Add(WorkerCounter::kAccepted, 5);
  row.AddConnections(3);
  row.AddConnections(-1);
  row.CountResponse(204);
  row.CountResponse(99);
  row.CountResponse(600);
  row.Heartbeat(At(kUptime + absl::Seconds(1)));
  row.BeginRequest("GET", "/report", At(kUptime + absl::Seconds(1)));
  row.SetAccepting(true);
  row.RecordLatency(At(kUptime), At(kUptime + absl::Milliseconds(5)));
  row.RecordLatency(At(kUptime), At(kUptime));

  const PoolSnapshot snapshot = reader->Read(At(kUptime + absl::Seconds(3)));
  EXPECT_EQ(snapshot.pool.generation, 7u);
  EXPECT_EQ(snapshot.ready(), 1);
  ASSERT_EQ(snapshot.workers.size(), 2u);
  const WorkerSnapshot& worker = snapshot.workers[0];
  EXPECT_EQ(worker.slot.slot, 1);
  EXPECT_EQ(worker.slot.pid, 4711);
  EXPECT_EQ(worker.slot.incarnation, 3u);
  EXPECT_EQ(worker.counters[WorkerCounter::kAccepted], 5u);
  EXPECT_EQ(worker.counters[WorkerCounter::kResponses2xx], 1u);
  EXPECT_EQ(worker.counters[WorkerCounter::kResponses1xx], 0u);
  EXPECT_EQ(worker.counters[WorkerCounter::kResponses5xx], 0u);
  EXPECT_EQ(worker.connections, 2);
  EXPECT_EQ(worker.heartbeat_age, absl::Seconds(2));
  EXPECT_EQ(worker.in_flight, 1u);
  EXPECT_TRUE(worker.accepting);
  EXPECT_EQ(worker.latency.count(), 2u);
  EXPECT_EQ(worker.latency.max(), absl::Milliseconds(5));
  EXPECT_EQ(worker.latency.sum(), absl::Milliseconds(5));
  EXPECT_FALSE(worker.sample.has_value());
  EXPECT_FALSE(worker.torn || worker.request_torn);
  ASSERT_TRUE(worker.request.has_value());
  EXPECT_EQ(worker.request->method(), "GET");
  EXPECT_EQ(worker.request->target(), "/report");
  EXPECT_EQ(worker.request->since, At(kUptime + absl::Seconds(1)));
  EXPECT_EQ(snapshot.workers[1].next_restart_in, absl::Seconds(6));
  EXPECT_EQ(snapshot.workers[1].slot.last_exit->status, ExitStatus::Killed(SIGSEGV, true));
  EXPECT_EQ(snapshot.totals[WorkerCounter::kAccepted], 5u);
  EXPECT_EQ(snapshot.latency.count(), 2u);
  EXPECT_EQ(snapshot.connections, 2);

  row.EndRequest();
  EXPECT_FALSE(reader->Read(At(kUptime)).workers[0].request.has_value());
}

TEST(ScoreboardTest, LongRequestLinesAreCut) {
  auto board = Scoreboard::Create(1);
  ASSERT_THAT(board, IsOk());
  WorkerRow& row = Begin(*board, ReadySlot(0, 1));
  row.BeginRequest(std::string(1000, 'M'), "/" + std::string(1000, 'x'), At(kUptime));
  auto request = board->Read(At(kUptime)).workers[0].request;
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->method(), std::string(15, 'M'));
  EXPECT_EQ(request->target(), "/" + std::string(126, 'x'));
  // A short one after it leaves nothing of the long one.
  row.BeginRequest("GET", "/", At(kUptime));
  request = board->Read(At(kUptime)).workers[0].request;
  EXPECT_EQ(request->method(), "GET");
  EXPECT_EQ(request->target(), "/");
  row.BeginRequest("", "", At(kUptime));
  request = board->Read(At(kUptime)).workers[0].request;
  EXPECT_EQ(request->target(), "");
}

TEST(ScoreboardTest, RequestLinesOfEveryLengthAreKept) {
  auto board = Scoreboard::Create(1);
  ASSERT_THAT(board, IsOk());
  WorkerRow& row = Begin(*board, ReadySlot(0, 1));
  std::string text;
  for (int i = 0; i < 127; ++i) text += static_cast<char>(255 - i);
  for (size_t size = 0; size <= text.size(); ++size) {
    // The neighbours of the text must not matter.
    const std::string target = text.substr(text.size() - size);
    const std::string method = target.substr(0, 15);
    row.BeginRequest(method, target, At(kUptime));
    const auto request = board->Read(At(kUptime)).workers[0].request;
    ASSERT_TRUE(request.has_value());
    EXPECT_EQ(request->method(), method);
    EXPECT_EQ(request->target(), target);
  }
}

TEST(ScoreboardTest, TheLongestTurnOfALoopIsForgottenAfterAWhile) {
  auto board = Scoreboard::Create(1);
  ASSERT_THAT(board, IsOk());
  WorkerRow& row = Begin(*board, ReadySlot(0, 1));
  const auto longest = [&] { return board->Read(At(kUptime)).workers[0].longest_loop_turn; };
  row.Heartbeat(At(kUptime));
  row.loop_meter()->EndTurn(5'000'000);
  row.loop_meter()->EndTurn(1'000'000);
  EXPECT_EQ(longest(), absl::Milliseconds(5));
  EXPECT_EQ(board->Read(At(kUptime)).workers[0].last_loop_turn, absl::Milliseconds(1));
  for (int second = 1; second < 20; ++second) row.Heartbeat(At(kUptime + absl::Seconds(second)));
  EXPECT_EQ(longest(), absl::Milliseconds(5));
  row.loop_meter()->EndTurn(2'000'000);
  EXPECT_EQ(longest(), absl::Milliseconds(5));
  row.Heartbeat(At(kUptime + absl::Seconds(20)));
  EXPECT_EQ(longest(), absl::Milliseconds(2));
  row.Heartbeat(At(kUptime + absl::Seconds(30)));
  EXPECT_EQ(longest(), absl::ZeroDuration());
}

TEST(ScoreboardTest, ASlotMayLiveInAnyRow) {
  auto board = Scoreboard::Create(3);
  ASSERT_THAT(board, IsOk());
  // Slot 1 is handed over from the worker in its own row to one in the surge row.
  SlotView successor = ReadySlot(1, 6);
  successor.row = 2;
  Begin(*board, successor).Add(WorkerCounter::kRequests, 2);
  Begin(*board, ReadySlot(1, 5)).Add(WorkerCounter::kRequests, 1);
  SlotView first = ReadySlot(0, 1);
  Begin(*board, first);
  PoolSnapshot snapshot = board->Read(At(kUptime));
  ASSERT_EQ(snapshot.workers.size(), 3u);
  EXPECT_EQ(snapshot.workers[1].slot.incarnation, 5u);
  EXPECT_EQ(snapshot.workers[1].counters[WorkerCounter::kRequests], 1u);
  EXPECT_EQ(snapshot.workers[2].slot.incarnation, 6u);
  EXPECT_EQ(snapshot.workers[2].counters[WorkerCounter::kRequests], 2u);
  // Then slot 0 moves into the row that has become free.
  board->FoldWorker(1);
  first.row = 1;
  first.incarnation = 2;
  Begin(*board, first).Add(WorkerCounter::kRequests, 4);
  SlotView empty;
  board->PublishSlot(empty);
  snapshot = board->Read(At(kUptime));
  ASSERT_EQ(snapshot.workers.size(), 2u);
  EXPECT_EQ(snapshot.workers[0].slot.slot, 0);
  EXPECT_EQ(snapshot.workers[0].counters[WorkerCounter::kRequests], 4u);
  EXPECT_EQ(snapshot.workers[1].slot.slot, 1);
  EXPECT_EQ(snapshot.totals[WorkerCounter::kRequests], 7u);
}

TEST(ScoreboardTest, WhatAnotherProcessThanTheSlotsOwnWritesIsNotShown) {
  auto board = Scoreboard::Create(1);
  ASSERT_THAT(board, IsOk());
  WorkerRow& row = Begin(*board, ReadySlot(0, 1));
  row.AddConnections(3);
  row.Heartbeat(At(kUptime));
  row.BeginRequest("GET", "/", At(kUptime));
  const auto shown = [&] {
    const PoolSnapshot snapshot = board->Read(At(kUptime));
    const WorkerSnapshot& worker = snapshot.workers[0];
    EXPECT_EQ(snapshot.connections, worker.connections);
    EXPECT_EQ(worker.connections == 3, worker.heartbeat_age.has_value());
    EXPECT_EQ(worker.connections == 3, worker.in_flight == 1);
    EXPECT_EQ(worker.connections == 3, worker.request.has_value());
    return worker.connections != 0;
  };
  EXPECT_TRUE(shown());
  // The next worker is there and has not begun to write yet.
  board->PublishSlot(ReadySlot(0, 2));
  EXPECT_FALSE(shown());
  // Nor is that its row which the worker of another slot has.
  row.Enter({.process = {1, 2}});
  EXPECT_FALSE(shown());
  row.Enter({.process = {0, 2}});
  EXPECT_TRUE(shown());
}

TEST(ScoreboardTest, ASampleIsShownForTheProcessItIsOf) {
  auto board = Scoreboard::Create(2);
  ASSERT_THAT(board, IsOk());
  auto reader = Scoreboard::MapReadOnly(board->fd());
  ASSERT_THAT(reader, IsOk());
  board->PublishSlot(ReadySlot(1, 1));
  board->PublishSample(1, {.at = At(kUptime),
                           .rss_bytes = 12'345'678,
                           .cpu_time = absl::Seconds(7),
                           .cpu_share = 0.25,
                           .health = WorkerHealth::kStalled,
                           .health_since = At(kUptime - absl::Seconds(9))});
  const auto sample = reader->Read(At(kUptime)).workers[0].sample;
  ASSERT_TRUE(sample.has_value());
  EXPECT_EQ(sample->at, At(kUptime));
  EXPECT_EQ(sample->rss_bytes, 12'345'678u);
  EXPECT_EQ(sample->cpu_time, absl::Seconds(7));
  EXPECT_EQ(sample->cpu_share, 0.25);
  EXPECT_EQ(sample->health, WorkerHealth::kStalled);
  EXPECT_EQ(sample->health_since, At(kUptime - absl::Seconds(9)));

  SlotView dead = ReadySlot(1, 1);
  dead.state = WorkerState::kBackoff;
  board->PublishSlot(dead);
  EXPECT_FALSE(reader->Read(At(kUptime)).workers[0].sample.has_value());
  board->PublishSlot(ReadySlot(1, 2));
  EXPECT_FALSE(reader->Read(At(kUptime)).workers[0].sample.has_value());
}

// Writes `text` as a stack, as a signal handler does it.
void LeaveStack(WorkerRow& row, std::string_view text) {
  ASSERT_LE(text.size(), row.stack_area().size());
  std::memcpy(row.stack_area().data(), text.data(), text.size());
  row.stack_size()->store(static_cast<uint32_t>(text.size()));
}

TEST(ScoreboardTest, TheStackOfADeadWorkerIsKeptUntilTheNextOne) {
  auto board = Scoreboard::Create(2);
  ASSERT_THAT(board, IsOk());
  auto reader = Scoreboard::MapReadOnly(board->fd());
  ASSERT_THAT(reader, IsOk());
  SlotView view = ReadySlot(0, 4);
  view.row = 1;
  LeaveStack(Begin(*board, view), "#0 main\n");
  EXPECT_FALSE(reader->LastStack(0).has_value());

  // It died; the slot's next worker is in another row.
  EXPECT_EQ(board->TakeStack(1), "#0 main\n");
  board->FoldWorker(1);
  SlotView empty;
  empty.row = 1;
  board->PublishSlot(empty);
  view = ReadySlot(0, 5);
  view.last_exit = LastExit{.pid = 4711, .incarnation = 4};
  Begin(*board, view);
  EXPECT_TRUE(reader->Read(At(kUptime)).workers[0].last_exit_has_stack);
  auto stack = reader->LastStack(0);
  ASSERT_TRUE(stack.has_value());
  EXPECT_EQ(stack->process, (ProcessKey{0, 4}));
  EXPECT_EQ(stack->pid, 4711);
  EXPECT_EQ(stack->text, "#0 main\n");
  EXPECT_FALSE(reader->LastStack(1).has_value());

  // That one dies without a word, and the one after it leaves all that fits, and a size that does
  // not.
  EXPECT_EQ(board->TakeStack(0), "");
  board->FoldWorker(0);
  view.incarnation = 6;
  view.last_exit->incarnation = 5;
  Begin(*board, view);
  EXPECT_FALSE(reader->Read(At(kUptime)).workers[0].last_exit_has_stack);
  EXPECT_EQ(reader->LastStack(0)->process.incarnation, 4u);
  const std::string whole(WorkerRow::kMaxStack, 's');
  LeaveStack(board->worker_row(0), whole);
  board->worker_row(0).stack_size()->store(1'000'000);
  EXPECT_EQ(board->TakeStack(0), whole);
  board->FoldWorker(0);
  EXPECT_EQ(board->TakeStack(0), "");
  EXPECT_EQ(reader->LastStack(0)->process.incarnation, 6u);
  EXPECT_EQ(reader->LastStack(0)->text, whole);
}

TEST(ScoreboardTest, FoldingKeepsTotalsAndEndsTheRest) {
  auto board = Scoreboard::Create(2);
  ASSERT_THAT(board, IsOk());
  WorkerRow& row = Begin(*board, ReadySlot(0, 1));
  row.Add(WorkerCounter::kRequests, 10);
  row.RecordLatency(At(kUptime), At(kUptime + absl::Seconds(1)));
  row.loop_meter()->EndTurn(7);
  row.AddConnections(4);
  row.Heartbeat(At(kUptime));
  row.BeginRequest("GET", "/", At(kUptime));
  for (int twice = 0; twice < 2; ++twice) {
    board->FoldWorker(0);
    const PoolSnapshot snapshot = board->Read(At(kUptime));
    EXPECT_EQ(snapshot.totals[WorkerCounter::kRequests], 10u);
    EXPECT_EQ(snapshot.workers[0].counters[WorkerCounter::kRequests], 0u);
    EXPECT_EQ(snapshot.workers[0].connections, 0);
    EXPECT_FALSE(snapshot.workers[0].heartbeat_age.has_value());
    EXPECT_FALSE(snapshot.workers[0].request.has_value());
    EXPECT_EQ(snapshot.workers[0].longest_loop_turn, absl::ZeroDuration());
    EXPECT_EQ(snapshot.latency.count(), 1u);
    EXPECT_EQ(snapshot.workers[0].latency.count(), 0u);
  }
  Begin(*board, ReadySlot(0, 2));
  row.Add(WorkerCounter::kRequests, 2);
  row.RecordLatency(At(kUptime), At(kUptime + absl::Milliseconds(1)));
  row.loop_meter()->EndTurn(2);
  const PoolSnapshot snapshot = board->Read(At(kUptime));
  EXPECT_EQ(snapshot.totals[WorkerCounter::kRequests], 12u);
  EXPECT_EQ(snapshot.totals[WorkerCounter::kLoopTurns], 2u);
  EXPECT_EQ(snapshot.totals[WorkerCounter::kLoopBusyNanos], 9u);
  EXPECT_EQ(snapshot.latency.count(), 2u);
  EXPECT_EQ(snapshot.latency.max(), absl::Seconds(1));
  EXPECT_EQ(snapshot.workers[0].counters[WorkerCounter::kRequests], 2u);
  EXPECT_EQ(snapshot.workers[0].counters[WorkerCounter::kLoopTurns], 1u);
  EXPECT_EQ(snapshot.workers[0].latency.count(), 1u);
  EXPECT_LE(snapshot.workers[0].latency.max(), absl::Milliseconds(1.25));
}

// Writes `bytes` of junk at `offset` of a copy of a scoreboard and returns what mapping it says.
absl::Status MapCorrupted(off_t offset, const void* data, size_t size) {
  auto board = Scoreboard::Create(2);
  UniqueFd copy(memfd_create("copy", MFD_CLOEXEC));
  struct stat info;
  EXPECT_EQ(fstat(board->fd(), &info), 0);
  std::string bytes(static_cast<size_t>(info.st_size), '\0');
  EXPECT_EQ(pread(board->fd(), bytes.data(), bytes.size(), 0), info.st_size);
  EXPECT_EQ(pwrite(copy.get(), bytes.data(), bytes.size(), 0), info.st_size);
  EXPECT_THAT(Scoreboard::MapReadOnly(copy.get()), IsOk()) << "the copy itself is good";
  EXPECT_EQ(pwrite(copy.get(), data, size, offset), static_cast<ssize_t>(size));
  return Scoreboard::MapReadOnly(copy.get()).status();
}

TEST(ScoreboardTest, AnotherSchemaIsRefusedInClearWords) {
  const uint32_t version = 77;
  EXPECT_THAT(MapCorrupted(8, &version, sizeof(version)),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("schema version 77, this program reads version 4")));
  EXPECT_THAT(MapCorrupted(0, "NOTMAGIC", 8),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not a scoreboard")));
  const uint32_t slots = 1'000'000'000;
  EXPECT_THAT(MapCorrupted(12, &slots, sizeof(slots)),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  UniqueFd empty(memfd_create("empty", MFD_CLOEXEC));
  EXPECT_THAT(Scoreboard::MapReadOnly(empty.get()), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Scoreboard::MapReadOnly(-1), Not(IsOk()));
}

// The status of a child that does `write` after `restrict`.
template <typename Restrict, typename Write>
int ChildStatus(Restrict restrict, Write write) {
  const pid_t pid = fork();
  if (pid == 0) {
    std::signal(SIGSEGV, SIG_DFL);  // The sanitizers' handler would take its time.
    if (!restrict().ok()) _exit(2);
    write();
    _exit(0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  return status;
}

TEST(ScoreboardTest, AWorkerCanWriteItsOwnRowOnly) {
  auto board = Scoreboard::Create(3);
  ASSERT_THAT(board, IsOk());
  const auto restrict = [&] { return board->RestrictToWorker(1); };
  EXPECT_EQ(ChildStatus(restrict, [&] { board->worker_row(1).Add(WorkerCounter::kRequests); }), 0);
  const auto writes_other = [&](int slot) {
    return ChildStatus(restrict, [&] { board->worker_row(slot).Add(WorkerCounter::kRequests); });
  };
  EXPECT_EQ(WTERMSIG(writes_other(0)), SIGSEGV);
  EXPECT_EQ(WTERMSIG(writes_other(2)), SIGSEGV);
  EXPECT_EQ(WTERMSIG(ChildStatus(restrict, [&] { board->PublishPool(PoolView{}); })), SIGSEGV);
  EXPECT_EQ(WTERMSIG(ChildStatus([&] { return board->RestrictToReading(); },
                                 [&] { board->worker_row(1).Add(WorkerCounter::kRequests); })),
            SIGSEGV);
  EXPECT_EQ(board->Read(At(kUptime)).totals[WorkerCounter::kRequests], 1u);
}

// Two writers would take counters back and mix requests; and a worker's child may outlive it.
TEST(ScoreboardTest, AProcessThatAWorkerForksWritesIntoNobodysRow) {
  auto board = Scoreboard::Create(2);
  ASSERT_THAT(board, IsOk());
  board->PublishSlot(ReadySlot(1, 1));
  const int status = ChildStatus([&] { return board->RestrictToWorker(1); },
                                 [&] {
                                   WorkerRow& row = board->worker_row(1);
                                   row.Enter({.process = {1, 1}});
                                   row.Add(WorkerCounter::kRequests);
                                   const int of_child =
                                       ChildStatus([] { return absl::OkStatus(); },
                                                   [&] {
                                                     row.Add(WorkerCounter::kRequests, 100);
                                                     row.AddConnections(100);
                                                   });
                                   if (of_child != 0) _exit(3);
                                   row.AddConnections(1);
                                 });
  EXPECT_EQ(status, 0);
  const PoolSnapshot snapshot = board->Read(At(kUptime));
  EXPECT_EQ(snapshot.totals[WorkerCounter::kRequests], 1u);
  EXPECT_EQ(snapshot.connections, 1);
}

TEST(ScoreboardTest, RowsOfTheMasterAreReadInOnePiece) {
  auto board = Scoreboard::Create(1);
  ASSERT_THAT(board, IsOk());
  auto reader = Scoreboard::MapReadOnly(board->fd());
  ASSERT_THAT(reader, IsOk());
  SlotView view = ReadySlot(0, 1);
  Begin(*board, view);
  const pid_t writer = fork();
  if (writer == 0) {
    PoolView pool;
    for (uint64_t i = 1;; ++i) {
      view.generation = view.restarts = view.spawn_failures = view.deaths[2] = i;
      board->PublishSlot(view);
      pool.generation = pool.observed_generation = pool.restarts = i;
      board->PublishPool(pool);
      board->worker_row(0).BeginRequest("GET", std::string(1 + i % 120, 'a' + i % 26), At(kUptime));
      board->worker_row(0).EndRequest();
    }
  }
  uint64_t last = 0;
  int changes = 0;
  int whole_requests = 0;
  for (int i = 0; i < 50'000 || (changes < 100 && i < 50'000'000); ++i) {
    const PoolSnapshot snapshot = reader->Read(At(kUptime));
    ASSERT_EQ(snapshot.pool.generation, snapshot.pool.observed_generation);
    ASSERT_EQ(snapshot.pool.generation, snapshot.pool.restarts);
    for (const WorkerSnapshot& worker : snapshot.workers) {
      ASSERT_EQ(worker.slot.generation, worker.slot.restarts);
      ASSERT_EQ(worker.slot.generation, worker.slot.spawn_failures);
      ASSERT_EQ(worker.slot.generation, worker.slot.deaths[2]);
      ASSERT_GE(worker.slot.generation, last);
      changes += worker.slot.generation > last;
      last = worker.slot.generation;
      if (!worker.request.has_value() || worker.request->target().empty()) continue;
      ++whole_requests;
      const std::string_view target = worker.request->target();
      ASSERT_EQ(target.find_first_not_of(target[0]), std::string_view::npos) << target;
    }
  }
  EXPECT_GE(changes, 100) << "the writer did not run beside the reader";
  EXPECT_GT(whole_requests, 0);
  kill(writer, SIGKILL);
  waitpid(writer, nullptr, 0);
}

}  // namespace
}  // namespace squall
