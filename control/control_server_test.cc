#include "squall/control/control_server.h"

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/dynamic_message.h"
#include "google/protobuf/text_format.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/control/error_details.h"
#include "squall/control/error_details.pb.h"
#include "squall/control/testing/served_pool.h"
#include "squall/control/v1/control.grpc.pb.h"
#include "src/proto/grpc/health/v1/health.grpc.pb.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;
using ::testing::AllOf;
using testing::Eventually;
using ::testing::HasSubstr;
using testing::InfoOf;
using testing::kPatience;
using ::testing::Not;
using testing::To;

using ControlServerTest = testing::ServedPoolTest;

TEST_F(ControlServerTest, GetPoolShowsWhatIsThere) {
  pool_.row(1).Add(WorkerCounter::kRequests, 7);
  const v1::Pool pool = GetPool();
  EXPECT_EQ(pool.desired_workers(), 2);
  EXPECT_EQ(pool.ready_workers(), 2);
  EXPECT_EQ(pool.max_workers(), 8);
  EXPECT_EQ(pool.state(), v1::POOL_STATE_SERVING);
  EXPECT_EQ(pool.totals().requests(), 7u);
  EXPECT_FALSE(pool.reconciling());
  EXPECT_EQ(pool.etag(), absl::StrCat(pool.instance_id(), "-", pool.generation()));
}

TEST_F(ControlServerTest, ReadsWorkWhileTheMasterDoesNotAnswer) {
  pool_.SetUnreachable(true);
  EXPECT_EQ(GetPool().ready_workers(), 2);
}

