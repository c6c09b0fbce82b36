// A ControlServer with a real gRPC channel over a socketpair, above a pool without processes.
#ifndef SQUALL_CONTROL_TESTING_SERVED_POOL_H_
#define SQUALL_CONTROL_TESTING_SERVED_POOL_H_

#include <sys/socket.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/create_channel_posix.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"
#include "squall/control/control_core.h"
#include "squall/control/control_server.h"
#include "squall/control/error_details.h"
#include "squall/control/error_details.pb.h"
#include "squall/control/snapshot_hub.h"
#include "squall/control/testing/fake_pool.h"
#include "squall/control/v1/control.grpc.pb.h"

namespace squall::testing {

// How long a test waits for what has to happen.
inline constexpr absl::Duration kPatience = absl::Seconds(30);

// Polls until `condition` holds; false when kPatience is over.
inline bool Eventually(const std::function<bool()>& condition) {
  for (const absl::Time end = absl::Now() + kPatience; absl::Now() < end;) {
    if (condition()) return true;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return condition();
}

class ServedPoolTest : public ::testing::Test {
 protected:
  explicit ServedPoolTest(ControlLimits limits = {},
                          control::v1::Role role = control::v1::ROLE_ADMIN)
      : core_(pool_, pool_, hub_) {
    core_.limits = limits;
    server_ = internal::ControlServer::Start(core_, {.uid = 4711, .role = role, .name = "uid 4711"})
                  .value();
    server_->SetServing(true);
    pool_.OnChange([this] { hub_.Refresh(); });
    channel_ = NewChannel();
    stub_ = control::v1::ControlService::NewStub(channel_);
  }

  ~ServedPoolTest() override {
    stub_.reset();
    channel_.reset();
    server_->Shutdown(absl::ZeroDuration());
    pool_.OnChange(nullptr);
  }

  std::shared_ptr<grpc::Channel> NewChannel() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    server_->Adopt(UniqueFd(ends[0]));
    return grpc::CreateInsecureChannelFromFd("test", ends[1]);
  }

  static void SetDeadline(grpc::ClientContext& context, absl::Duration patience = kPatience) {
    context.set_deadline(absl::ToChronoTime(absl::Now() + patience));
  }

  control::v1::Pool GetPool() {
    grpc::ClientContext context;
    SetDeadline(context);
    control::v1::GetPoolResponse response;
    const grpc::Status status = stub_->GetPool(&context, {}, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.pool();
  }

  absl::Status Resize(const control::v1::ResizePoolRequest& request,
                      control::v1::Operation* operation = nullptr,
                      absl::Duration patience = kPatience) {
    grpc::ClientContext context;
    SetDeadline(context, patience);
    control::v1::ResizePoolResponse response;
    const grpc::Status status = stub_->ResizePool(&context, request, &response);
    if (operation != nullptr) *operation = response.operation();
    return internal::StatusFromGrpc(status);
  }

  FakePool pool_{PoolOptions{.desired = 2,
                             .max_workers = 8,
                             .surge_slots = 1,
                             .backoff = {.initial = absl::Milliseconds(1)},
                             .breaker = {.deaths = 2}}};
  internal::SnapshotHub hub_{pool_, nullptr};
  internal::ControlCore core_;
  std::unique_ptr<internal::ControlServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<control::v1::ControlService::Stub> stub_;
};

inline control::v1::ResizePoolRequest To(
    int workers, control::v1::WaitFor wait_for = control::v1::WAIT_FOR_UNSPECIFIED) {
  control::v1::ResizePoolRequest request;
  request.set_desired_workers(workers);
  request.set_wait_for(wait_for);
  return request;
}

// The reason of an error that must have one.
inline control::internal::ErrorInfo InfoOf(const absl::Status& status) {
  control::internal::ErrorInfo info;
  const auto payload = status.GetPayload(internal::kErrorInfoUrl);
  EXPECT_TRUE(payload.has_value()) << status;
  EXPECT_TRUE(payload.has_value() && info.ParseFromString(std::string(*payload)));
  EXPECT_EQ(info.domain(), "squall");
  return info;
}

}  // namespace squall::testing

#endif  // SQUALL_CONTROL_TESTING_SERVED_POOL_H_
