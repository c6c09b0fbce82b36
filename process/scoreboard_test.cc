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
#include <utility>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"

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

TEST(ScoreboardTest, IsBornEmpty) {
  auto board = Scoreboard::Create(64);
  ASSERT_THAT(board, IsOk());
  EXPECT_EQ(board->rows(), 64);
  EXPECT_NE(board->instance_id(), 0u);
  const PoolSnapshot snapshot = board->Read(At(kUptime));
  EXPECT_EQ(snapshot.instance_id, board->instance_id());
  EXPECT_EQ(snapshot.master_pid, getpid());
  EXPECT_EQ(snapshot.pool.max_workers, 64);
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
  board->PublishSlot(ReadySlot(1, 3));
  SlotView backoff;
  backoff.slot = backoff.row = 2;
  backoff.state = WorkerState::kBackoff;
  backoff.deadline = At(kUptime + absl::Seconds(9));
  backoff.last_exit = LastExit{
      .status = ExitStatus::Killed(SIGSEGV, true), .cause = DeathCause::kSignaled, .pid = 99};
  board->PublishSlot(backoff);

  WorkerRow& row = board->worker_row(1);
  row.Add(WorkerCounter::kAccepted, 5);
  row.AddConnections(3);
  row.AddConnections(-1);
  row.CountResponse(204);
  row.CountResponse(99);
  row.CountResponse(600);
  row.Heartbeat(At(kUptime + absl::Seconds(1)));
  row.BeginRequest("GET", "/report", At(kUptime + absl::Seconds(1)));

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
  ASSERT_TRUE(worker.request.has_value());
  EXPECT_EQ(worker.request->method(), "GET");
  EXPECT_EQ(worker.request->target(), "/report");
  EXPECT_EQ(worker.request->since, At(kUptime + absl::Seconds(1)));
  EXPECT_EQ(snapshot.workers[1].next_restart_in, absl::Seconds(6));
  EXPECT_EQ(snapshot.workers[1].slot.last_exit->status, ExitStatus::Killed(SIGSEGV, true));
  EXPECT_EQ(snapshot.totals[WorkerCounter::kAccepted], 5u);
  EXPECT_EQ(snapshot.connections, 2);

  row.EndRequest();
  EXPECT_FALSE(reader->Read(At(kUptime)).workers[0].request.has_value());
}

TEST(ScoreboardTest, LongRequestLinesAreCut) {
  auto board = Scoreboard::Create(1);
  ASSERT_THAT(board, IsOk());
  board->PublishSlot(ReadySlot(0, 1));
  WorkerRow& row = board->worker_row(0);
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
  board->PublishSlot(ReadySlot(0, 1));
  std::string text;
  for (int i = 0; i < 127; ++i) text += static_cast<char>(255 - i);
  for (size_t size = 0; size <= text.size(); ++size) {
    // The neighbours of the text must not matter.
    const std::string target = text.substr(text.size() - size);
    const std::string method = target.substr(0, 15);
    board->worker_row(0).BeginRequest(method, target, At(kUptime));
    const auto request = board->Read(At(kUptime)).workers[0].request;
    ASSERT_TRUE(request.has_value());
    EXPECT_EQ(request->method(), method);
    EXPECT_EQ(request->target(), target);
  }
}

TEST(ScoreboardTest, FoldingKeepsTotalsAndEndsTheRest) {
  auto board = Scoreboard::Create(2);
  ASSERT_THAT(board, IsOk());
  board->PublishSlot(ReadySlot(0, 1));
  WorkerRow& row = board->worker_row(0);
  row.Add(WorkerCounter::kRequests, 10);
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
  }
  board->PublishSlot(ReadySlot(0, 2));
  row.Add(WorkerCounter::kRequests, 2);
  const PoolSnapshot snapshot = board->Read(At(kUptime));
  EXPECT_EQ(snapshot.totals[WorkerCounter::kRequests], 12u);
  EXPECT_EQ(snapshot.workers[0].counters[WorkerCounter::kRequests], 2u);
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
                       HasSubstr("schema version 77, this program reads version 1")));
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

TEST(ScoreboardTest, RowsOfTheMasterAreReadInOnePiece) {
  auto board = Scoreboard::Create(1);
  ASSERT_THAT(board, IsOk());
  auto reader = Scoreboard::MapReadOnly(board->fd());
  ASSERT_THAT(reader, IsOk());
  const pid_t writer = fork();
  if (writer == 0) {
    SlotView view = ReadySlot(0, 1);
    PoolView pool;
    for (uint64_t i = 1;; ++i) {
      view.incarnation = view.generation = view.restarts = view.deaths[2] = i;
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
    if (!snapshot.torn) {
      ASSERT_EQ(snapshot.pool.generation, snapshot.pool.observed_generation);
      ASSERT_EQ(snapshot.pool.generation, snapshot.pool.restarts);
    }
    for (const WorkerSnapshot& worker : snapshot.workers) {
      if (worker.torn) continue;
      ASSERT_EQ(worker.slot.incarnation, worker.slot.generation);
      ASSERT_EQ(worker.slot.incarnation, worker.slot.restarts);
      ASSERT_EQ(worker.slot.incarnation, worker.slot.deaths[2]);
      ASSERT_GE(worker.slot.incarnation, last);
      changes += worker.slot.incarnation > last;
      last = worker.slot.incarnation;
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
