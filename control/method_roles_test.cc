// The table of authorisation, over the wire: every method of the service with every role.
#include "squall/control/method_roles.h"

#include <cstdint>
#include <string>
#include <utility>

#include "google/protobuf/descriptor.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/control/error_details.h"
#include "squall/control/error_details.pb.h"
#include "squall/control/testing/call_empty.h"
#include "squall/control/testing/served_pool.h"
#include "squall/control/v1/control.grpc.pb.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

using testing::ControlServiceDescriptor;

// What a viewer, an operator and an admin may call. Written out, so that a change of who may do what
// is a change here.
constexpr const char* kViewer[] = {"GetPool",        "ListWorkers",   "GetWorker",
                                   "GetServerInfo",  "WatchPool",     "GetOperation",
                                   "ListOperations", "WaitOperation", "GetPoolConfig",
                                   "ListEvents",     "WatchEvents"};
constexpr const char* kOperator[] = {"ResizePool", "RestartPool", "DrainWorker", "CancelOperation"};
constexpr const char* kAdmin[] = {"KillWorker", "ResetBreaker", "ShutdownServer", "UpdatePool"};

v1::Role Expected(const std::string& method) {
  for (const char* name : kViewer) {
    if (method == name) return v1::ROLE_VIEWER;
  }
  for (const char* name : kOperator) {
    if (method == name) return v1::ROLE_OPERATOR;
  }
  for (const char* name : kAdmin) {
    if (method == name) return v1::ROLE_ADMIN;
  }
  return v1::ROLE_UNSPECIFIED;
}

TEST(MethodRoles, EachMethodHasOne) {
  for (int i = 0; i < ControlServiceDescriptor().method_count(); ++i) {
    const std::string& method = ControlServiceDescriptor().method(i)->name();
    EXPECT_NE(LeastRole(method), v1::ROLE_UNSPECIFIED) << method << " is in no table";
    EXPECT_EQ(LeastRole(method), Expected(method)) << method;
    EXPECT_EQ(IsMutation(method), Expected(method) > v1::ROLE_VIEWER) << method;
  }
  EXPECT_EQ(static_cast<size_t>(ControlServiceDescriptor().method_count()),
            std::size(kViewer) + std::size(kOperator) + std::size(kAdmin));
}

TEST(MethodRoles, WhatIsNotInTheTableNobodyMayCall) {
  EXPECT_TRUE(CheckRole("DropDatabase", v1::ROLE_ADMIN).has_value());
}

class RoleTest : public testing::ServedPoolTest, public ::testing::WithParamInterface<int> {
 protected:
  RoleTest() : ServedPoolTest({}, static_cast<v1::Role>(GetParam())) {}

  // With an empty request, which every change refuses when it is looked at, but for those that are
  // good as they are.
  grpc::Status CallEmpty(const std::string& method, bool streams) {
    grpc::GenericStub stub(channel_);
    grpc::ClientContext context;
    SetDeadline(context);
    grpc::CompletionQueue queue;
    const std::string path = absl::StrCat("/", ControlServiceDescriptor().full_name(), "/", method);
    grpc::ByteBuffer request;
    bool own = false;
    v1::GetPoolRequest empty;
    EXPECT_TRUE(
        grpc::SerializationTraits<v1::GetPoolRequest>::Serialize(empty, &request, &own).ok());
    auto call = stub.PrepareCall(&context, path, &queue);
    call->StartCall(nullptr);
    const auto next = [&queue] {
      void* tag;
      bool ok = false;
      EXPECT_TRUE(queue.Next(&tag, &ok));
      return ok;
    };
    next();
    call->WriteLast(request, grpc::WriteOptions(), nullptr);
    next();
    grpc::ByteBuffer response;
    call->Read(&response, nullptr);
    if (next() && streams) context.TryCancel();
    grpc::Status status;
    call->Finish(&status, nullptr);
    next();
    queue.Shutdown();
    return status;
  }

  // Events of refusals by role for want of a role.
  int RefusalsOf(const std::string& method) {
    int count = 0;
    EventCursor cursor = *pool_.events().Seek(1);
    LoggedEvent event;
    while (pool_.events().Next(&cursor, &event) == EventRead::kEvent) {
      count += event.note.method == method && event.note.reason == "ROLE_TOO_LOW" &&
               event.note.actor == "uid 4711" && !event.note.text.empty();
    }
    return count;
  }
};

