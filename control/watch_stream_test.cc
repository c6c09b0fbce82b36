// WatchPool from the client's side.
#include "squall/control/watch_stream.h"

#include <sys/socket.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/create_channel_posix.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"
#include "squall/control/error_details.h"
#include "squall/control/testing/served_pool.h"
#include "squall/control/v1/control.grpc.pb.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;
using testing::Eventually;
using testing::InfoOf;
using testing::kPatience;
using testing::To;

using WatchPoolTest = testing::ServedPoolTest;

class Watch {
 public:
  Watch(v1::ControlService::Stub& stub, absl::Duration interval = absl::Seconds(1)) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    v1::WatchPoolRequest request;
    request.mutable_counter_interval()->set_seconds(absl::ToInt64Seconds(interval));
    request.mutable_counter_interval()->set_nanos(
        absl::ToInt64Nanoseconds(interval - absl::Floor(interval, absl::Seconds(1))));
    reader_ = stub.WatchPool(&context_, request);
  }
  ~Watch() {
    if (reader_ == nullptr) return;
    context_.TryCancel();
    reader_->Finish();
  }

  v1::WatchPoolResponse Next() {
    v1::WatchPoolResponse response;
    EXPECT_TRUE(reader_->Read(&response));
    return response;
  }
  absl::Status Finish() {
    const grpc::Status status = reader_->Finish();
    reader_.reset();
    return StatusFromGrpc(status);
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchPoolResponse>> reader_;
};

TEST_F(WatchPoolTest, WatchSendsASnapshotAndThenWhatChanged) {
  Watch watch(*stub_);
  v1::WatchPoolResponse message = watch.Next();
  ASSERT_TRUE(message.has_snapshot());
  EXPECT_EQ(message.snapshot().workers_size(), 2);
  EXPECT_EQ(message.snapshot().pool().ready_workers(), 2);

  ASSERT_TRUE(Resize(To(3)).ok());
  message = watch.Next();
  ASSERT_TRUE(message.has_change());
  EXPECT_EQ(message.change().pool().desired_workers(), 3);
  ASSERT_EQ(message.change().workers_size(), 1);
  EXPECT_EQ(message.change().workers(0).slot(), 2);
  EXPECT_EQ(message.change().workers(0).state(), v1::WORKER_STATE_STARTING);

  pool_.MakeAllReady();
  message = watch.Next();
  EXPECT_EQ(message.change().workers(0).state(), v1::WORKER_STATE_READY);

  ASSERT_TRUE(Resize(To(2)).ok());
  EXPECT_EQ(watch.Next().change().workers(0).state(), v1::WORKER_STATE_DRAINING);
  pool_.FinishDraining();
  message = watch.Next();
  EXPECT_EQ(message.change().workers(0).slot(), 2);
  EXPECT_EQ(message.change().workers(0).state(), v1::WORKER_STATE_EMPTY);
}

TEST_F(WatchPoolTest, WatchSendsCountersAtTheInterval) {
  Watch watch(*stub_, absl::Milliseconds(100));
  ASSERT_TRUE(watch.Next().has_snapshot());
  pool_.row(1).Add(WorkerCounter::kRequests, 3);
  std::atomic<bool> stop = false;
  std::thread ticks([&] {
    while (!stop) {
      hub_.Refresh();
      absl::SleepFor(absl::Milliseconds(10));
    }
  });
  const v1::WatchPoolResponse message = watch.Next();
  EXPECT_EQ(message.change().pool().totals().requests(), 3u);
  ASSERT_EQ(message.change().workers_size(), 1);
  EXPECT_EQ(message.change().workers(0).slot(), 1);
  EXPECT_EQ(message.change().workers(0).counters().requests(), 3u);
  stop = true;
  ticks.join();
}

TEST_F(WatchPoolTest, WatchRefusesIntervalsOutOfRange) {
  Watch watch(*stub_, absl::Milliseconds(1));
  const absl::Status status = watch.Finish();
  EXPECT_EQ(InfoOf(status).metadata().at("field"), "counter_interval");
}

