#include "squall/control/status/pool_json.h"

#include <csignal>
#include <string>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "squall/base/clock.h"
#include "squall/control/testing/fake_pool.h"
#include "squall/process/exit_status.h"
#include "squall/process/pool_options.h"
#include "squall/process/worker_row.h"

namespace squall::internal {
namespace {

using ::squall::testing::FakePool;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(PoolJson, HasNoRatesBeforeThereAreTwoSnapshots) {
  FakePool pool(2, 8);
  const nlohmann::json out =
      nlohmann::json::parse(PoolJson({pool.Read(), Clock::RealNow()}, nullptr));
  EXPECT_EQ(out["pool"]["state"], "serving");
  EXPECT_EQ(out["pool"]["sentence"], "2 of 2 workers serve");
  EXPECT_EQ(out["pool"]["max_workers"], 8);
  EXPECT_TRUE(out["pool"]["requests_per_second"].is_null());
  EXPECT_TRUE(out["pool"]["p99"].is_null());
  ASSERT_EQ(out["workers"].size(), 2u);
  EXPECT_EQ(out["workers"][1]["slot"], 1);
  EXPECT_EQ(out["workers"][1]["state"], "ready");
  EXPECT_TRUE(out["workers"][1]["request_age"].is_null());
  EXPECT_TRUE(out["workers"][1]["last_exit"].is_null());
}

TEST(PoolJson, RatesAreOfTheTimeBetween) {
  FakePool pool(2, 8);
  WorkerRow& row = pool.row(0);
  row.Add(WorkerCounter::kRequests, 100);
  const MonotonicTime now = Clock::RealNow();
  row.RecordLatency(now, now + absl::Seconds(60));
  const TimedSnapshot before{pool.Read(), now};
  row.Add(WorkerCounter::kRequests, 30);
  for (int i = 0; i < 30; ++i) row.RecordLatency(now, now + absl::Milliseconds(10));
  const nlohmann::json out =
      nlohmann::json::parse(PoolJson({pool.Read(), now + absl::Seconds(2)}, &before));
  EXPECT_EQ(out["pool"]["requests"], 130);
  EXPECT_EQ(out["pool"]["requests_per_second"], 15);
  EXPECT_LT(out["pool"]["p99"], 0.02) << "the minute was before";
  EXPECT_EQ(out["workers"][0]["requests_per_second"], 15);
  EXPECT_EQ(out["workers"][1]["requests_per_second"], 0);
}

TEST(PoolJson, ANewProcessHasNoRatesOfItsPredecessor) {
  FakePool pool(PoolOptions{.desired = 1, .max_workers = 8});
  pool.row(0).Add(WorkerCounter::kRequests, 100);
  const TimedSnapshot before{pool.Read(), Clock::RealNow()};
  pool.Kill(0, ExitStatus::Killed(SIGKILL));
  pool.MakeAllReady();
  const nlohmann::json out =
      nlohmann::json::parse(PoolJson({pool.Read(), before.at + absl::Seconds(1)}, &before));
  EXPECT_EQ(out["workers"][0]["incarnation"], 2);
  EXPECT_TRUE(out["workers"][0]["requests_per_second"].is_null());
  EXPECT_EQ(out["workers"][0]["last_exit"], "killed by signal 9 (SIGKILL), signaled");
}

// When a worker is dead its counters since its start begin anew.
TEST(PoolJson, ADeadWorkerHasNoRates) {
  FakePool pool(PoolOptions{.desired = 2, .max_workers = 8, .breaker = {.deaths = 0}});
  pool.row(1).Add(WorkerCounter::kRequests, 100);
  const TimedSnapshot before{pool.Read(), Clock::RealNow()};
  TimedSnapshot now = before;
  now.at += absl::Seconds(1);
  now.pool.workers[1].counters = {};
  EXPECT_EQ(nlohmann::json::parse(PoolJson(now, &before))["workers"][1]["requests_per_second"], 0)
      << "it is seen between its death and what follows it";
  pool.Kill(1, ExitStatus::Killed(SIGKILL));
  now.pool = pool.Read();
  const nlohmann::json out = nlohmann::json::parse(PoolJson(now, &before));
  EXPECT_EQ(out["workers"][1]["state"], "failed");
  EXPECT_TRUE(out["workers"][1]["requests_per_second"].is_null());
  EXPECT_TRUE(out["workers"][1]["busy"].is_null());
}

TEST(PoolJson, ShowsThatThereIsARequestAndNotWhich) {
  FakePool pool(1, 8);
  const MonotonicTime now = Clock::RealNow();
  pool.row(0).BeginRequest("GET", "/report?token=secret", now - absl::Seconds(3));
  const std::string text = PoolJson({pool.Read(), now}, nullptr);
  EXPECT_EQ(nlohmann::json::parse(text)["workers"][0]["request_age"], 3);
  EXPECT_THAT(text, Not(HasSubstr("secret")));
  EXPECT_THAT(text, Not(HasSubstr("\n"))) << "the stream has an event in one line";
}

}  // namespace
}  // namespace squall::internal
