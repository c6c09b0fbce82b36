// A thousand ResizePool calls at the same time, to a real pool: random numbers, request ids that come
// twice and belong to two requests, etags of the past. What they cost the master is printed.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "squall/control/client.h"
#include "squall/control/error_details.h"
#include "squall/control/testing/running_pool.h"
#include "squall/control/v1/control.grpc.pb.h"
#include "squall/process/process_stat.h"

namespace squall {
namespace {

namespace v1 = ::squall::control::v1;
using testing::Eventually;
using testing::kPatience;
using testing::RunningPool;

constexpr int kCalls = 1000;
constexpr int kConnections = 20;
constexpr int kMaxWorkers = 8;

struct OneCall {
  grpc::ClientContext context;
  v1::ResizePoolRequest request;
  v1::ResizePoolResponse response;
  absl::Status status;
  std::atomic<int> answers = 0;
};

std::unique_ptr<v1::ControlService::Stub> NewConnection(const std::string& address) {
  grpc::ChannelArguments arguments;
  // Or all of them would be one.
  arguments.SetInt("grpc.use_local_subchannel_pool", 1);
  return v1::ControlService::NewStub(
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
}

bool Settled(ControlClient& client) {
  return Eventually([&] {
    const absl::StatusOr<v1::Pool> pool = client.GetPool();
    return pool.ok() && !pool->reconciling() && pool->ready_workers() == pool->desired_workers();
  });
}

TEST(ResizeRace, EachOfAThousandCallsHasOneAnswerAndTheLastAcceptedOneHolds) {
  RunningPool running({.workers = 2, .max_workers = kMaxWorkers});
  ControlClient client(running.address(), {.timeout = kPatience, .retry_for = kPatience});
  ASSERT_TRUE(Settled(client));
  const std::string stale_etag = client.GetPool().value().etag();
  ASSERT_TRUE(client.ResizePool({.desired_workers = 3}).ok());
  ASSERT_TRUE(Settled(client));
  const v1::Pool before = client.GetPool().value();
  const ProcessStat stat_before = ReadProcessStat(running.master_pid()).value();

  std::minstd_rand random(20);
  const auto pick = [&random](int count) {
    return std::uniform_int_distribution<int>(0, count - 1)(random);
  };
  std::vector<std::unique_ptr<v1::ControlService::Stub>> stubs;
  for (int i = 0; i < kConnections; ++i) stubs.push_back(NewConnection(running.address()));
  std::vector<std::unique_ptr<OneCall>> calls;
  for (int i = 0; i < kCalls; ++i) {
    OneCall& call = *calls.emplace_back(std::make_unique<OneCall>());
    // One in ten is above what there are slots for.
    call.request.set_desired_workers(pick(10) == 0 ? kMaxWorkers + 1 + pick(9)
                                                   : pick(kMaxWorkers + 1));
    switch (pick(4)) {
      case 0:  // Comes from several, mostly for another number.
        call.request.set_request_id(absl::StrCat("shared-", pick(50)));
        break;
      case 1:  // Comes twice for the same number.
        call.request.set_request_id(absl::StrCat("pair-", i / 2));
        if (i % 2 == 1 && calls[i - 1]->request.request_id() == call.request.request_id()) {
          call.request.set_desired_workers(calls[i - 1]->request.desired_workers());
        }
        break;
      default:
        break;
    }
    // With an id as well it could be an answer to the request of that id.
    if (call.request.request_id().empty() && pick(4) == 0) {
      call.request.set_etag(pick(2) == 0 ? stale_etag : before.etag());
    }
    call.context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  }
  const absl::Time begun = absl::Now();
  for (int i = 0; i < kCalls; ++i) {
    OneCall* const call = calls[i].get();
    stubs[i % kConnections]->async()->ResizePool(&call->context, &call->request, &call->response,
                                                 [call](const grpc::Status& status) {
                                                   call->status = internal::StatusFromGrpc(status);
                                                   ++call->answers;
                                                 });
  }
  ASSERT_TRUE(Eventually([&] {
    return std::all_of(calls.begin(), calls.end(),
                       [](const auto& call) { return call->answers > 0; });
  }));
  const absl::Duration took = absl::Now() - begun;
  const ProcessStat stat_after = ReadProcessStat(running.master_pid()).value();

  const std::map<std::string, absl::StatusCode> documented = {
      {"SLOT_CAPACITY", absl::StatusCode::kFailedPrecondition},
      {"REQUEST_ID_REUSED", absl::StatusCode::kInvalidArgument},
      {"STALE_ETAG", absl::StatusCode::kAborted},
      // On a machine that has no time for the master; "may still take effect".
      {"MASTER_UNREACHABLE", absl::StatusCode::kUnavailable}};
  std::map<std::string, int> outcomes;
  std::map<std::string, std::set<std::string>> operations_of_id;
  std::map<std::string, std::set<int>> targets_of_id;
  uint64_t last_generation = before.generation();
  for (const auto& call : calls) {
    EXPECT_EQ(call->answers, 1);
    if (call->status.ok()) {
      ++outcomes["accepted"];
      const v1::Operation& operation = call->response.operation();
      EXPECT_EQ(operation.desired_workers(), call->request.desired_workers());
      EXPECT_NE(call->request.etag(), stale_etag);
      // Nobody had changed anything yet.
      if (!call->request.etag().empty()) {
        EXPECT_LE(operation.generation(), before.generation() + 1);
      }
      last_generation = std::max(last_generation, operation.generation());
      if (!call->request.request_id().empty()) {
        operations_of_id[call->request.request_id()].insert(operation.name());
        targets_of_id[call->request.request_id()].insert(operation.desired_workers());
      }
      continue;
    }
    const std::string reason = ErrorReason(call->status);
    ++outcomes[reason];
    ASSERT_TRUE(documented.contains(reason)) << call->status;
    EXPECT_EQ(call->status.code(), documented.at(reason)) << call->status;
    if (reason == "SLOT_CAPACITY") {
      EXPECT_GT(call->request.desired_workers(), kMaxWorkers);
    }
    if (reason == "REQUEST_ID_REUSED") {
      EXPECT_NE(call->request.request_id(), "");
    }
    if (reason == "STALE_ETAG") {
      EXPECT_NE(call->request.etag(), "");
    }
  }
  for (const auto& [id, operations] : operations_of_id) EXPECT_EQ(operations.size(), 1u) << id;
  for (const auto& [id, targets] : targets_of_id) EXPECT_EQ(targets.size(), 1u) << id;
  for (const char* outcome : {"accepted", "SLOT_CAPACITY", "REQUEST_ID_REUSED", "STALE_ETAG"}) {
    EXPECT_GT(outcomes[outcome], 0) << outcome;
  }

  ASSERT_TRUE(Settled(client));
  const v1::Pool after = client.GetPool().value();
  EXPECT_GE(after.generation(), last_generation);
  if (outcomes["MASTER_UNREACHABLE"] == 0) {
    EXPECT_EQ(after.generation(), last_generation);
  }
  for (const auto& call : calls) {
    if (call->status.ok() && call->response.operation().generation() == after.generation()) {
      EXPECT_EQ(call->request.desired_workers(), after.desired_workers());
    }
  }
  EXPECT_EQ(after.failed_workers(), 0);

  const absl::Duration cpu = stat_after.cpu_time - stat_before.cpu_time;
  const auto grown = static_cast<int64_t>(stat_after.rss_bytes - stat_before.rss_bytes);
  for (const auto& [outcome, count] : outcomes) std::cout << outcome << ": " << count << "\n";
  std::cout << kCalls << " calls in " << took << ", master: " << cpu << " of CPU, RSS "
            << stat_after.rss_bytes / 1024 << " KiB, " << grown / 1024 << " KiB more than before\n";
  // A request that is remembered is less than 1 KiB, and instrumented builds are a few times larger.
  EXPECT_LT(grown, int64_t{32} << 20);
  EXPECT_LT(cpu, absl::Seconds(10));
}

}  // namespace
}  // namespace squall
