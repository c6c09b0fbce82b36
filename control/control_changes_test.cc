// The methods that ask the master for something, and the operations that come of it, over a real
// gRPC channel above a pool without processes.
#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "squall/control/error_details.h"
#include "squall/control/pool_to_proto.h"
#include "squall/control/testing/served_pool.h"
#include "squall/control/v1/control.grpc.pb.h"

namespace squall {
namespace {

namespace v1 = ::squall::control::v1;
using ::testing::HasSubstr;
using testing::InfoOf;
using testing::ServedPoolTest;
using testing::To;
using Stub = v1::ControlService::Stub;

class ControlChangesTest : public ServedPoolTest {
 protected:
  template <typename Request, typename Response>
  absl::Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    SetDeadline(context);
    return internal::StatusFromGrpc(((*stub_).*method)(&context, request, response));
  }

  absl::Status Restart(const v1::RestartPoolRequest& request, v1::Operation* operation) {
    v1::RestartPoolResponse response;
    absl::Status status = Call(&Stub::RestartPool, request, &response);
    *operation = response.operation();
    return status;
  }

  absl::Status Drain(int slot, uint64_t incarnation, v1::Operation* operation) {
    v1::DrainWorkerRequest request;
    request.set_slot(slot);
    request.set_incarnation(incarnation);
    v1::DrainWorkerResponse response;
    absl::Status status = Call(&Stub::DrainWorker, request, &response);
    *operation = response.operation();
    return status;
  }

  absl::Status Cancel(const std::string& name, v1::Operation* operation) {
    v1::CancelOperationRequest request;
    request.set_name(name);
    v1::CancelOperationResponse response;
    absl::Status status = Call(&Stub::CancelOperation, request, &response);
    *operation = response.operation();
    return status;
  }

  absl::Status Get(const std::string& name, v1::Operation* operation) {
    v1::GetOperationRequest request;
    request.set_name(name);
    v1::GetOperationResponse response;
    absl::Status status = Call(&Stub::GetOperation, request, &response);
    *operation = response.operation();
    return status;
  }

