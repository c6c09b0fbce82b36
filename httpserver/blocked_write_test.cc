// Answers that wait for room, over a transport whose room the test gives: what epoll says of a real
// socket cannot be timed so exactly.
#include <errno.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"
#include "squall/httpserver/file_range.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/raw_client.h"
#include "squall/httpserver/test_app.h"
#include "squall/ioloop/transport.h"
#include "squall/ioloop/transport_factory.h"

namespace squall {
namespace {

constexpr absl::Duration kWriteTimeout = absl::Milliseconds(400);

using HasRoom = absl::AnyInvocable<bool(size_t size)>;

// A socket that takes what is written only when `has_room` says so of its size.
class GatedTransport final : public Transport {
 public:
  GatedTransport(UniqueFd socket, HasRoom* has_room, uint32_t write_events, bool plain)
      : plain_(MakePlainTransport(std::move(socket))),
        has_room_(has_room),
        write_events_(write_events),
        says_plain_(plain) {}

  int fd() const override { return plain_->fd(); }
  ssize_t Read(char* data, size_t size) override { return plain_->Read(data, size); }
  ssize_t Write(const iovec* buffers, int count) override {
    size_t size = 0;
    for (int i = 0; i < count; ++i) size += buffers[i].iov_len;
    if ((*has_room_)(size)) return plain_->Write(buffers, count);
    errno = EAGAIN;
    return -1;
  }
  int ShutdownWrite() override { return plain_->ShutdownWrite(); }
  uint32_t write_events() const override { return write_events_; }
  bool plain() const override { return says_plain_; }

 private:
  const std::unique_ptr<Transport> plain_;
  HasRoom* const has_room_;  // not owned
  const uint32_t write_events_;
  const bool says_plain_;
};

class GatedTransports final : public TransportFactory {
 public:
  GatedTransports(HasRoom has_room, uint32_t write_events, bool plain = false)
      : has_room_(std::move(has_room)), write_events_(write_events), plain_(plain) {}
  std::unique_ptr<Transport> MakeTransport(UniqueFd connection) override {
    return std::make_unique<GatedTransport>(std::move(connection), &has_room_, write_events_,
                                            plain_);
  }

 private:
  HasRoom has_room_;
  const uint32_t write_events_;
  const bool plain_;
};

// Pieces that go out whole, with pauses that are together longer than the timeout: each is progress.
TEST(BlockedWriteTest, PiecesThatAreTakenWholeRenewTheDeadline) {
  constexpr size_t kSize = 12 * 64 * 1024;
  std::string path = std::string(std::getenv("TEST_TMPDIR")) + "/file.XXXXXX";
  const auto file = std::make_shared<const UniqueFd>(::mkstemp(path.data()));
  ASSERT_EQ(::unlink(path.c_str()), 0);
  ASSERT_EQ(::ftruncate(file->get(), kSize), 0);
  TestApp app;
  app.Route("/file", {.finish = [&](TestApp::Exchange& e) {
              std::exchange(e.connection, nullptr)
                  ->FinishWithFile(ResponseHead(), {.file = file, .size = kSize})
                  .IgnoreError();
            }});
  absl::Time next = absl::InfinitePast();
  const auto room_now_and_then = [&next](size_t) {
    if (absl::Now() < next) return false;
    next = absl::Now() + kWriteTimeout / 5;
    return true;
  };
  HttpServerThread server(
      app, {.transport = std::make_shared<GatedTransports>(room_now_and_then, EPOLLOUT),
            .write_timeout = kWriteTimeout});
  RawClient client(server.port());
  client.Send("GET /file HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().body.size(), kSize);
}

// The timer is the first to see that there is room again. The request behind is served in that
// turn, for nothing more comes from its client.
TEST(BlockedWriteTest, ARequestBehindABlockedAnswerIsServedByTheTimer) {
  TestApp app;
  app.Route("/large", {.finish = [](TestApp::Exchange& e) {
              e.Answer(std::string(100'000, 'x')).IgnoreError();
            }});
  std::atomic<bool> room{false};
  std::atomic<bool> asked{false};
  const auto gate = [&](size_t) {
    asked = true;
    return room.load();
  };
  // Long enough for a busy machine to say that there is room before it is over.
  HttpServerThread server(app, {.transport = std::make_shared<GatedTransports>(gate, 0),
                                .write_timeout = absl::Seconds(2),
                                .write_high_mark = 1000,
                                .write_low_mark = 500});
  RawClient client(server.port());
  client.Send("GET /large HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  while (!asked) server.Run([] {});
  room = true;
  EXPECT_EQ(client.ReadResponse().body.size(), 100'000u);
  EXPECT_EQ(client.ReadResponse().body, "Hello world");
}

void AnswerLarge(TestApp::Exchange& e) { e.Answer(std::string(100'000, 'x')).IgnoreError(); }

// It wakes the client while the body is under way.
TEST(BlockedWriteTest, TheHeadOfALargeAnswerIsSentFirst) {
  TestApp app;
  app.Route("/large", {.finish = AnswerLarge});
  std::vector<size_t> sizes;
  const auto note = [&](size_t size) {
    sizes.push_back(size);
    return true;
  };
  RawClient::Response answer;
  {
    HttpServerThread server(
        app, {.transport = std::make_shared<GatedTransports>(note, EPOLLOUT, /*plain=*/true)});
    RawClient client(server.port());
    client.Send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    answer = client.ReadResponse();
  }
  EXPECT_EQ(answer.body, std::string(100'000, 'x'));
  ASSERT_GE(sizes.size(), 2u);
  EXPECT_LT(sizes[0], 1000u);
  EXPECT_EQ(sizes[1], 100'000u);
}

TEST(BlockedWriteTest, ALargeAnswerIsWholeWhenItsHeadHasToWait) {
  TestApp app;
  app.Route("/large", {.finish = AnswerLarge});
  bool first = true;
  const auto room_the_second_time = [&](size_t) { return !std::exchange(first, false); };
  HttpServerThread server(app, {.transport = std::make_shared<GatedTransports>(
                                    room_the_second_time, EPOLLOUT, /*plain=*/true)});
  RawClient client(server.port());
  client.Send("GET /large HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().body, std::string(100'000, 'x'));
  EXPECT_EQ(client.ReadResponse().body, "Hello world");
}

}  // namespace
}  // namespace squall
