// ListEvents and WatchEvents over gRPC, above a pool without processes.
#include "squall/control/event_stream.h"

#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/create_channel_posix.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"
#include "squall/control/error_details.h"
#include "squall/control/error_details.pb.h"
#include "squall/control/event_to_proto.h"
#include "squall/control/request_check.h"
#include "squall/control/testing/served_pool.h"
#include "squall/control/v1/control.grpc.pb.h"
#include "squall/process/control_link.h"
#include "squall/process/pool_action.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;
using testing::InfoOf;
using testing::kPatience;
using testing::To;

constexpr int kKinds = static_cast<int>(PoolNote::Type::kSidecarStartFailed) + 1;

class Watch {
 public:
  explicit Watch(v1::ControlService::Stub& stub, const v1::WatchEventsRequest& request = {}) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    reader_ = stub.WatchEvents(&context_, request);
  }
  ~Watch() {
    if (reader_ == nullptr) return;
    context_.TryCancel();
    reader_->Finish();
  }

  bool Read(v1::WatchEventsResponse* message) { return reader_->Read(message); }
  v1::WatchEventsResponse Next() {
    v1::WatchEventsResponse response;
    EXPECT_TRUE(reader_->Read(&response));
    return response;
  }
  v1::Event NextEvent() {
    const v1::WatchEventsResponse message = Next();
    EXPECT_TRUE(message.has_event()) << message.DebugString();
    return message.event();
  }
  absl::Status Finish() {
    const grpc::Status status = reader_->Finish();
    reader_.reset();
    return StatusFromGrpc(status);
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchEventsResponse>> reader_;
};

class EventStreamTest : public testing::ServedPoolTest {
 protected:
  using ServedPoolTest::ServedPoolTest;

  v1::ListEventsResponse List(v1::ListEventsRequest request = {}, absl::Status* status = nullptr) {
    grpc::ClientContext context;
    SetDeadline(context);
    v1::ListEventsResponse response;
    const absl::Status said = StatusFromGrpc(stub_->ListEvents(&context, request, &response));
    if (status == nullptr) {
      EXPECT_TRUE(said.ok()) << said;
    } else {
      *status = said;
    }
    return response;
  }
  static v1::WatchEventsRequest From(uint64_t version) {
    v1::WatchEventsRequest request;
    request.set_from_version(version);
    return request;
  }
  // More events than the log holds.
  void Overflow() {
    const std::string text(500, 'x');
    for (size_t i = 0; i < testing::FakePool::kEventBytes / 500; ++i) pool_.Note({.text = text});
  }
  // As the control loop does.
  void Tick(absl::Duration every, const std::function<bool()>& until) {
    for (const absl::Time end = absl::Now() + kPatience; !until() && absl::Now() < end;) {
      hub_.Refresh();
      absl::SleepFor(every);
    }
  }
};

TEST(EventKinds, EachNoteHasOne) {
  for (int type = 0; type < kKinds; ++type) {
    EXPECT_NE(KindOf(static_cast<PoolNote::Type>(type)), v1::EVENT_KIND_UNSPECIFIED) << type;
  }
}

// A refusal has the same reason in the answer and in its event.
TEST(EventReasons, AreThoseOfTheAnswers) {
  for (int i = 1; i <= static_cast<int>(RefusalReason::kBadConfig); ++i) {
    for (const auto code :
         {absl::StatusCode::kInvalidArgument, absl::StatusCode::kFailedPrecondition}) {
      LinkReply reply;
      reply.reason = static_cast<RefusalReason>(i);
      reply.code = static_cast<int>(code);
      const std::string name(RefusalReasonName(reply.reason, code));
      if (name == "UNKNOWN") continue;  // A number that is not used any more.
      EXPECT_EQ(FromRefusal(reply, {}, {}).reason, name);
    }
  }
}