TEST_F(ControlServerTest, ListWorkersPages) {
  ASSERT_TRUE(Resize(To(5)).ok());
  std::vector<int> slots;
  v1::ListWorkersRequest request;
  request.set_page_size(2);
  int pages = 0;
  do {
    grpc::ClientContext context;
    SetDeadline(context);
    v1::ListWorkersResponse response;
    ASSERT_TRUE(stub_->ListWorkers(&context, request, &response).ok());
    EXPECT_LE(response.workers_size(), 2);
    for (const v1::Worker& worker : response.workers()) slots.push_back(worker.slot());
    request.set_page_token(response.next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_THAT(slots, ::testing::ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(pages, 3);
}

TEST_F(ControlServerTest, ListWorkersRefusesNonsense) {
  for (const char* token : {"x", "-1", "99999999999999"}) {
    v1::ListWorkersRequest request;
    request.set_page_token(token);
    grpc::ClientContext context;
    SetDeadline(context);
    v1::ListWorkersResponse response;
    const absl::Status status = StatusFromGrpc(stub_->ListWorkers(&context, request, &response));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << token;
    EXPECT_EQ(InfoOf(status).metadata().at("field"), "page_token");
  }
}

TEST_F(ControlServerTest, RequestTargetsAreEscaped) {
  pool_.row(0).BeginRequest("GET", "/caf\xc3\xa9\x1b[2J\xff?q=1", Clock::Real().Now());
  grpc::ClientContext context;
  SetDeadline(context);
  v1::ListWorkersResponse response;
  ASSERT_TRUE(stub_->ListWorkers(&context, {}, &response).ok());
  EXPECT_EQ(response.workers(0).current_request().method(), "GET");
  EXPECT_EQ(response.workers(0).current_request().target(), "/caf\\xc3\\xa9\\x1b[2J\\xff?q=1");
}

TEST_F(ControlServerTest, AReadyWorkerWithAnOldHeartbeatIsStalled) {
  pool_.row(0).Heartbeat(Clock::Real().Now() - absl::Seconds(6));
  grpc::ClientContext context;
  SetDeadline(context);
  v1::ListWorkersResponse response;
  ASSERT_TRUE(stub_->ListWorkers(&context, {}, &response).ok());
  EXPECT_EQ(response.workers(0).state(), v1::WORKER_STATE_STALLED);
  EXPECT_EQ(response.workers(1).state(), v1::WORKER_STATE_READY);
}

TEST_F(ControlServerTest, GetServerInfoTellsTheCallersRole) {
  grpc::ClientContext context;
  SetDeadline(context);
  v1::GetServerInfoResponse response;
  ASSERT_TRUE(stub_->GetServerInfo(&context, {}, &response).ok());
  EXPECT_EQ(response.role(), v1::ROLE_ADMIN);
  EXPECT_EQ(response.instance_id(), GetPool().instance_id());
  EXPECT_GT(response.control_pid(), 0);
}

TEST_F(ControlServerTest, ResizeIsAcceptedAndCarriesTheCaller) {
  v1::ResizePoolRequest request = To(4);
  request.set_request_id("abc");
  v1::Operation operation;
  ASSERT_TRUE(Resize(request, &operation).ok());
  EXPECT_EQ(operation.state(), v1::OPERATION_STATE_RUNNING);
  EXPECT_EQ(operation.desired_workers(), 4);
  EXPECT_EQ(operation.pool().starting_workers(), 2);
  EXPECT_FALSE(operation.name().empty());
  EXPECT_STREQ(pool_.last_command().actor, "uid 4711");
  EXPECT_STREQ(pool_.last_command().request_id, "abc");
  EXPECT_EQ(GetPool().desired_workers(), 4);
}

TEST_F(ControlServerTest, ValidateOnlyChangesNothing) {
  v1::ResizePoolRequest request = To(4);
  request.set_validate_only(true);
  v1::Operation operation;
  ASSERT_TRUE(Resize(request, &operation).ok());
  EXPECT_EQ(operation.state(), v1::OPERATION_STATE_VALIDATED);
  EXPECT_EQ(operation.name(), "");
  EXPECT_EQ(GetPool().desired_workers(), 2);
}

TEST_F(ControlServerTest, WaitForReadyAndDrained) {
  std::thread grow([&] {
    v1::Operation operation;
    EXPECT_TRUE(Resize(To(4, v1::WAIT_FOR_READY), &operation).ok());
    EXPECT_EQ(operation.state(), v1::OPERATION_STATE_DONE);
    EXPECT_EQ(operation.pool().ready_workers(), 4);
  });
  ASSERT_TRUE(Eventually([&] { return core_.waits == 1; }));
  pool_.MakeAllReady();
  grow.join();

  v1::Operation operation;
  // Enough are ready at once, whoever else drains.
  EXPECT_TRUE(Resize(To(1, v1::WAIT_FOR_READY), &operation).ok());
  EXPECT_EQ(operation.pool().draining_workers(), 3);

  std::thread drain([&] {
    v1::Operation drained;
    EXPECT_TRUE(Resize(To(1, v1::WAIT_FOR_DRAINED), &drained).ok());
    EXPECT_EQ(drained.pool().draining_workers(), 0);
  });
  ASSERT_TRUE(Eventually([&] { return core_.waits == 1; }));
  pool_.FinishDraining();
  drain.join();
  EXPECT_TRUE(Eventually([&] { return core_.waits == 0 && !hub_.has_listeners(); }));
}

TEST_F(ControlServerTest, ALaterResizeSupersedesTheWait) {
  std::thread first([&] {
    const absl::Status status = Resize(To(4, v1::WAIT_FOR_READY));
    EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
    EXPECT_EQ(InfoOf(status).reason(), "SUPERSEDED");
    EXPECT_EQ(InfoOf(status).metadata().at("desired_workers"), "5");
  });
  ASSERT_TRUE(Eventually([&] { return core_.waits == 1; }));
  EXPECT_TRUE(Resize(To(5)).ok());
  first.join();
}

TEST_F(ControlServerTest, ShutdownEndsTheWaitAndRefusesResizes) {
  std::thread waiting([&] {
    const absl::Status status = Resize(To(4, v1::WAIT_FOR_READY));
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_EQ(InfoOf(status).reason(), "SHUTTING_DOWN");
  });
  ASSERT_TRUE(Eventually([&] { return core_.waits == 1; }));
  pool_.BeginShutdown();
  waiting.join();
  const absl::Status status = Resize(To(3));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(InfoOf(status).reason(), "SHUTTING_DOWN");
  EXPECT_EQ(GetPool().state(), v1::POOL_STATE_SHUTTING_DOWN);
}

TEST_F(ControlServerTest, OpenBreakersEndTheWait) {
  std::thread waiting([&] {
    const absl::Status status = Resize(To(3, v1::WAIT_FOR_READY));
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_EQ(InfoOf(status).reason(), "WORKERS_UNAVAILABLE");
    EXPECT_EQ(InfoOf(status).metadata().at("failed"), "1");
  });
  ASSERT_TRUE(Eventually([&] { return core_.waits == 1; }));
  // Slot 2 dies at each start until its breaker opens.
  EXPECT_TRUE(Eventually([&] {
    pool_.Kill(2, ExitStatus::Exited(3));
    return pool_.Read().failed() == 1;
  }));
  waiting.join();
}

TEST_F(ControlServerTest, TheCallersDeadlineDoesNotCancelTheResize) {
  const absl::Status status = Resize(To(4, v1::WAIT_FOR_READY), nullptr, absl::Milliseconds(200));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(GetPool().desired_workers(), 4);
  EXPECT_TRUE(Eventually([&] { return core_.waits == 0 && !hub_.has_listeners(); }));
}

TEST_F(ControlServerTest, EtagGuardsTheWrite) {
  const std::string old_etag = GetPool().etag();
  v1::ResizePoolRequest request = To(3);
  request.set_etag(old_etag);
  ASSERT_TRUE(Resize(request).ok());

  request.set_desired_workers(5);
  const absl::Status stale = Resize(request);
  EXPECT_EQ(stale.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(InfoOf(stale).reason(), "STALE_ETAG");
  EXPECT_EQ(InfoOf(stale).metadata().at("etag"), GetPool().etag());
  EXPECT_EQ(InfoOf(stale).metadata().at("desired_workers"), "3");
  EXPECT_EQ(GetPool().desired_workers(), 3);

  request.set_etag(old_etag.substr(0, 16) + "-0");
  EXPECT_EQ(InfoOf(Resize(request)).reason(), "STALE_ETAG");

  std::string other = old_etag;
  other[0] = other[0] == 'f' ? 'e' : 'f';
  request.set_etag(other);
  EXPECT_EQ(InfoOf(Resize(request)).reason(), "NEW_INSTANCE");
}

TEST_F(ControlServerTest, RequestIdMakesItHappenOnce) {
  v1::ResizePoolRequest request = To(4);
  request.set_request_id("once");
  v1::Operation first;
  ASSERT_TRUE(Resize(request, &first).ok());
  ASSERT_TRUE(Resize(To(5)).ok());
  v1::Operation again;
  ASSERT_TRUE(Resize(request, &again).ok());
  EXPECT_EQ(again.name(), first.name());
  EXPECT_EQ(GetPool().desired_workers(), 5);

  request.set_desired_workers(6);
  const absl::Status reused = Resize(request);
  EXPECT_EQ(InfoOf(reused).reason(), "REQUEST_ID_REUSED");
  EXPECT_EQ(InfoOf(reused).metadata().at("request_id"), "once");
}

TEST_F(ControlServerTest, BadRequestsAreToldByField) {
  const struct {
    const char* field;
    std::function<void(v1::ResizePoolRequest&)> spoil;
  } kCases[] = {
      {"desired_workers", [](auto& request) { request.clear_desired_workers(); }},
      {"desired_workers", [](auto& request) { request.set_desired_workers(-1); }},
      {"wait_for", [](auto& request) { request.set_wait_for(static_cast<v1::WaitFor>(17)); }},
      {"request_id", [](auto& request) { request.set_request_id(std::string(64, 'x')); }},
      {"request_id", [](auto& request) { request.set_request_id("a\nb"); }},
      {"request_id", [](auto& request) { request.set_request_id(std::string("a\0b", 3)); }},
      {"etag", [](auto& request) { request.set_etag("nonsense"); }},
      {"etag", [](auto& request) { request.set_etag("0123456789abcdef-"); }},
      {"etag", [](auto& request) { request.set_etag("0123456789abcdeg-1"); }},
  };
  for (const auto& test : kCases) {
    v1::ResizePoolRequest request = To(3);
    test.spoil(request);
    const absl::Status status = Resize(request);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << test.field;
    EXPECT_EQ(InfoOf(status).reason(), "INVALID_FIELD");
    EXPECT_EQ(InfoOf(status).metadata().at("field"), test.field);
  }
  EXPECT_EQ(GetPool().desired_workers(), 2);
}

TEST_F(ControlServerTest, AboveTheMaximumNamesIt) {
  const absl::Status status = Resize(To(9));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(InfoOf(status).reason(), "SLOT_CAPACITY");
  EXPECT_EQ(InfoOf(status).metadata().at("max_workers"), "8");
  EXPECT_THAT(std::string(status.message()), HasSubstr("8"));
}

TEST_F(ControlServerTest, AnUnreachableMasterIsUnavailableWithRetryInfo) {
  pool_.SetUnreachable(true);
  grpc::ClientContext context;
  SetDeadline(context);
  v1::ResizePoolResponse response;
  const grpc::Status status = stub_->ResizePool(&context, To(3), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(InfoOf(StatusFromGrpc(status)).reason(), "MASTER_UNREACHABLE");
  EXPECT_THAT(status.error_message(), HasSubstr("the resize may still take effect"));
  v1::ResizePoolRequest dry_run = To(3);
  dry_run.set_validate_only(true);
  EXPECT_THAT(std::string(Resize(dry_run).message()), Not(HasSubstr("take effect")));
  control::internal::RpcStatus details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  bool retry = false;
  for (const auto& any : details.details()) {
    retry |= any.type_url() == "type.googleapis.com/google.rpc.RetryInfo";
  }
  EXPECT_TRUE(retry);
}

TEST_F(ControlServerTest, ALargeMessageIsRefused) {
  v1::ResizePoolRequest request = To(3);
  request.set_request_id(std::string(65 * 1024, 'x'));
  EXPECT_EQ(Resize(request).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetPool().desired_workers(), 2);
}

TEST_F(ControlServerTest, HealthFollowsThePool) {
  auto health = grpc::health::v1::Health::NewStub(channel_);
  const auto check = [&](const std::string& service) {
    grpc::ClientContext context;
    SetDeadline(context);
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    grpc::health::v1::HealthCheckResponse response;
    const grpc::Status status = health->Check(&context, request, &response);
    return status.ok()
               ? grpc::health::v1::HealthCheckResponse::ServingStatus_Name(response.status())
               : absl::StrCat("error ", status.error_code());
  };
  EXPECT_EQ(check(""), "SERVING");
  EXPECT_EQ(check("squall.pool"), "SERVING");
  EXPECT_EQ(check("squall.nonsense"), absl::StrCat("error ", grpc::StatusCode::NOT_FOUND));
  server_->SetServing(false);
  EXPECT_EQ(check(""), "NOT_SERVING");
  EXPECT_EQ(check("squall.pool"), "NOT_SERVING");
}

// One exchange with the reflection service, in text form. libgrpc++_reflection has the messages but
// no header for them.
class Reflection {
 public:
  explicit Reflection(grpc::Channel& channel) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    stream_.reset(
        grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>::Create(
            &channel,
            grpc::internal::RpcMethod(
                "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                grpc::internal::RpcMethod::BIDI_STREAMING),
            &context_));
  }

  std::string Ask(const std::string& request) {
    const auto message = NewMessage("ServerReflectionRequest");
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(request, message.get()));
    const grpc::Slice slice(message->SerializeAsString());
    grpc::ByteBuffer answer;
    EXPECT_TRUE(stream_->Write(grpc::ByteBuffer(&slice, 1)) && stream_->Read(&answer));
    grpc::Slice bytes;
    EXPECT_TRUE(answer.DumpToSingleSlice(&bytes).ok());
    const auto response = NewMessage("ServerReflectionResponse");
    EXPECT_TRUE(response->ParseFromArray(bytes.begin(), static_cast<int>(bytes.size())));
    return response->DebugString();
  }

 private:
  std::unique_ptr<google::protobuf::Message> NewMessage(const std::string& name) {
    const google::protobuf::Descriptor* type =
        google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(
            "grpc.reflection.v1alpha." + name);
    return std::unique_ptr<google::protobuf::Message>(factory_.GetPrototype(type)->New());
  }

  google::protobuf::DynamicMessageFactory factory_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> stream_;
};

TEST_F(ControlServerTest, ReflectionListsAndDescribesEveryService) {
  Reflection reflection(*channel_);
  const std::string list = reflection.Ask("list_services: ''");
  const std::pair<std::string, std::string> kServicesAndMessages[] = {
      {"squall.control.v1.ControlService", "ResizePoolRequest"},
      {"grpc.health.v1.Health", "HealthCheckRequest"},
      {"grpc.reflection.v1alpha.ServerReflection", "ServerReflectionRequest"}};
  for (const auto& [service, message] : kServicesAndMessages) {
    EXPECT_THAT(list, HasSubstr(absl::StrCat("name: \"", service, "\"")));
    EXPECT_THAT(reflection.Ask(absl::StrCat("file_containing_symbol: '", service, "'")),
                AllOf(HasSubstr("file_descriptor_response"), HasSubstr(message)));
  }
  EXPECT_THAT(reflection.Ask("file_containing_symbol: 'squall.control.v1.Pool'"),
              HasSubstr("desired_workers"));
}

}  // namespace
}  // namespace squall::internal