TEST_F(WatchPoolTest, ASlowWatcherGetsTheNewestStateAndDelaysNobody) {
  Watch slow(*stub_);
  ASSERT_TRUE(slow.Next().has_snapshot());
  // More changes than HTTP/2's window holds, if each were kept: it holds 64 KiB.
  constexpr int kChanges = 2000;
  for (int i = 0; i < kChanges; ++i) {
    pool_.Kill(0, ExitStatus::Killed(9));
    pool_.Resize(2 + i % 7);
    pool_.MakeAllReady();
    pool_.FinishDraining();
  }
  EXPECT_EQ(GetPool().max_workers(), 8);
  const uint64_t last = GetPool().generation();
  int messages = 0;
  for (v1::WatchPoolResponse message; message.change().pool().generation() < last; ++messages) {
    message = slow.Next();
    ASSERT_LT(messages, 3 * kChanges);
  }
  EXPECT_LT(messages, 3 * kChanges);
}

TEST_F(WatchPoolTest, AWatcherThatLeavesIsForgotten) {
  {
    Watch watch(*stub_);
    ASSERT_TRUE(watch.Next().has_snapshot());
    EXPECT_TRUE(hub_.has_listeners());
  }
  EXPECT_TRUE(Eventually([&] { return core_.watches == 0 && !hub_.has_listeners(); }));
}

TEST_F(WatchPoolTest, AClientThatVanishesIsForgotten) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
  server_->Adopt(UniqueFd(ends[0]));
  auto channel = grpc::CreateInsecureChannelFromFd("vanishing", ends[1]);
  auto stub = v1::ControlService::NewStub(channel);
  grpc::ClientContext context;
  auto reader = stub->WatchPool(&context, {});
  v1::WatchPoolResponse message;
  ASSERT_TRUE(reader->Read(&message));
  ASSERT_EQ(shutdown(ends[1], SHUT_RDWR), 0);
  EXPECT_FALSE(reader->Read(&message));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(Eventually([&] { return core_.watches == 0; }));
}

TEST_F(WatchPoolTest, ShutdownEndsWatchersAndWaitersSoon) {
  Watch watch(*stub_);
  ASSERT_TRUE(watch.Next().has_snapshot());
  std::thread waiting([&] { EXPECT_FALSE(Resize(To(4, v1::WAIT_FOR_READY)).ok()); });
  ASSERT_TRUE(Eventually([&] { return core_.waits == 1; }));
  const absl::Time begin = absl::Now();
  server_->Shutdown(absl::Milliseconds(100));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
  waiting.join();
}

class LimitsTest : public WatchPoolTest {
 protected:
  LimitsTest()
      : ServedPoolTest({.max_watches = 2,
                        .max_waits = 1,
                        .max_wait = absl::Milliseconds(50),
                        .bookmark_interval = absl::Milliseconds(20)}) {}
};

TEST_F(LimitsTest, TooManyWatches) {
  Watch first(*stub_), second(*stub_);
  ASSERT_TRUE(first.Next().has_snapshot());
  ASSERT_TRUE(second.Next().has_snapshot());
  Watch third(*stub_);
  const absl::Status status = third.Finish();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(InfoOf(status).reason(), "TOO_MANY_STREAMS");
}

class NoWaitsTest : public WatchPoolTest {
 protected:
  NoWaitsTest() : ServedPoolTest({.max_waits_per_caller = 0}) {}
};

TEST_F(NoWaitsTest, TheWaitsOfOneCallerHaveALimitOfTheirOwn) {
  const absl::Status status = Resize(To(4, v1::WAIT_FOR_READY));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(InfoOf(status).reason(), "TOO_MANY_WAITS");
  EXPECT_EQ(InfoOf(status).metadata().at("limit"), "0");
  EXPECT_EQ(core_.waits, 0);
}

TEST_F(LimitsTest, AWaitHasAnEndOfTheServersOwn) {
  std::atomic<bool> stop = false;
  std::thread ticks([&] {
    while (!stop) {
      hub_.Refresh();
      absl::SleepFor(absl::Milliseconds(5));
    }
  });
  const absl::Status status = Resize(To(4, v1::WAIT_FOR_READY));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(InfoOf(status).reason(), "WAIT_TOO_LONG");
  EXPECT_EQ(GetPool().desired_workers(), 4);
  stop = true;
  ticks.join();
}

TEST_F(LimitsTest, ASilentStreamShowsThatItLives) {
  Watch watch(*stub_, absl::Hours(1));
  ASSERT_TRUE(watch.Next().has_snapshot());
  std::atomic<bool> stop = false;
  std::thread ticks([&] {
    while (!stop) {
      hub_.Refresh();
      absl::SleepFor(absl::Milliseconds(5));
    }
  });
  const v1::WatchPoolResponse message = watch.Next();
  EXPECT_EQ(message.bookmark().etag(), GetPool().etag());
  stop = true;
  ticks.join();
}

}  // namespace
}  // namespace squall::internal
