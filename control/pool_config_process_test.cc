// A configuration that is changed while a real pool serves.
#include <signal.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/control/client.h"
#include "squall/control/pool_to_proto.h"
#include "squall/control/testing/running_pool.h"
#include "squall/control/v1/control.pb.h"

namespace squall {
namespace {

namespace v1 = ::squall::control::v1;
using testing::Eventually;
using testing::IsAlive;
using testing::kPatience;
using testing::RunningPool;

constexpr ControlClientOptions kPatient = {.timeout = kPatience, .retry_for = kPatience};

bool WaitForReady(ControlClient& client, int workers) {
  return Eventually([&] {
    const absl::StatusOr<v1::Pool> pool = client.GetPool();
    return pool.ok() && pool->ready_workers() == workers && !pool->reconciling();
  });
}

v1::UpdatePoolRequest Stops(absl::Duration grace, absl::Duration kill_after) {
  v1::UpdatePoolRequest request;
  v1::DrainConfig& drain = *request.mutable_config()->mutable_drain();
  internal::ToProto(grace, drain.mutable_grace());
  internal::ToProto(kill_after, drain.mutable_kill_after());
  return request;
}

TEST(PoolConfigProcess, AStoppedWorkerIsKilledByTheNewDeadlines) {
  RunningPool running;
  ControlClient client(running.address(), kPatient);
  ASSERT_TRUE(WaitForReady(client, 2));
  // As the program has it: a worker that hears nothing is killed after 10 s.
  const absl::StatusOr<v1::UpdatePoolResponse> updated =
      client.UpdatePool(Stops(absl::Milliseconds(50), absl::Milliseconds(50)));
  ASSERT_TRUE(updated.ok()) << updated.status();
  const absl::StatusOr<v1::Worker> worker = client.GetWorker(1);
  ASSERT_TRUE(worker.ok());
  kill(worker->pid(), SIGSTOP);
  const absl::Time begun = absl::Now();
  const auto resized = client.ResizePool(
      {.desired_workers = 1, .wait_for = v1::WAIT_FOR_DRAINED, .timeout = kPatience});
  ASSERT_TRUE(resized.ok()) << resized.status();
  EXPECT_LT(absl::Now() - begun, absl::Seconds(5));
  EXPECT_FALSE(IsAlive(worker->pid()));
}

TEST(PoolConfigProcess, TheAutoscalerIsSwitchedOnAndOff) {
  RunningPool running;
  ControlClient client(running.address(), kPatient);
  ASSERT_TRUE(WaitForReady(client, 2));
  v1::UpdatePoolRequest request;
  v1::AutoscalerConfig& autoscaler = *request.mutable_config()->mutable_autoscaler();
  autoscaler.set_mode(v1::AUTOSCALER_MODE_SPARE);
  autoscaler.set_min_workers(4);
  autoscaler.set_max_workers(6);
  internal::ToProto(absl::Milliseconds(100), autoscaler.mutable_interval());
  ASSERT_TRUE(client.UpdatePool(request).ok());
  ASSERT_TRUE(WaitForReady(client, 4));
  absl::StatusOr<v1::Pool> pool = client.GetPool();
  ASSERT_TRUE(pool.ok());
  EXPECT_EQ(pool->autoscaler().mode(), v1::AUTOSCALER_MODE_SPARE);
  EXPECT_EQ(pool->autoscaler().last_decision().kind(), v1::SCALE_KIND_GROW);
  EXPECT_EQ(pool->autoscaler().last_decision().target_workers(), 4);
  EXPECT_NE(pool->autoscaler().last_decision().reason(), "");
  EXPECT_NE(pool->autoscaler().inputs(), "");
  EXPECT_TRUE(pool->autoscaler().has_next_look_in());

  request.clear_config();
  request.mutable_config()->mutable_autoscaler()->set_mode(v1::AUTOSCALER_MODE_STATIC);
  ASSERT_TRUE(client.UpdatePool(request).ok());
  // Below min_workers, which counts no more.
  const auto resized = client.ResizePool(
      {.desired_workers = 1, .wait_for = v1::WAIT_FOR_DRAINED, .timeout = kPatience});
  ASSERT_TRUE(resized.ok()) << resized.status();
  pool = client.GetPool();
  ASSERT_TRUE(pool.ok());
  EXPECT_EQ(pool->autoscaler().mode(), v1::AUTOSCALER_MODE_STATIC);
  EXPECT_FALSE(pool->autoscaler().has_last_decision());
}

TEST(PoolConfigProcess, OutlivesTheControlProcess) {
  RunningPool running;
  ControlClient client(running.address(), kPatient);
  ASSERT_TRUE(WaitForReady(client, 2));
  v1::UpdatePoolRequest request = Stops(absl::Seconds(17), absl::Seconds(3));
  request.set_request_id("once");
  const absl::StatusOr<v1::UpdatePoolResponse> updated = client.UpdatePool(request);
  ASSERT_TRUE(updated.ok()) << updated.status();
  const absl::StatusOr<v1::GetServerInfoResponse> server = client.GetServerInfo();
  ASSERT_TRUE(server.ok());
  kill(server->control_pid(), SIGKILL);
  const absl::StatusOr<v1::GetPoolConfigResponse> config = client.GetPoolConfig();
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(internal::FromProto(config->config().drain().grace()), absl::Seconds(17));
  const absl::StatusOr<v1::UpdatePoolResponse> again = client.UpdatePool(request);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->pool().generation(), updated->pool().generation());
}

}  // namespace
}  // namespace squall
