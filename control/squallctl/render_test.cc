#include "squall/control/squallctl/render.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/control/pool_to_proto.h"
#include "squall/control/squallctl/table.h"
#include "squall/control/squallctl/watched_pool.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Table, AlignsAndLeavesNoTrailingBlanks) {
  Table table({{"NAME"}, {"N", Align::kRight}, {"REST"}});
  table.AddRow({{"a"}, {"1"}, {"x"}});
  table.AddRow({{"longer"}, {"1000"}, {""}});
  EXPECT_THAT(table.Lines({}), ElementsAre("NAME       N  REST",  //
                                           "a          1  x",     //
                                           "longer  1000"));
}

TEST(Table, CutsAtTheWidth) {
  Table table({{"A"}, {"B"}});
  table.AddRow({{"1234"}, {"567890"}});
  EXPECT_THAT(table.Lines({.width = 12}), ElementsAre("A     B", "1234  567890"));
  EXPECT_THAT(table.Lines({.width = 9}), ElementsAre("A     B", "1234  56~"));
  EXPECT_THAT(table.Lines({.width = 6}), ElementsAre("A", "1234"));
  EXPECT_THAT(table.Lines({.width = 3}), ElementsAre("A", "12~"));
}

TEST(Table, ColoursDoNotMoveColumns) {
  Table table({{"A"}, {"B"}});
  table.AddRow({{"1", Style::kGood}, {"2"}});
  EXPECT_THAT(table.Lines({.color = true}),
              ElementsAre("\x1b[1mA\x1b[0m  \x1b[1mB\x1b[0m", "\x1b[32m1\x1b[0m  2"));
}

TEST(Format, Ages) {
  const struct {
    absl::Duration age;
    const char* text;
  } kCases[] = {{absl::Milliseconds(-5), "0ms"},    {absl::Milliseconds(950), "950ms"},
                {absl::Milliseconds(3249), "3.2s"}, {absl::Milliseconds(9999), "9.9s"},
                {absl::Seconds(47), "47s"},         {absl::Seconds(192), "3m12s"},
                {absl::Minutes(307), "5h07m"},      {absl::Hours(292), "12d4h"}};
  for (const auto& test : kCases) EXPECT_EQ(FormatAge(test.age), test.text);
}

TEST(Format, CountsAndOctets) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1000), "1,000");
  EXPECT_EQ(FormatCount(1234567), "1,234,567");
  EXPECT_EQ(FormatOctets(999), "999 B");
  EXPECT_EQ(FormatOctets(1000), "1.0 kB");
  EXPECT_EQ(FormatOctets(9999), "10 kB");
  EXPECT_EQ(FormatOctets(999999), "1.0 MB");
  EXPECT_EQ(FormatOctets(23456789), "23 MB");
}

v1::Worker WorkerThatDied(int status, int signal, v1::DeathCause cause, bool core = false) {
  v1::Worker worker;
  worker.mutable_last_exit()->set_status(status);
  worker.mutable_last_exit()->set_signal(signal);
  worker.mutable_last_exit()->set_cause(cause);
  worker.mutable_last_exit()->set_core_dumped(core);
  return worker;
}

TEST(Format, LastExits) {
  EXPECT_EQ(FormatExit({}), "-");
  EXPECT_EQ(FormatExit(WorkerThatDied(0, 0, v1::DEATH_CAUSE_UNSPECIFIED)), "stopped");
  EXPECT_EQ(FormatExit(WorkerThatDied(3, 0, v1::DEATH_CAUSE_EXITED)), "exit 3");
  EXPECT_EQ(FormatExit(WorkerThatDied(0, 11, v1::DEATH_CAUSE_SIGNALED, true)), "SIGSEGV, core");
  EXPECT_EQ(FormatExit(WorkerThatDied(0, 9, v1::DEATH_CAUSE_BOOT_TIMEOUT)),
            "boot timeout, SIGKILL");
  EXPECT_EQ(FormatExit(WorkerThatDied(1, 0, v1::DEATH_CAUSE_BOOT_FAILURE)), "boot failure, exit 1");
}