TEST_P(RoleTest, IsHeldByEveryMethod) {
  const auto role = static_cast<v1::Role>(GetParam());
  for (int i = 0; i < ControlServiceDescriptor().method_count(); ++i) {
    const google::protobuf::MethodDescriptor& method = *ControlServiceDescriptor().method(i);
    const grpc::Status status = testing::CallEmpty(channel_, method);
    const bool may = role >= Expected(method.name()) && role != v1::ROLE_UNSPECIFIED;
    EXPECT_EQ(status.error_code() != grpc::StatusCode::PERMISSION_DENIED, may)
        << method.name() << " with role " << v1::Role_Name(role) << ": " << status.error_code()
        << " " << status.error_message();
    if (may) continue;
    const auto info = testing::InfoOf(StatusFromGrpc(status));
    EXPECT_EQ(info.reason(), "ROLE_TOO_LOW");
    // The audit trail has it.
    EXPECT_EQ(RefusalsOf(method.name()), IsMutation(method.name()) ? 1 : 0) << method.name();
  }
  if (role >= v1::ROLE_OPERATOR) return;
  const PoolSnapshot after = pool_.Read();
  EXPECT_EQ(after.pool.generation, 1u) << "a change leaked";
  EXPECT_EQ(after.pool.shutdown, ShutdownMode::kNone);
}

TEST_P(RoleTest, RequestLinesAreForOperators) {
  const auto role = static_cast<v1::Role>(GetParam());
  if (role == v1::ROLE_UNSPECIFIED) return;
  pool_.row(0).BeginRequest("GET", "/reset?token=secret", Clock::Real().Now());
  grpc::ClientContext context;
  SetDeadline(context);
  v1::ListWorkersResponse workers;
  ASSERT_TRUE(stub_->ListWorkers(&context, {}, &workers).ok());
  EXPECT_EQ(workers.workers(0).has_current_request(), role >= v1::ROLE_OPERATOR);

  v1::GetWorkerRequest request;
  request.set_slot(0);
  grpc::ClientContext one;
  SetDeadline(one);
  v1::GetWorkerResponse worker;
  ASSERT_TRUE(stub_->GetWorker(&one, request, &worker).ok());
  EXPECT_EQ(worker.worker().has_current_request(), role >= v1::ROLE_OPERATOR);

  grpc::ClientContext watch;
  SetDeadline(watch);
  auto stream = stub_->WatchPool(&watch, {});
  v1::WatchPoolResponse first;
  ASSERT_TRUE(stream->Read(&first));
  EXPECT_EQ(first.snapshot().workers(0).has_current_request(), role >= v1::ROLE_OPERATOR);
  watch.TryCancel();
}

class RateLimitTest : public testing::ServedPoolTest {
 protected:
  RateLimitTest() : ServedPoolTest({.changes_burst = 2, .changes_per_second = 0.001}) {}
};

TEST_F(RateLimitTest, IsHeldByEveryChangeAndByNothingElse) {
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(Resize(testing::To(3)).ok());
  for (int i = 0; i < ControlServiceDescriptor().method_count(); ++i) {
    const google::protobuf::MethodDescriptor& method = *ControlServiceDescriptor().method(i);
    const grpc::Status status = testing::CallEmpty(channel_, method);
    const bool limited = status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED;
    EXPECT_EQ(limited, IsMutation(method.name()))
        << method.name() << ": " << status.error_message();
    if (!limited) continue;
    EXPECT_EQ(testing::InfoOf(StatusFromGrpc(status)).reason(), "RATE_LIMITED");
    control::internal::RpcStatus details;
    ASSERT_TRUE(details.ParseFromString(status.error_details()));
    control::internal::RetryInfo retry;
    ASSERT_EQ(details.details_size(), 2);
    EXPECT_EQ(details.details(1).type_url(), "type.googleapis.com/google.rpc.RetryInfo");
    ASSERT_TRUE(retry.ParseFromString(details.details(1).value()));
    EXPECT_GT(retry.retry_delay().seconds(), 900);
  }
  EXPECT_EQ(pool_.Read().pool.desired, 3);
}

INSTANTIATE_TEST_SUITE_P(Roles, RoleTest, ::testing::Range(0, 4),
                         [](const ::testing::TestParamInfo<int>& info) {
                           return v1::Role_Name(static_cast<v1::Role>(info.param));
                         });

}  // namespace
}  // namespace squall::internal