TEST_F(EventStreamTest, ListsThePast) {
  const v1::ListEventsResponse all = List();
  ASSERT_GT(all.events_size(), 4);
  EXPECT_EQ(all.events(0).kind(), v1::EVENT_KIND_POOL_STARTED);
  EXPECT_EQ(all.events(0).severity(), v1::EVENT_SEVERITY_INFO);
  EXPECT_FALSE(all.events(0).has_slot());
  EXPECT_EQ(all.events(1).kind(), v1::EVENT_KIND_WORKER_STARTED);
  EXPECT_EQ(all.events(1).slot(), 0);
  EXPECT_TRUE(all.events(1).has_slot());
  EXPECT_EQ(all.events(1).pid(), 1000);
  EXPECT_EQ(all.events(1).incarnation(), 1u);
  EXPECT_EQ(all.instance_id(), GetPool().instance_id());
  EXPECT_EQ(all.oldest_version(), 1u);
  EXPECT_EQ(all.newest_version(), static_cast<uint64_t>(all.events_size()));
  EXPECT_LT(absl::Now() - absl::FromUnixSeconds(all.events(0).time().seconds()), absl::Minutes(1));

  v1::ListEventsRequest request;
  request.set_page_size(2);
  request.set_from_version(2);
  uint64_t expected = 2;
  do {
    const v1::ListEventsResponse page = List(request);
    for (const v1::Event& event : page.events()) EXPECT_EQ(event.version(), expected++);
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(expected, all.newest_version() + 1);

  v1::ListEventsRequest ready;
  ready.add_kinds(v1::EVENT_KIND_WORKER_READY);
  EXPECT_EQ(List(ready).events_size(), 2);

  absl::Status status;
  ready.set_page_token("x");
  List(ready, &status);
  EXPECT_EQ(InfoOf(status).reason(), "INVALID_FIELD");
}

TEST_F(EventStreamTest, EveryChangeAndEveryRefusalHasItsActor) {
  ASSERT_TRUE(Resize(To(3)).ok());
  ASSERT_FALSE(Resize(To(99)).ok());  // The master refuses.
  ASSERT_FALSE(Resize(To(-1)).ok());  // The control process does.
  grpc::ClientContext context;
  SetDeadline(context);
  v1::KillWorkerResponse response;
  v1::KillWorkerRequest forgotten;
  ASSERT_FALSE(stub_->KillWorker(&context, forgotten, &response).ok());
  std::vector<std::string> audit;
  const v1::ListEventsResponse all = List();
  for (const v1::Event& event : all.events()) {
    if (event.method().empty()) continue;
    audit.push_back(absl::StrCat(event.method(), " ", event.actor(), " ", event.reason(), " ",
                                 event.count(), ": ", event.message()));
  }
  EXPECT_EQ(audit,
            std::vector<std::string>({
                "ResizePool uid 4711  1: resize from 2 to 3 by uid 4711 accepted, "
                "generation 2",
                "ResizePool uid 4711 SLOT_CAPACITY 1: resize to 99 by uid 4711 refused: this "
                "pool can have at most 8 workers (max_workers, fixed at its start), 99 were "
                "asked for",
                "ResizePool uid 4711 INVALID_FIELD 1: ResizePool by uid 4711 refused: "
                "desired_workers must not be negative: -1",
                "KillWorker uid 4711 INVALID_FIELD 1: KillWorker by uid 4711 refused: slot is "
                "not set",
            }));
}

TEST_F(EventStreamTest, ASnapshotAndWhatFollowsIt) {
  const uint64_t before = List().newest_version();
  Watch watch(*stub_);
  const v1::WatchEventsResponse first = watch.Next();
  ASSERT_TRUE(first.has_snapshot());
  EXPECT_EQ(first.snapshot().version(), before);
  EXPECT_EQ(first.snapshot().pool().ready_workers(), 2);
  EXPECT_EQ(first.snapshot().workers_size(), 2);
  EXPECT_EQ(first.snapshot().instance_id(), GetPool().instance_id());

  ASSERT_TRUE(Resize(To(3)).ok());
  v1::Event event = watch.NextEvent();
  EXPECT_EQ(event.version(), before + 1);
  EXPECT_EQ(event.kind(), v1::EVENT_KIND_RESIZE_ACCEPTED);
  event = watch.NextEvent();
  EXPECT_EQ(event.version(), before + 2);
  EXPECT_EQ(event.kind(), v1::EVENT_KIND_WORKER_STARTED);
  EXPECT_EQ(event.slot(), 2);
}

TEST_F(EventStreamTest, FromAVersionOnWithoutAGap) {
  const v1::ListEventsResponse all = List();
  Watch watch(*stub_, From(3));
  const v1::WatchEventsResponse first = watch.Next();
  EXPECT_EQ(first.bookmark().version(), 2u);
  EXPECT_EQ(first.bookmark().instance_id(), all.instance_id());
  for (uint64_t version = 3; version <= all.newest_version(); ++version) {
    EXPECT_EQ(watch.NextEvent().version(), version);
  }
  pool_.Kill(1, ExitStatus::Killed(11));
  const v1::Event died = watch.NextEvent();
  EXPECT_EQ(died.version(), all.newest_version() + 1);
  EXPECT_EQ(died.kind(), v1::EVENT_KIND_WORKER_DIED);
  EXPECT_EQ(died.severity(), v1::EVENT_SEVERITY_WARNING);
  EXPECT_EQ(died.slot(), 1);
}

TEST_F(EventStreamTest, OnlyTheKindsThatAreWanted) {
  v1::WatchEventsRequest request = From(1);
  request.add_kinds(v1::EVENT_KIND_RESIZE_ACCEPTED);
  request.add_kinds(v1::EVENT_KIND_RESIZE_REFUSED);
  Watch watch(*stub_, request);
  EXPECT_TRUE(watch.Next().has_bookmark());
  ASSERT_TRUE(Resize(To(3)).ok());
  ASSERT_FALSE(Resize(To(99)).ok());
  EXPECT_EQ(watch.NextEvent().kind(), v1::EVENT_KIND_RESIZE_ACCEPTED);
  EXPECT_EQ(watch.NextEvent().reason(), "SLOT_CAPACITY");
}

TEST_F(EventStreamTest, WhatIsNotKeptIsToldWithTheFirstThatIs) {
  Overflow();
  const v1::ListEventsResponse kept = List();
  ASSERT_GT(kept.oldest_version(), 1u);
  EXPECT_EQ(kept.events(0).version(), kept.oldest_version());
  Watch watch(*stub_, From(1));
  absl::Status status = watch.Finish();
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(InfoOf(status).reason(), "EVENTS_COMPACTED");
  EXPECT_EQ(InfoOf(status).metadata().at("first_version"), absl::StrCat(kept.oldest_version()));
  Watch oldest(*stub_, From(kept.oldest_version()));
  EXPECT_TRUE(oldest.Next().has_bookmark());
  EXPECT_EQ(oldest.NextEvent().version(), kept.oldest_version());

  v1::ListEventsRequest request;
  request.set_from_version(1);
  List(request, &status);
  EXPECT_EQ(InfoOf(status).reason(), "EVENTS_COMPACTED");
  request.set_from_version(kept.newest_version() + 2);
  List(request, &status);
  EXPECT_EQ(InfoOf(status).metadata().at("field"), "from_version");
  request.set_from_version(kept.newest_version() + 1);
  EXPECT_EQ(List(request).events_size(), 0);
}

TEST_F(EventStreamTest, AnotherStartOfTheServerIsTold) {
  v1::WatchEventsRequest request = From(1);
  request.set_instance_id("0123456789abcdef");
  Watch watch(*stub_, request);
  const absl::Status status = watch.Finish();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(InfoOf(status).reason(), "NEW_INSTANCE");
  EXPECT_EQ(InfoOf(status).metadata().at("instance_id"), GetPool().instance_id());
  EXPECT_TRUE(testing::Eventually([&] { return core_.watches == 0 && !hub_.has_listeners(); }));
}

TEST_F(EventStreamTest, TextThatIsNoUtf8IsEscaped) {
  Watch watch(*stub_);
  watch.Next();
  pool_.Note({.text = "path \xff\x01"});
  EXPECT_EQ(watch.NextEvent().message(), "path \\xff\\x01");
}

TEST_F(EventStreamTest, TextThatIsUtf8StaysUnlessATerminalObeysIt) {
  Watch watch(*stub_);
  ASSERT_TRUE(watch.Next().has_snapshot());
  pool_.Note({.text = "cut é…"});
  EXPECT_EQ(watch.NextEvent().message(), "cut é…");
  pool_.Note({.text = "a\xc2\x9b"
                      "31m"});
  EXPECT_EQ(watch.NextEvent().message(), "a\\xc2\\x9b\\x33\\x31m");
  pool_.Note({.text = "a\xe2\x80\xae"
                      "b"});
  EXPECT_EQ(watch.NextEvent().message(), "a\\xe2\\x80\\xae\\x62");
}

TEST_F(EventStreamTest, AWatcherThatLeavesIsForgotten) {
  {
    Watch watch(*stub_);
    ASSERT_TRUE(watch.Next().has_snapshot());
    EXPECT_TRUE(hub_.has_listeners());
  }
  EXPECT_TRUE(testing::Eventually([&] { return core_.watches == 0 && !hub_.has_listeners(); }));
}

class ViewerTest : public EventStreamTest {
 protected:
  ViewerTest() : EventStreamTest({}, v1::ROLE_VIEWER) {}
};

TEST_F(ViewerTest, RequestLinesAreForOperators) {
  Watch watch(*stub_);
  ASSERT_TRUE(watch.Next().has_snapshot());
  for (const auto type : {PoolNote::Type::kWorkerSilent, PoolNote::Type::kWorkerRecovered,
                          PoolNote::Type::kAborted}) {
    pool_.Note({.type = type,
                .slot = 1,
                .pid = 42,
                .text = "worker 1 (pid 42) is stalled for 12s in GET /reset?token=secret"});
    const std::string message = watch.NextEvent().message();
    EXPECT_EQ(message.find("secret"), std::string::npos) << message;
    EXPECT_EQ(message.find("worker 1 (pid 42) "), 0u) << message;
  }
  const v1::ListEventsResponse all = List();
  for (const v1::Event& event : all.events()) {
    EXPECT_EQ(event.message().find("secret"), std::string::npos);
  }
}

class LimitsTest : public EventStreamTest {
 protected:
  LimitsTest()
      : EventStreamTest({.max_watches = 2,
                         .bookmark_interval = absl::Milliseconds(20),
                         .event_patience = absl::Milliseconds(100)}) {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    server_->Adopt(UniqueFd(ends[0]));
    // A window that grows takes everything, and then nobody is slow.
    grpc::ChannelArguments fixed_window;
    fixed_window.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    slow_ = v1::ControlService::NewStub(
        grpc::CreateCustomInsecureChannelFromFd("slow", ends[1], fixed_window));
  }

  std::unique_ptr<v1::ControlService::Stub> slow_;
};

TEST_F(LimitsTest, ASlowReaderIsCutWithTheVersionToGoOnFrom) {
  Watch slow(*slow_);
  const uint64_t before = slow.Next().snapshot().version();
  // More than HTTP/2's window holds, which is 64 KiB, but not more than is kept.
  const std::string text(400, 'x');
  constexpr uint64_t kEvents = 300;
  for (uint64_t i = 0; i < kEvents; ++i) pool_.Note({.text = text});
  Tick(absl::Milliseconds(10), [&] { return !hub_.has_listeners(); });
  ASSERT_FALSE(hub_.has_listeners()) << "it was not cut";
  EXPECT_EQ(GetPool().ready_workers(), 2) << "others are served";

  uint64_t last = before;
  for (v1::WatchEventsResponse message; slow.Read(&message);) {
    ASSERT_TRUE(message.has_event());
    ASSERT_EQ(message.event().version(), ++last);
  }
  EXPECT_LT(last, before + kEvents);
  const absl::Status status = slow.Finish();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(InfoOf(status).reason(), "SLOW_READER");
  const std::string resume = InfoOf(status).metadata().at("resume_version");
  EXPECT_EQ(resume, absl::StrCat(last + 1));
  Watch again(*stub_, From(last + 1));
  again.Next();
  for (uint64_t version = last + 1; version <= before + kEvents; ++version) {
    ASSERT_EQ(again.NextEvent().version(), version);
  }
}

// It reads, but slower than events come: what it has not got yet is overwritten.
TEST_F(LimitsTest, AReaderThatFallsBehindByAllThatIsKeptIsTold) {
  core_.limits.event_patience = absl::Hours(1);
  Watch slow(*slow_);
  ASSERT_TRUE(slow.Next().has_snapshot());
  Overflow();
  Overflow();
  for (v1::WatchEventsResponse message; slow.Read(&message);) {
  }
  const absl::Status status = slow.Finish();
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange) << status;
  EXPECT_EQ(InfoOf(status).reason(), "EVENTS_COMPACTED");
  EXPECT_EQ(InfoOf(status).metadata().at("first_version"), absl::StrCat(List().oldest_version()));
}

TEST_F(LimitsTest, ASilentStreamShowsThatItLives) {
  Watch watch(*stub_);
  const uint64_t version = watch.Next().snapshot().version();
  std::atomic<bool> seen = false;
  std::thread ticks([&] { Tick(absl::Milliseconds(5), [&] { return seen.load(); }); });
  const v1::WatchEventsResponse message = watch.Next();
  EXPECT_EQ(message.bookmark().version(), version);
  EXPECT_EQ(message.bookmark().instance_id(), GetPool().instance_id());
  seen = true;
  ticks.join();
}

TEST_F(LimitsTest, TooManyWatches) {
  Watch first(*stub_), second(*stub_);
  ASSERT_TRUE(first.Next().has_snapshot());
  ASSERT_TRUE(second.Next().has_snapshot());
  Watch third(*stub_);
  EXPECT_EQ(InfoOf(third.Finish()).reason(), "TOO_MANY_STREAMS");
}

}  // namespace
}  // namespace squall::internal