  absl::Status Wait(const std::string& name, absl::Duration timeout, v1::Operation* operation) {
    v1::WaitOperationRequest request;
    request.set_name(name);
    if (timeout != absl::ZeroDuration()) internal::ToProto(timeout, request.mutable_timeout());
    v1::WaitOperationResponse response;
    absl::Status status = Call(&Stub::WaitOperation, request, &response);
    *operation = response.operation();
    return status;
  }
};

TEST_F(ControlChangesTest, ARestartRunsIsShownAndIsDone) {
  v1::RestartPoolRequest request;
  request.set_request_id("r1");
  request.set_max_surge(1);
  v1::Operation begun;
  ASSERT_TRUE(Restart(request, &begun).ok());
  EXPECT_EQ(begun.kind(), v1::OPERATION_KIND_RESTART);
  EXPECT_EQ(begun.state(), v1::OPERATION_STATE_RUNNING);
  EXPECT_EQ(begun.request_id(), "r1");
  EXPECT_EQ(begun.actor(), "uid 4711");
  EXPECT_EQ(begun.generation(), 2u);
  EXPECT_TRUE(begun.has_create_time());
  EXPECT_FALSE(begun.has_end_time());
  EXPECT_EQ(begun.pool().restart().phase(), v1::RESTART_PHASE_RUNNING);
  EXPECT_EQ(begun.pool().restart().remaining_workers(), 2);

  // The same again is the same restart; another one is refused and names it.
  v1::Operation again;
  ASSERT_TRUE(Restart(request, &again).ok());
  EXPECT_EQ(again.name(), begun.name());
  request.set_request_id("r2");
  const absl::Status second = Restart(request, &again);
  EXPECT_EQ(second.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(InfoOf(second).reason(), "OPERATION_IN_PROGRESS");
  EXPECT_EQ(InfoOf(second).metadata().at("operation"), begun.name());

  v1::Operation waited;
  std::thread waiting([&] { EXPECT_TRUE(Wait(begun.name(), {}, &waited).ok()); });
  for (int i = 0; i < 2; ++i) {
    pool_.MakeAllReady();
    pool_.FinishDraining();
  }
  waiting.join();
  EXPECT_EQ(waited.state(), v1::OPERATION_STATE_DONE);
  EXPECT_TRUE(waited.has_end_time());
  EXPECT_EQ(waited.pool().restart().phase(), v1::RESTART_PHASE_SUCCEEDED);
}

// The end may come between the readings of the pool and of the operation.
TEST_F(ControlChangesTest, AnOperationAtItsEndComesWithThePoolOfThatTime) {
  // Shared, for the hub may still look when the test is over.
  const auto finds_left = std::make_shared<std::atomic<int>>(-1);
  pool_.BeforeFindOperation([this, finds_left] {
    if (--*finds_left == 0) pool_.MakeAllReady();
  });
  // The first look of each method is for whether there is such an operation.
  const auto get = [this](const std::string& name, v1::Operation* operation) {
    return Get(name, operation);
  };
  const auto wait = [this](const std::string& name, v1::Operation* operation) {
    return Wait(name, {}, operation);
  };
  int workers = 2;
  for (const auto& method : {std::function(get), std::function(wait)}) {
    pool_.Resize(++workers);
    v1::ListOperationsResponse operations;
    ASSERT_TRUE(Call(&Stub::ListOperations, v1::ListOperationsRequest(), &operations).ok());
    v1::Operation operation;
    *finds_left = 2;
    ASSERT_TRUE(method(operations.operations(0).name(), &operation).ok());
    EXPECT_EQ(operation.state(), v1::OPERATION_STATE_DONE);
    EXPECT_EQ(operation.pool().ready_workers(), workers);
  }
}

// The pool is there before the end of the operation is.
TEST_F(ControlChangesTest, AResizeThatWaitsForTheDrainedEndsWithItsOperation) {
  const auto looked = std::make_shared<std::promise<void>>();
  const auto finds = std::make_shared<std::atomic<int>>(0);
  pool_.BeforeFindOperation([looked, finds] {
    if (++*finds == 1) looked->set_value();
  });
  pool_.HoldOperations();
  v1::ResizePoolResponse response;
  std::thread waiting([&] {
    v1::ResizePoolRequest request = To(4);
    request.set_wait_for(v1::WAIT_FOR_DRAINED);
    EXPECT_TRUE(Call(&Stub::ResizePool, request, &response).ok());
  });
  // Until the resize has begun nobody is starting.
  while (pool_.Read().pool.desired != 4) std::this_thread::yield();
  pool_.MakeAllReady();
  looked->get_future().wait();
  pool_.LetOperationsGo();
  waiting.join();
  EXPECT_EQ(response.operation().state(), v1::OPERATION_STATE_DONE);
  EXPECT_EQ(response.operation().pool().ready_workers(), 4);
}

TEST_F(ControlChangesTest, EachOptionOfARestartIsCheckedByName) {
  const auto field_of = [this](const v1::RestartPoolRequest& request) {
    v1::Operation operation;
    const absl::Status status = Restart(request, &operation);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    const auto info = InfoOf(status);
    EXPECT_EQ(info.reason(), "INVALID_FIELD");
    return info.metadata().count("field") == 0 ? std::string() : info.metadata().at("field");
  };
  v1::RestartPoolRequest request;
  request.set_max_surge(-1);
  EXPECT_EQ(field_of(request), "max_surge");
  request = {};
  request.set_max_unavailable(-1);
  EXPECT_EQ(field_of(request), "max_unavailable");
  request = {};
  request.set_min_healthy(-1);
  EXPECT_EQ(field_of(request), "min_healthy");
  request = {};
  request.set_max_failures(0);
  EXPECT_EQ(field_of(request), "max_failures");
  request = {};
  request.mutable_soak()->set_seconds(-1);
  EXPECT_EQ(field_of(request), "soak");
  request = {};
  request.mutable_ready_timeout()->set_seconds(25 * 3600);
  EXPECT_EQ(field_of(request), "ready_timeout");
  request = {};
  request.set_on_failure(static_cast<v1::OnFailure>(77));
  EXPECT_EQ(field_of(request), "on_failure");
  request = {};
  request.set_etag("nonsense");
  EXPECT_EQ(field_of(request), "etag");
  request = {};
  request.set_request_id("with space");
  EXPECT_EQ(field_of(request), "request_id");
  // Only the master can know.
  request = {};
  request.mutable_ready_timeout()->set_seconds(0);
  EXPECT_EQ(field_of(request), "ready_timeout");
  EXPECT_EQ(GetPool().restart().phase(), v1::RESTART_PHASE_UNSPECIFIED);
}

TEST_F(ControlChangesTest, AStaleEtagRestartsNothing) {
  v1::RestartPoolRequest request;
  request.set_etag(GetPool().etag());
  pool_.Resize(3);
  v1::Operation operation;
  const absl::Status status = Restart(request, &operation);
  EXPECT_EQ(InfoOf(status).reason(), "STALE_ETAG");
  EXPECT_EQ(InfoOf(status).metadata().at("etag"), GetPool().etag());
  request.set_etag(GetPool().etag());
  EXPECT_TRUE(Restart(request, &operation).ok());
}

TEST_F(ControlChangesTest, ValidateOnlyBeginsNothing) {
  v1::RestartPoolRequest request;
  request.set_validate_only(true);
  v1::Operation operation;
  ASSERT_TRUE(Restart(request, &operation).ok());
  EXPECT_EQ(operation.state(), v1::OPERATION_STATE_VALIDATED);
  EXPECT_EQ(operation.name(), "");
  EXPECT_FALSE(GetPool().has_restart());
}

TEST_F(ControlChangesTest, ADrainAndAKillNameTheLifeTheyMean) {
  v1::Operation operation;
  ASSERT_TRUE(Drain(1, 1, &operation).ok());
  EXPECT_EQ(operation.kind(), v1::OPERATION_KIND_DRAIN_WORKER);
  EXPECT_EQ(operation.slot(), 1);
  EXPECT_EQ(operation.incarnation(), 1u);
  pool_.MakeAllReady();
  pool_.FinishDraining();
  v1::Operation drained;
  ASSERT_TRUE(Get(operation.name(), &drained).ok());
  EXPECT_EQ(drained.state(), v1::OPERATION_STATE_DONE);

  const absl::Status wrong = Drain(1, 1, &operation);
  EXPECT_EQ(wrong.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(InfoOf(wrong).reason(), "WRONG_INCARNATION");
  EXPECT_EQ(InfoOf(wrong).metadata().at("incarnation"), "2");
  const absl::Status nowhere = Drain(8, 1, &operation);
  EXPECT_EQ(nowhere.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(InfoOf(nowhere).metadata().at("max_workers"), "8");
  EXPECT_EQ(InfoOf(Drain(1, 0, &operation)).metadata().at("field"), "incarnation");
  EXPECT_EQ(InfoOf(Drain(-1, 1, &operation)).metadata().at("field"), "slot");

  v1::KillWorkerRequest kill;
  v1::KillWorkerResponse response;
  EXPECT_EQ(InfoOf(Call(&Stub::KillWorker, kill, &response)).metadata().at("field"), "slot");
  kill.set_slot(1);
  kill.set_incarnation(2);
  ASSERT_TRUE(Call(&Stub::KillWorker, kill, &response).ok());
  EXPECT_EQ(response.operation().kind(), v1::OPERATION_KIND_KILL_WORKER);
  EXPECT_EQ(response.operation().state(), v1::OPERATION_STATE_RUNNING);
}

TEST_F(ControlChangesTest, CancellingAResizeGoesBack) {
  v1::Operation resize;
  ASSERT_TRUE(Resize(To(5), &resize).ok());
  EXPECT_EQ(resize.previous_workers(), 2);
  v1::Operation cancelled;
  ASSERT_TRUE(Cancel(resize.name(), &cancelled).ok());
  EXPECT_EQ(cancelled.state(), v1::OPERATION_STATE_CANCELLED);
  EXPECT_EQ(cancelled.error().reason(), "CANCELLED");
  EXPECT_THAT(cancelled.error().message(), HasSubstr("uid 4711"));
  EXPECT_EQ(GetPool().desired_workers(), 2);
  const absl::Status again = Cancel(resize.name(), &cancelled);
  EXPECT_EQ(again.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(InfoOf(again).reason(), "OPERATION_ENDED");
}

TEST_F(ControlChangesTest, AnOperationThatFailsSaysWhy) {
  v1::Operation first;
  ASSERT_TRUE(Resize(To(5), &first).ok());
  ASSERT_TRUE(Resize(To(6)).ok());
  v1::Operation operation;
  ASSERT_TRUE(Get(first.name(), &operation).ok());
  EXPECT_EQ(operation.state(), v1::OPERATION_STATE_FAILED);
  EXPECT_EQ(operation.error().reason(), "SUPERSEDED");
}

TEST_F(ControlChangesTest, AWaitAnswersWithWhatThereIsWhenItsTimeIsOver) {
  v1::Operation resize;
  ASSERT_TRUE(Resize(To(5), &resize).ok());
  v1::Operation waited;
  // Nothing changes in the pool: somebody has to look at the clock, as the control process does.
  std::thread ticking([&] {
    EXPECT_TRUE(testing::Eventually([&] {
      hub_.Refresh();
      return !waited.name().empty();
    }));
  });
  const absl::Status status = Wait(resize.name(), absl::Milliseconds(50), &waited);
  ticking.join();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(waited.state(), v1::OPERATION_STATE_RUNNING);
}

TEST_F(ControlChangesTest, UnknownOperationsAreNotFound) {
  v1::Operation operation;
  ASSERT_TRUE(Resize(To(5), &operation).ok());
  const std::string name = operation.name();
  for (const std::string& unknown :
       {absl::StrCat(name, "9"), absl::StrCat("operations/0000000000000001-1")}) {
    EXPECT_EQ(InfoOf(Get(unknown, &operation)).reason(), "NO_SUCH_OPERATION") << unknown;
    EXPECT_EQ(InfoOf(Wait(unknown, {}, &operation)).reason(), "NO_SUCH_OPERATION");
    EXPECT_EQ(InfoOf(Cancel(unknown, &operation)).reason(), "NO_SUCH_OPERATION");
  }
  for (const std::string bad : {"", "operations/", "operations/7", "workers/7"}) {
    EXPECT_EQ(InfoOf(Get(bad, &operation)).reason(), "INVALID_FIELD") << bad;
    EXPECT_EQ(InfoOf(Cancel(bad, &operation)).metadata().at("field"), "name");
  }
}

TEST_F(ControlChangesTest, OperationsAreListedTheNewestFirstInPages) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Resize(To(3 + i)).ok());
  v1::ListOperationsRequest request;
  request.set_page_size(2);
  std::vector<int> targets;
  for (int pages = 0; pages < 3; ++pages) {
    v1::ListOperationsResponse response;
    ASSERT_TRUE(Call(&Stub::ListOperations, request, &response).ok());
    for (const v1::Operation& operation : response.operations()) {
      targets.push_back(operation.desired_workers());
      EXPECT_FALSE(operation.has_pool());
    }
    request.set_page_token(response.next_page_token());
  }
  EXPECT_EQ(request.page_token(), "");
  EXPECT_THAT(targets, ::testing::ElementsAre(7, 6, 5, 4, 3));
  v1::ListOperationsResponse response;
  request.set_page_token("x");
  EXPECT_EQ(InfoOf(Call(&Stub::ListOperations, request, &response)).metadata().at("field"),
            "page_token");
}

TEST_F(ControlChangesTest, ABreakerIsReset) {
  v1::ResetBreakerRequest request;
  v1::ResetBreakerResponse response;
  const absl::Status closed = Call(&Stub::ResetBreaker, request, &response);
  EXPECT_EQ(closed.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(InfoOf(closed).reason(), "BREAKER_CLOSED");
  ASSERT_TRUE(testing::Eventually([&] {
    pool_.Kill(1, ExitStatus::Exited(3));
    return GetPool().failed_workers() == 1;
  }));
  request.set_slot(1);
  ASSERT_TRUE(Call(&Stub::ResetBreaker, request, &response).ok());
  EXPECT_EQ(response.pool().failed_workers(), 0);
  EXPECT_EQ(response.pool().starting_workers(), 1);
}

TEST_F(ControlChangesTest, AShutdownBeginsAndIsSaid) {
  v1::ShutdownServerRequest request;
  request.set_mode(static_cast<v1::ShutdownMode>(9));
  v1::ShutdownServerResponse response;
  EXPECT_EQ(InfoOf(Call(&Stub::ShutdownServer, request, &response)).metadata().at("field"), "mode");
  request.set_mode(v1::SHUTDOWN_MODE_GRACEFUL);
  request.set_validate_only(true);
  ASSERT_TRUE(Call(&Stub::ShutdownServer, request, &response).ok());
  EXPECT_EQ(response.pool().state(), v1::POOL_STATE_SERVING);
  request.set_validate_only(false);
  ASSERT_TRUE(Call(&Stub::ShutdownServer, request, &response).ok());
  EXPECT_EQ(response.pool().state(), v1::POOL_STATE_SHUTTING_DOWN);
}

TEST_F(ControlChangesTest, AMasterThatDoesNotAnswerIsUnavailable) {
  pool_.SetUnreachable(true);
  v1::Operation operation;
  const absl::Status status = Restart({}, &operation);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(InfoOf(status).reason(), "MASTER_UNREACHABLE");
  EXPECT_THAT(std::string(status.message()), HasSubstr("the restart may still take effect"));
}

TEST_F(ControlChangesTest, OneWorkerIsShown) {
  v1::GetWorkerRequest request;
  v1::GetWorkerResponse response;
  EXPECT_EQ(InfoOf(Call(&Stub::GetWorker, request, &response)).metadata().at("field"), "slot");
  request.set_slot(1);
  ASSERT_TRUE(Call(&Stub::GetWorker, request, &response).ok());
  EXPECT_EQ(response.worker().state(), v1::WORKER_STATE_READY);
  EXPECT_EQ(response.worker().incarnation(), 1u);
  request.set_slot(7);
  ASSERT_TRUE(Call(&Stub::GetWorker, request, &response).ok());
  EXPECT_EQ(response.worker().state(), v1::WORKER_STATE_EMPTY);
  request.set_slot(8);
  EXPECT_EQ(InfoOf(Call(&Stub::GetWorker, request, &response)).reason(), "NO_SUCH_SLOT");
}

}  // namespace
}  // namespace squall
