// GetPoolConfig and UpdatePool over a real gRPC channel, above a pool without processes.
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/util/message_differencer.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "squall/control/error_details.h"
#include "squall/control/error_details.pb.h"
#include "squall/control/pool_to_proto.h"
#include "squall/control/testing/served_pool.h"
#include "squall/control/v1/control.grpc.pb.h"
#include "squall/process/config_field.h"

namespace squall {
namespace {

namespace v1 = ::squall::control::v1;
namespace wire = ::squall::control::internal;
using ::testing::HasSubstr;
using testing::InfoOf;
using testing::ServedPoolTest;

class ControlConfigTest : public ServedPoolTest {
 protected:
  v1::GetPoolConfigResponse Get() {
    grpc::ClientContext context;
    SetDeadline(context);
    v1::GetPoolConfigResponse response;
    const grpc::Status status = stub_->GetPoolConfig(&context, {}, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  absl::Status Update(const v1::UpdatePoolRequest& request,
                      v1::UpdatePoolResponse* response = nullptr) {
    grpc::ClientContext context;
    SetDeadline(context);
    v1::UpdatePoolResponse answer;
    raw_ = stub_->UpdatePool(&context, request, &answer);
    if (response != nullptr) *response = answer;
    return internal::StatusFromGrpc(raw_);
  }

  // The detail of this type of the last Update(); an empty one when there is none.
  template <typename Detail>
  Detail DetailOf(const std::string& type) const {
    wire::RpcStatus status;
    EXPECT_TRUE(status.ParseFromString(raw_.error_details()));
    Detail detail;
    for (const auto& any : status.details()) {
      if (any.type_url() == absl::StrCat("type.googleapis.com/google.rpc.", type)) {
        EXPECT_TRUE(detail.ParseFromString(any.value()));
      }
    }
    return detail;
  }

  static v1::UpdatePoolRequest Grace(absl::Duration grace) {
    v1::UpdatePoolRequest request;
    internal::ToProto(grace, request.mutable_config()->mutable_drain()->mutable_grace());
    return request;
  }

  static absl::Duration GraceOf(const v1::PoolConfig& config) {
    return internal::FromProto(config.drain().grace());
  }

  grpc::Status raw_;
};

void CollectPaths(const google::protobuf::Descriptor& message, const std::string& prefix,
                  std::set<std::string>& paths) {
  for (int i = 0; i < message.field_count(); ++i) {
    const google::protobuf::FieldDescriptor& field = *message.field(i);
    const std::string path = absl::StrCat(prefix, field.name());
    const bool group = field.message_type() != nullptr &&
                       field.message_type()->file()->package() == "squall.control.v1";
    if (group) {
      CollectPaths(*field.message_type(), absl::StrCat(path, "."), paths);
    } else {
      paths.insert(path);
    }
  }
}

TEST(PoolConfigMessage, HasTheFieldsOfTheMasters) {
  std::set<std::string> of_message;
  CollectPaths(*v1::PoolConfig::descriptor(), "", of_message);
  std::set<std::string> of_master = {"max_workers", "surge_slots"};
  for (const ConfigField& field : ConfigFields()) of_master.emplace(field.path);
  EXPECT_EQ(of_message, of_master);
}

TEST_F(ControlConfigTest, PresentValuesAreShown) {
  const v1::GetPoolConfigResponse response = Get();
  const v1::PoolConfig& config = response.config();
  EXPECT_EQ(response.etag(), GetPool().etag());
  EXPECT_EQ(config.max_workers(), 8);
  EXPECT_EQ(config.surge_slots(), 1);
  EXPECT_EQ(GraceOf(config), absl::Seconds(30));
  EXPECT_FALSE(config.drain().has_idle_close_after());
  EXPECT_EQ(config.breaker().deaths(), 2);
  EXPECT_FALSE(config.watchdog().has_stall_kill()) << "never";
  EXPECT_EQ(config.backoff().multiplier(), 2);
  EXPECT_TRUE(config.recycle().has_max_requests());
  EXPECT_EQ(config.autoscaler().mode(), v1::AUTOSCALER_MODE_STATIC);
  EXPECT_TRUE(config.autoscaler().has_dry_run());
}

TEST_F(ControlConfigTest, WhatIsSetIsChangedAndNothingElse) {
  v1::PoolConfig expected = Get().config();
  v1::UpdatePoolRequest request = Grace(absl::Milliseconds(1500));
  request.mutable_config()->mutable_autoscaler()->set_mode(v1::AUTOSCALER_MODE_CPU);
  request.mutable_config()->mutable_recycle()->set_max_rss(int64_t{3} << 30);
  v1::UpdatePoolResponse response;
  ASSERT_TRUE(Update(request, &response).ok()) << raw_.error_message();
  expected.MergeFrom(request.config());
  using google::protobuf::util::MessageDifferencer;
  EXPECT_TRUE(MessageDifferencer::Equals(response.config(), expected))
      << response.config().DebugString();
  EXPECT_TRUE(MessageDifferencer::Equals(Get().config(), expected));
  EXPECT_EQ(response.pool().generation(), 2u);
  EXPECT_EQ(response.pool().autoscaler().mode(), v1::AUTOSCALER_MODE_CPU);
}

TEST_F(ControlConfigTest, WhatWasReadCanBeWrittenBack) {
  v1::UpdatePoolRequest request;
  *request.mutable_config() = Get().config();
  v1::UpdatePoolResponse response;
  ASSERT_TRUE(Update(request, &response).ok()) << raw_.error_message();
  EXPECT_EQ(response.pool().generation(), 1u) << "nothing has changed";
}

TEST_F(ControlConfigTest, TheMaskSaysWhatCounts) {
  v1::UpdatePoolRequest request = Grace(absl::Seconds(7));
  request.mutable_config()->mutable_breaker()->set_deaths(9);
  request.mutable_update_mask()->add_paths("drain.grace");
  v1::UpdatePoolResponse response;
  ASSERT_TRUE(Update(request, &response).ok()) << raw_.error_message();
  EXPECT_EQ(GraceOf(response.config()), absl::Seconds(7));
  EXPECT_EQ(response.config().breaker().deaths(), 2);
}

TEST_F(ControlConfigTest, WhatTheMaskNamesAndIsNotSetGoesToWhatItsAbsenceMeans) {
  v1::UpdatePoolRequest request;
  internal::ToProto(absl::Minutes(1),
                    request.mutable_config()->mutable_watchdog()->mutable_stall_kill());
  request.mutable_config()->mutable_autoscaler()->set_max_workers(4);
  ASSERT_TRUE(Update(request).ok()) << raw_.error_message();
  EXPECT_TRUE(Get().config().watchdog().has_stall_kill());

  request.clear_config();
  request.mutable_update_mask()->add_paths("watchdog.stall_kill");
  request.mutable_update_mask()->add_paths("autoscaler.max_workers");
  ASSERT_TRUE(Update(request).ok()) << raw_.error_message();
  EXPECT_FALSE(Get().config().watchdog().has_stall_kill());
  EXPECT_FALSE(Get().config().autoscaler().has_max_workers());

  // A group stands for all of its fields.
  request.mutable_update_mask()->clear_paths();
  request.mutable_update_mask()->add_paths("breaker");
  EXPECT_EQ(InfoOf(Update(request)).metadata().at("field"), "config.breaker.deaths");
  *request.mutable_config()->mutable_breaker() = Get().config().breaker();
  request.mutable_config()->mutable_breaker()->set_deaths(0);
  ASSERT_TRUE(Update(request).ok()) << raw_.error_message();
  EXPECT_EQ(Get().config().breaker().deaths(), 0);
}

TEST_F(ControlConfigTest, NonsenseIsRefusedAndItsFieldNamed) {
  struct Case {
    std::string field;
    void (*set)(v1::UpdatePoolRequest&);
    std::string message;
  };
  const std::vector<Case> cases = {
      {"config.drain.kill_after",
       [](auto& request) { request.mutable_config()->mutable_drain()->mutable_kill_after(); },
       "drain.kill_after must be positive and finite, not 0"},
      {"config.drain.kill_after",
       [](auto& request) {
         request.mutable_config()->mutable_drain()->mutable_kill_after()->set_seconds(
             -10'000'000'000);
       },
       "config.drain.kill_after is -10000000000s; a duration is between"},
      {"config.drain.kill_after",
       [](auto& request) {
         request.mutable_config()->mutable_drain()->mutable_kill_after()->set_seconds(
             10'000'000'000);
       },
       "config.drain.kill_after is 10000000000s; a duration is between"},
      {"config.drain.grace",
       [](auto& request) { request.mutable_update_mask()->add_paths("drain.grace"); },
       "drain.grace must be finite and not negative: inf"},
      {"config.autoscaler.min_workers",
       [](auto& request) { request.mutable_config()->mutable_autoscaler()->set_min_workers(9); },
       "autoscaler."},
      {"config.autoscaler.mode",
       [](auto& request) {
         request.mutable_config()->mutable_autoscaler()->set_mode(
             static_cast<v1::AutoscalerMode>(9));
       },
       "has no value 9"},
      {"config.autoscaler.mode",
       [](auto& request) {
         request.mutable_config()->mutable_autoscaler()->set_mode(v1::AUTOSCALER_MODE_UNSPECIFIED);
       },
       "has no value 0"},
      {"config.backoff.jitter",
       [](auto& request) { request.mutable_update_mask()->add_paths("backoff.jitter"); },
       "is in update_mask and not set"},
      {"update_mask", [](auto& request) { request.mutable_update_mask()->add_paths("color"); },
       "update_mask names \"color\""},
      {"update_mask", [](auto& request) { request.mutable_update_mask()->add_paths("drain."); },
       "update_mask names"},
      {"update_mask", [](auto& request) { request.mutable_update_mask()->add_paths(""); },
       "update_mask names"},
      {"config", [](auto&) {}, "no field that is to be changed"},
      {"request_id", [](auto& request) { request.set_request_id("a b"); }, "printable"},
      {"etag",
       [](auto& request) {
         request = Grace(absl::Seconds(1));
         request.set_etag("x");
       },
       "etag"}};
  for (const Case& one : cases) {
    v1::UpdatePoolRequest request;
    one.set(request);
    if (one.field == "config.autoscaler.min_workers") {
      request.mutable_config()->mutable_autoscaler()->set_max_workers(9);
    }
    const absl::Status status = Update(request);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << one.field << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(one.message));
    EXPECT_EQ(InfoOf(status).reason(), "INVALID_FIELD");
    EXPECT_EQ(InfoOf(status).metadata().at("field"), one.field);
    EXPECT_EQ(DetailOf<wire::BadRequest>("BadRequest").field_violations(0).field(), one.field);
  }
  EXPECT_EQ(GetPool().generation(), 1u);
}

TEST_F(ControlConfigTest, WhatIsFixedAtTheStartIsAPreconditionThatFails) {
  v1::UpdatePoolRequest request = Grace(absl::Seconds(7));
  request.mutable_config()->set_max_workers(16);
  const absl::Status status = Update(request);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(InfoOf(status).reason(), "FIXED_AT_START");
  EXPECT_THAT(std::string(status.message()), HasSubstr("max_workers is 8 and fixed at the start"));
  const auto failure = DetailOf<wire::PreconditionFailure>("PreconditionFailure");
  ASSERT_EQ(failure.violations_size(), 1);
  EXPECT_EQ(failure.violations(0).type(), "FIXED_AT_START");
  EXPECT_EQ(failure.violations(0).subject(), "config.max_workers");
  EXPECT_EQ(GraceOf(Get().config()), absl::Seconds(30)) << "all or nothing";
  request.mutable_config()->set_max_workers(8);
  EXPECT_TRUE(Update(request).ok()) << raw_.error_message();
}

TEST_F(ControlConfigTest, EtagRequestIdAndValidateOnlyAreThoseOfTheOtherChanges) {
  v1::UpdatePoolRequest request = Grace(absl::Seconds(7));
  request.set_etag(Get().etag());
  request.set_request_id("u1");
  request.set_validate_only(true);
  v1::UpdatePoolResponse response;
  ASSERT_TRUE(Update(request, &response).ok()) << raw_.error_message();
  EXPECT_EQ(GraceOf(response.config()), absl::Seconds(7)) << "as it would be";
  EXPECT_EQ(GraceOf(Get().config()), absl::Seconds(30));
  request.set_validate_only(false);
  ASSERT_TRUE(Update(request, &response).ok()) << raw_.error_message();
  EXPECT_EQ(response.pool().generation(), 2u);
  ASSERT_TRUE(Update(request, &response).ok()) << "the same again: " << raw_.error_message();
  EXPECT_EQ(response.pool().generation(), 2u);

  request.set_request_id("u2");
  const absl::Status stale = Update(request);
  EXPECT_EQ(stale.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(InfoOf(stale).reason(), "STALE_ETAG");
  EXPECT_EQ(InfoOf(stale).metadata().at("etag"), Get().etag());
  request.set_request_id("u1");
  internal::ToProto(absl::Seconds(8), request.mutable_config()->mutable_drain()->mutable_grace());
  EXPECT_EQ(InfoOf(Update(request)).reason(), "REQUEST_ID_REUSED");
}

TEST_F(ControlConfigTest, TheAutoscalersLastLookAndDecisionAreShown) {
  EXPECT_EQ(GetPool().autoscaler().mode(), v1::AUTOSCALER_MODE_STATIC);
  EXPECT_FALSE(GetPool().autoscaler().has_look_time());
  AutoscalerView view{.looked_at = Clock::Real().Now(),
                      .next_look = Clock::Real().Now() + absl::Minutes(1),
                      .inputs = "desired 2, ready 2, idle 0",
                      .decided_at = Clock::Real().Now(),
                      .kind = ScaleDecision::Kind::kGrow,
                      .dry_run = true,
                      .target = 3,
                      .reason = "2 to 3 workers: no worker is idle"};
  pool_.ShowAutoscaler(view);
  const v1::AutoscalerStatus status = GetPool().autoscaler();
  EXPECT_EQ(status.inputs(), "desired 2, ready 2, idle 0");
  EXPECT_TRUE(status.has_look_time());
  EXPECT_GT(internal::FromProto(status.next_look_in()), absl::Seconds(20));
  EXPECT_EQ(status.last_decision().kind(), v1::SCALE_KIND_GROW);
  EXPECT_EQ(status.last_decision().target_workers(), 3);
  EXPECT_EQ(status.last_decision().reason(), "2 to 3 workers: no worker is idle");
  EXPECT_TRUE(status.last_decision().dry_run());
}

TEST_F(ControlConfigTest, AMasterThatDoesNotAnswerIsUnavailable) {
  pool_.SetUnreachable(true);
  const absl::Status status = Update(Grace(absl::Seconds(7)));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("the change of the configuration may still take effect"));
}

}  // namespace
}  // namespace squall
