// What squallctl says about operations and about a pool that is not as it is wanted, and YAML.
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"
#include "squall/control/pool_to_proto.h"
#include "squall/control/squallctl/explain.h"
#include "squall/control/squallctl/progress.h"
#include "squall/control/squallctl/render.h"
#include "squall/control/squallctl/yaml.h"
#include "squall/control/v1/control.pb.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::Operation Resize(int desired, int ready) {
  v1::Operation operation;
  operation.set_name("operations/0123456789abcdef-7");
  operation.set_kind(v1::OPERATION_KIND_RESIZE);
  operation.set_state(v1::OPERATION_STATE_RUNNING);
  operation.set_desired_workers(desired);
  operation.set_actor("uid 0");
  ToProto(absl::FromUnixSeconds(1000), operation.mutable_create_time());
  operation.mutable_pool()->set_desired_workers(desired);
  operation.mutable_pool()->set_ready_workers(ready);
  return operation;
}

TEST(ProgressLine, ShowsABarAndTheTimeThatIsLeft) {
  v1::Operation operation = Resize(5, 3);
  operation.mutable_pool()->set_starting_workers(2);
  EXPECT_EQ(ProgressLine(operation, absl::Seconds(12), absl::Seconds(108), 0),
            "[############--------] 3/5  3 ready, 2 starting  12s, 1m48s left");
  EXPECT_EQ(ProgressLine(operation, absl::Seconds(12), absl::Seconds(108), 30).size(), 30u);
  EXPECT_THAT(ProgressLine(Resize(0, 0), {}, {}, 0), HasSubstr("[####################] 0/0"));
  EXPECT_THAT(ProgressLine(Resize(2, 4), {}, {}, 0), HasSubstr("[####################] 2/2"))
      << "those that drain are no progress beyond the whole";
}

TEST(ProgressLine, OfARestartCountsThoseThatAreReplaced) {
  v1::Operation operation = Resize(4, 4);
  operation.set_kind(v1::OPERATION_KIND_RESTART);
  operation.mutable_pool()->mutable_restart()->set_remaining_workers(3);
  EXPECT_THAT(ProgressLine(operation, {}, {}, 0), HasSubstr("[#####---------------] 1/4  4 ready"));
  operation.mutable_pool()->mutable_restart()->set_phase(v1::RESTART_PHASE_ROLLING_BACK);
  operation.mutable_pool()->mutable_restart()->set_failures(2);
  EXPECT_THAT(ProgressLine(operation, {}, {}, 0), HasSubstr("1/4 rolling back, 2 lost  4 ready"));
}

TEST(RenderOperations, HasALineForEach) {
  v1::Operation failed = Resize(5, 3);
  failed.set_state(v1::OPERATION_STATE_FAILED);
  failed.mutable_error()->set_message("another resize came");
  ToProto(absl::FromUnixSeconds(1003), failed.mutable_end_time());
  const std::vector<std::string> lines =
      RenderOperations({Resize(4, 4), failed}, absl::FromUnixSeconds(1060), {});
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(lines[1], AllOf(HasSubstr("0123456789abcdef-7"), HasSubstr("resize to 4 workers"),
                              HasSubstr("RUNNING"), HasSubstr("1m00s ago"), HasSubstr("uid 0")));
  EXPECT_THAT(lines[2],
              AllOf(HasSubstr("FAILED"), HasSubstr("3.0s"), HasSubstr("another resize came")));
  EXPECT_THAT(RenderOperations({}, absl::Now(), {}), ElementsAre("no operations"));
}

TEST(Explain, SaysThatAllIsWellOnlyWhenItIs) {
  v1::Pool pool;
  pool.set_state(v1::POOL_STATE_SERVING);
  pool.set_desired_workers(2);
  pool.set_ready_workers(2);
  v1::Worker ready;
  ready.set_state(v1::WORKER_STATE_READY);
  EXPECT_THAT(Explain(pool, {ready}), ElementsAre("All is well: 2 of 2 workers are ready."));

  v1::Worker failed;
  failed.set_slot(1);
  failed.set_state(v1::WORKER_STATE_FAILED);
  failed.mutable_last_exit()->set_status(3);
  failed.mutable_last_exit()->set_cause(v1::DEATH_CAUSE_BOOT_FAILURE);
  failed.mutable_next_start_in()->set_seconds(30);
  EXPECT_THAT(Explain(pool, {ready, failed}),
              ElementsAre(AllOf(HasSubstr("slot 1 died too often"), HasSubstr("30s"),
                                HasSubstr("boot failure, exit 3"),
                                HasSubstr("squallctl reset-breaker 1"))));

  v1::Worker stalled;
  stalled.set_slot(0);
  stalled.set_pid(77);
  stalled.set_state(v1::WORKER_STATE_STALLED);
  stalled.mutable_heartbeat_age()->set_seconds(20);
  stalled.mutable_current_request()->set_method("GET");
  stalled.mutable_current_request()->set_target("/report");
  pool.set_state(v1::POOL_STATE_UNAVAILABLE);
  pool.mutable_restart()->set_phase(v1::RESTART_PHASE_RUNNING);
  pool.mutable_restart()->set_remaining_workers(2);
  EXPECT_THAT(Explain(pool, {stalled}),
              ElementsAre(HasSubstr("nobody is served"), HasSubstr("2 of 2 workers are still"),
                          AllOf(HasSubstr("worker 0 (pid 77)"), HasSubstr("20s"),
                                HasSubstr("GET /report"))));
}

std::string Yaml(const std::string& json) {
  google::protobuf::Value value;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(json, &value).ok());
  return ToYaml(value);
}

TEST(Yaml, HasBlocksAndQuotesOnlyWhereTheyAreNeeded) {
  EXPECT_EQ(Yaml(R"({"pool":{"state":"READY","count":3},"workers":[{"slot":0,"pid":7},{"slot":1}],)"
                 R"("none":[],"empty":{},"yes":true,"nothing":null})"),
            "empty: {}\n"
            "none: []\n"
            "nothing: null\n"
            "pool:\n"
            "  count: 3\n"
            "  state: READY\n"
            "workers:\n"
            "  - pid: 7\n"
            "    slot: 0\n"
            "  - slot: 1\n"
            "\"yes\": true\n");
  EXPECT_EQ(Yaml(R"({"a":"12","b":"no","c":"two words","d":"x\"\n\\","e":"","f":"2026-01-01"})"),
            "a: \"12\"\nb: \"no\"\nc: \"two words\"\nd: \"x\\\"\\x0a\\\\\"\ne: \"\"\n"
            "f: \"2026-01-01\"\n");
}

}  // namespace
}  // namespace squall::internal
