#include "squall/control/status/pool_metrics.h"

#include <csignal>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/control/status/pool_words.h"
#include "squall/control/testing/fake_pool.h"
#include "squall/process/exit_status.h"
#include "squall/process/pool_options.h"
#include "squall/process/worker_row.h"

namespace squall::internal {
namespace {

using ::squall::testing::FakePool;
using ::testing::Contains;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::Pair;

// "name{labels}" -> value; fails when one comes twice.
std::map<std::string, double> Scrape(FakePool& pool) {
  const MonotonicTime now = Clock::Real().Now();
  MetricsText text;
  AppendPoolMetrics(pool.Read(), now, text);
  std::map<std::string, double> samples;
  const std::string all = std::move(text).Take();
  for (const absl::string_view line : absl::StrSplit(all, '\n', absl::SkipEmpty())) {
    if (line[0] == '#') continue;
    const size_t space = line.rfind(' ');
    const std::string value(line.substr(space + 1));
    EXPECT_TRUE(
        samples.emplace(std::string(line.substr(0, space)), strtod(value.c_str(), nullptr)).second)
        << line;
  }
  return samples;
}

bool IsCounter(const std::string& name) {
  return name.find("_total") != name.npos || name.find("_bucket{") != name.npos ||
         name.find("_count") != name.npos || name.find("_sum") != name.npos;
}

TEST(PoolMetrics, ShowWhatThePoolIs) {
  FakePool pool(2, 8);
  WorkerRow& row = pool.row(1);
  row.Add(WorkerCounter::kAccepted, 3);
  row.AddConnections(2);
  row.Add(WorkerCounter::kRequests, 5);
  row.CountResponse(200);
  row.CountResponse(503);
  const MonotonicTime now = Clock::Real().Now();
  row.RecordLatency(now, now + absl::Milliseconds(20));
  row.BeginRequest("GET", "/secret", now - absl::Seconds(7));
  const std::map<std::string, double> samples = Scrape(pool);
  EXPECT_THAT(
      samples,
      IsSupersetOf({Pair("squall_pool_serving", 1), Pair("squall_pool_desired_workers", 2),
                    Pair("squall_pool_max_workers", 8),
                    Pair("squall_pool_workers{state=\"ready\"}", 2),
                    Pair("squall_pool_workers{state=\"failed\"}", 0),
                    Pair("squall_pool_restart_phase{phase=\"none\"}", 1),
                    Pair("squall_http_requests_total", 5),
                    Pair("squall_http_responses_total{class=\"2xx\"}", 1),
                    Pair("squall_http_responses_total{class=\"5xx\"}", 1),
                    Pair("squall_http_connections", 2), Pair("squall_http_requests_in_flight", 1),
                    Pair("squall_http_request_duration_seconds_bucket{le=\"0.016384\"}", 0),
                    Pair("squall_http_request_duration_seconds_bucket{le=\"0.024576\"}", 1),
                    Pair("squall_http_request_duration_seconds_count", 1),
                    Pair("squall_accept_connections_total", 3),
                    Pair("squall_worker_state{slot=\"0\",row=\"0\",state=\"ready\"}", 1),
                    Pair("squall_worker_connections{slot=\"1\",row=\"1\"}", 2),
                    Pair("squall_worker_accepted_connections_total{slot=\"1\",row=\"1\"}", 3)}));
  const double age = samples.at("squall_worker_request_age_seconds{slot=\"1\",row=\"1\"}");
  EXPECT_GE(age, 7);
  EXPECT_LT(age, 30);
  EXPECT_FALSE(samples.contains("squall_worker_request_age_seconds{slot=\"0\",row=\"0\"}"));
}

TEST(PoolMetrics, NoCounterGoesBackWhenWorkersDie) {
  FakePool pool(PoolOptions{.desired = 2, .max_workers = 8, .breaker = {.deaths = 1}});
  const MonotonicTime now = Clock::Real().Now();
  for (int slot : {0, 1}) {
    pool.row(slot).Add(WorkerCounter::kRequests, 10);
    pool.row(slot).Add(WorkerCounter::kAccepted, 10);
    pool.row(slot).CountResponse(200);
    pool.row(slot).RecordLatency(now, now + absl::Milliseconds(1));
  }
  std::map<std::string, double> before = Scrape(pool);
  const auto check = [&] {
    const std::map<std::string, double> after = Scrape(pool);
    for (const auto& [name, value] : before) {
      if (!IsCounter(name) || !after.contains(name)) continue;
      EXPECT_GE(after.at(name), value) << name;
    }
    before = after;
  };
  pool.Kill(1, ExitStatus::Killed(SIGSEGV));
  check();
  EXPECT_THAT(before, Contains(Pair("squall_pool_worker_deaths_total{cause=\"signaled\"}", 1)));
  pool.Kill(1, ExitStatus::Exited(3));
  check();
  EXPECT_THAT(before,
              IsSupersetOf({Pair("squall_pool_worker_deaths_total{cause=\"signaled\"}", 1),
                            Pair("squall_pool_worker_deaths_total{cause=\"boot_failure\"}", 1),
                            Pair("squall_pool_workers{state=\"failed\"}", 1),
                            Pair("squall_slot_worker_deaths_total{slot=\"1\"}", 2)}));
  // The slot that died is gone; what it did is not.
  pool.Resize(1);
  pool.FinishDraining();
  check();
  EXPECT_THAT(before,
              IsSupersetOf({Pair("squall_pool_worker_deaths_total{cause=\"signaled\"}", 1),
                            Pair("squall_pool_worker_deaths_total{cause=\"boot_failure\"}", 1),
                            Pair("squall_http_requests_total", 20)}));
  EXPECT_THAT(before, Not(Contains(Pair("squall_slot_worker_deaths_total{slot=\"1\"}", 2))));
  pool.Resize(2);
  pool.MakeAllReady();
  check();
  EXPECT_THAT(before, IsSupersetOf({Pair("squall_worker_requests_total{slot=\"1\",row=\"1\"}", 10),
                                    Pair("squall_slot_worker_deaths_total{slot=\"1\"}", 2)}));
}

TEST(PoolMetrics, AStalledWorkerIsNoReadyOne) {
  FakePool pool(2, 8);
  pool.row(0).Heartbeat(Clock::Real().Now() - absl::Seconds(6));
  EXPECT_THAT(Scrape(pool),
              IsSupersetOf({Pair("squall_pool_stalled_workers", 1),
                            Pair("squall_worker_state{slot=\"0\",row=\"0\",state=\"stalled\"}", 1),
                            Pair("squall_worker_state{slot=\"1\",row=\"1\",state=\"ready\"}", 1)}));
}

TEST(PoolWords, SayWhetherThePoolServes) {
  FakePool pool(PoolOptions{.desired = 2, .max_workers = 8, .breaker = {.deaths = 0}});
  EXPECT_TRUE(IsServing(pool.Read()));
  EXPECT_EQ(Readiness(pool.Read()), "2 of 2 workers serve");
  pool.Kill(0, ExitStatus::Exited(3));
  EXPECT_EQ(Readiness(pool.Read()), "1 of 2 workers serve");
  pool.Resize(3);
  pool.Kill(1, ExitStatus::Exited(3));
  EXPECT_FALSE(IsServing(pool.Read()));
  EXPECT_EQ(Readiness(pool.Read()), "0 of 3 workers serve, 2 starting, 1 given up");
  pool.MakeAllReady();
  pool.BeginShutdown();
  EXPECT_FALSE(IsServing(pool.Read()));
  EXPECT_EQ(Readiness(pool.Read()), "the pool is shutting down, 2 draining");
}

}  // namespace
}  // namespace squall::internal