TEST(RenderStatus, SaysWhatEachWorkerIsAt) {
  v1::Pool pool;
  pool.set_state(v1::POOL_STATE_SERVING);
  pool.set_desired_workers(3);
  pool.set_ready_workers(1);
  pool.set_backoff_workers(1);
  pool.set_max_workers(64);
  pool.mutable_totals()->set_requests(12345);
  std::vector<v1::Worker> workers(3);
  workers[0].set_pid(4711);
  workers[0].set_state(v1::WORKER_STATE_STALLED);
  workers[0].set_requests_in_flight(1);
  workers[0].mutable_current_request()->set_method("GET");
  workers[0].mutable_current_request()->set_target("/?sleep=30");
  workers[0].mutable_current_request()->mutable_running_for()->set_seconds(12);
  workers[1].set_slot(1);
  workers[1].set_state(v1::WORKER_STATE_BACKOFF);
  workers[1].mutable_next_start_in()->set_seconds(2);
  workers[1].set_restarts(4);
  workers[2].set_slot(2);
  workers[2].set_torn(true);
  const std::string text = absl::StrJoin(RenderStatus(pool, workers, {}, {}), "\n");
  EXPECT_THAT(text, HasSubstr("SERVING        3      1"));
  EXPECT_THAT(text, HasSubstr("12,345"));
  EXPECT_THAT(text, HasSubstr("4711  STALLED"));
  EXPECT_THAT(text, HasSubstr("12s GET /?sleep=30"));
  EXPECT_THAT(text, HasSubstr("starts in 2.0s"));
  EXPECT_THAT(text, HasSubstr("(row unreadable)"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

// --- WatchedPool

absl::Time At(double seconds) { return absl::UnixEpoch() + absl::Seconds(1000 + seconds); }

v1::WatchPoolResponse Snapshot() {
  v1::WatchPoolResponse response;
  v1::WatchSnapshot* snapshot = response.mutable_snapshot();
  snapshot->mutable_pool()->set_instance_id("a");
  v1::Worker* worker = snapshot->add_workers();
  worker->set_state(v1::WORKER_STATE_READY);
  worker->set_incarnation(1);
  worker->mutable_state_age()->set_seconds(10);
  worker = snapshot->add_workers();
  worker->set_slot(1);
  worker->set_state(v1::WORKER_STATE_BACKOFF);
  worker->mutable_next_start_in()->set_seconds(2);
  return response;
}

TEST(WatchedPool, AgesRowsThatAreNotSentAgain) {
  WatchedPool watched;
  EXPECT_FALSE(watched.known());
  watched.Apply(Snapshot(), At(0));
  ASSERT_TRUE(watched.known());
  const WatchedPool::View view = watched.At(At(3));
  ASSERT_EQ(view.workers.size(), 2u);
  EXPECT_EQ(FromProto(view.workers[0].state_age()), absl::Seconds(13));
  EXPECT_EQ(FromProto(view.workers[1].next_start_in()), absl::ZeroDuration());
}

TEST(WatchedPool, TakesRatesOverThePeriodAndForgetsEmptySlots) {
  WatchedPool watched(absl::Seconds(1));
  watched.Apply(Snapshot(), At(0));
  EXPECT_FALSE(watched.At(At(0)).rates.pool.has_value());

  v1::WatchPoolResponse change;
  change.mutable_change()->mutable_pool()->set_instance_id("a");
  change.mutable_change()->mutable_pool()->mutable_totals()->set_requests(40);
  v1::Worker* worker = change.mutable_change()->add_workers();
  worker->set_state(v1::WORKER_STATE_READY);
  worker->set_incarnation(1);
  worker->mutable_counters()->set_requests(30);
  worker = change.mutable_change()->add_workers();
  worker->set_slot(1);
  worker->set_state(v1::WORKER_STATE_EMPTY);
  watched.Apply(change, At(1));

  EXPECT_FALSE(watched.At(At(0.5)).rates.pool.has_value());
  const WatchedPool::View view = watched.At(At(2));
  EXPECT_EQ(view.rates.pool, 20);
  EXPECT_EQ(view.rates.by_slot.at(0), 15);
  EXPECT_EQ(view.workers.size(), 1u);
  // Nothing came since: the rate of the next period is zero.
  EXPECT_EQ(watched.At(At(3)).rates.pool, 0);
}

}  // namespace
}  // namespace squall::internal
