// What a server in a worker writes into the scoreboard, as somebody else reads it there.
#include "squall/httpserver/worker_stats.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/base/unique_fd.h"
#include "squall/httpserver/httpserver.h"
#include "squall/httpserver/raw_client.h"
#include "squall/httpserver/tcpserver.h"
#include "squall/httpserver/test_app.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/task.h"
#include "squall/netutil/address.h"
#include "squall/netutil/sockets.h"
#include "squall/process/scoreboard.h"
#include "squall/process/worker_setup.h"

namespace squall {
namespace {

constexpr char kHello[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr char kSlow[] = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr char kBig[] = "GET /big HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr absl::Duration kBlock = absl::Milliseconds(30);
constexpr size_t kMore = 64 << 20;  // than the kernel keeps for a client that does not read

// A server in a process of its own, which is a worker as ForkProcesses makes it, but for its master.
class WorkerStatsTest : public testing::Test {
 protected:
  void SetUp() override {
    auto sockets = BindSockets(0, {.address = "127.0.0.1"}).value();
    port_ = sockets[0].address().port();
    int channel[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, channel), 0);
    lifeline_ = UniqueFd(channel[0]);
    SlotView view;
    view.state = WorkerState::kReady;
    view.incarnation = 1;
    scoreboard_.PublishSlot(view);
    pid_ = fork();
    ASSERT_GE(pid_, 0);
    if (pid_ == 0) Serve(std::move(sockets), UniqueFd(channel[1]));
    close(channel[1]);
  }

  void TearDown() override {
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    ASSERT_EQ(waitpid(pid_, nullptr, 0), pid_);
  }

  [[noreturn]] void Serve(std::vector<ListenSocket> sockets, UniqueFd channel) {
    lifeline_.reset();
    WorkerSetup setup;
    setup.incarnation = 1;
    setup.channel = std::move(channel);
    setup.scoreboard = std::move(scoreboard_);
    WorkerSetup::BecomeWorker(std::move(setup));
    RunServer(std::move(sockets));
    _exit(0);
  }

  virtual void RunServer(std::vector<ListenSocket> sockets) {
    TestApp app;
    app.Route("/slow", {.finish = [](TestApp::Exchange& e) {
                absl::SleepFor(kBlock);
                e.Answer("done").IgnoreError();
              }});
    app.Route("/big", {.finish = [](TestApp::Exchange& e) {
                e.Answer(std::string(kMore, 'x')).IgnoreError();
              }});
    HttpServer server(app);
    server.AddSockets(std::move(sockets));
    IOLoop::Current().Start();
  }

  WorkerSnapshot Read() const { return scoreboard_.Read(Clock::Real().Now()).workers.at(0); }

  // The worker's row when it is so.
  WorkerSnapshot ReadWhen(const std::function<bool(const WorkerSnapshot&)>& condition) const {
    for (const absl::Time until = absl::Now() + absl::Seconds(20); absl::Now() < until;) {
      if (WorkerSnapshot worker = Read(); condition(worker)) return worker;
      absl::SleepFor(absl::Milliseconds(1));
    }
    ADD_FAILURE() << "the scoreboard never came to show it";
    return Read();
  }
  WorkerSnapshot ReadWhenAnswered(uint64_t requests) const {
    return ReadWhen(
        [&](const WorkerSnapshot& worker) { return worker.latency.count() == requests; });
  }

  uint16_t port_ = 0;
  pid_t pid_ = 0;
  UniqueFd lifeline_;
  Scoreboard scoreboard_ = Scoreboard::Create(1).value();
};

class EchoServer : public TcpServer {
 public:
  Task<> HandleStream(IOStream stream, SocketAddress) override {
    while (true) {
      absl::StatusOr<std::string> some = co_await stream.ReadBytes(100, ReadMode::kPartial);
      if (!some.ok()) co_return;
      (co_await stream.Write(*std::move(some))).IgnoreError();
    }
  }
};

class StreamWorkerStatsTest : public WorkerStatsTest {
 protected:
  void RunServer(std::vector<ListenSocket> sockets) override {
    EchoServer server;
    server.AddSockets(std::move(sockets));
    IOLoop::Current().Start();
  }
};

TEST_F(StreamWorkerStatsTest, ConnectionsOfATcpServerAreCounted) {
  RawClient one(port_);
  {
    RawClient two(port_);
    const WorkerSnapshot worker =
        ReadWhen([](const WorkerSnapshot& worker) { return worker.connections == 2; });
    EXPECT_EQ(worker.counters[WorkerCounter::kAccepted], 2u);
  }
  ReadWhen([](const WorkerSnapshot& worker) { return worker.connections == 1; });
}

// Who has the last octet and connects anew must not find its old connection counted, or the new one
// goes to a busier worker.
TEST_F(WorkerStatsTest, AConnectionThatEndsIsGoneWithItsLastOctet) {
  for (int i = 0; i < 500; ++i) {
    RawClient client(port_);
    client.Send("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(client.ReadResponse().status, 200);
    ASSERT_EQ(Read().connections, 0) << "round " << i;
  }
}

TEST_F(WorkerStatsTest, AConnectionThatStillSendsItsLastAnswerIsCounted) {
  RawClient client(port_);
  client.Send("GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const WorkerSnapshot worker = ReadWhen([](const WorkerSnapshot& worker) {
    return worker.counters[WorkerCounter::kResponses2xx] == 1 && worker.connections == 1;
  });
  EXPECT_EQ(worker.connections, 1);
  client.Close();
  ReadWhen([](const WorkerSnapshot& worker) { return worker.connections == 0; });
}

TEST_F(WorkerStatsTest, EachRequestIsCountedOnce) {
  RawClient client(port_);
  for (int i = 0; i < 3; ++i) {
    client.Send(kHello);
    EXPECT_EQ(client.ReadResponse().status, 200);
  }
  const WorkerSnapshot worker = ReadWhenAnswered(3);
  EXPECT_EQ(worker.counters[WorkerCounter::kRequests], 3u);
  EXPECT_EQ(worker.counters[WorkerCounter::kResponses2xx], 3u);
  EXPECT_EQ(worker.counters[WorkerCounter::kBytesIn], 3 * (sizeof kHello - 1));
  EXPECT_EQ(worker.counters[WorkerCounter::kAccepted], 1u);
  EXPECT_EQ(worker.connections, 1);
  EXPECT_EQ(worker.in_flight, 0u);
  EXPECT_TRUE(worker.accepting);
  EXPECT_FALSE(worker.request.has_value());
}

TEST_F(WorkerStatsTest, ARequestTakesAsLongAsItsHandler) {
  RawClient client(port_);
  client.Send(kSlow);
  EXPECT_EQ(client.ReadResponse().body, "done");
  const WorkerSnapshot worker = ReadWhenAnswered(1);
  EXPECT_GE(worker.latency.max(), kBlock);
  EXPECT_GE(ReadWhen([](const WorkerSnapshot& w) {
              return w.longest_loop_turn >= kBlock;
            }).longest_loop_turn,
            kBlock);
}

TEST_F(WorkerStatsTest, PipelinedRequestsHaveTheirOwnTimes) {
  RawClient client(port_);
  client.Send(std::string(kSlow) + kHello);
  EXPECT_EQ(client.ReadResponse().body, "done");
  EXPECT_EQ(client.ReadResponse().body, "Hello world");
  const WorkerSnapshot worker = ReadWhenAnswered(2);
  EXPECT_GE(worker.latency.max(), kBlock);
  EXPECT_EQ(worker.latency.Quantile(0), worker.latency.Quantile(0.5));
  EXPECT_LT(worker.latency.Quantile(0.5), worker.latency.max() - kBlock / 2);
}

TEST_F(WorkerStatsTest, ARequestTakesUntilTheKernelHasItsWholeAnswer) {
  RawClient client(port_, {.receive_buffer = 4096});
  client.Send(kBig);
  // The handler is done long before the client reads.
  ReadWhen([](const WorkerSnapshot& worker) {
    return worker.counters[WorkerCounter::kResponses2xx] == 1;
  });
  const absl::Time before = absl::Now();
  absl::SleepFor(kBlock);  // this much it takes at least, then
  EXPECT_EQ(Read().latency.count(), 0u);
  const absl::Duration unread = absl::Now() - before;
  EXPECT_EQ(client.ReadResponse().body.size(), kMore);
  EXPECT_GE(ReadWhenAnswered(1).latency.max(), unread);
}

TEST_F(WorkerStatsTest, AnAnswerThatIsNotReadHasNoTime) {
  {
    RawClient client(port_, {.receive_buffer = 4096});
    client.Send(kBig);
    ReadWhen([](const WorkerSnapshot& worker) {
      return worker.counters[WorkerCounter::kResponses2xx] == 1;
    });
    client.Reset();
  }
  const WorkerSnapshot worker =
      ReadWhen([](const WorkerSnapshot& worker) { return worker.connections == 0; });
  EXPECT_EQ(worker.latency.count(), 0u);
}

TEST_F(WorkerStatsTest, WakeUpsOfTheListenerAreCountedWithoutAnotherConnection) {
  RawClient client(port_);
  client.Send(kHello);
  EXPECT_EQ(client.ReadResponse().status, 200);
  const WorkerSnapshot worker = ReadWhen([](const WorkerSnapshot& worker) {
    return worker.counters[WorkerCounter::kAcceptWakeups] +
               worker.counters[WorkerCounter::kAcceptRescues] >
           0;
  });
  EXPECT_GT(worker.counters[WorkerCounter::kLoopTurns], 0u);
}

TEST_F(WorkerStatsTest, TheLastWakeUpsAreCountedAtTheEnd) {
  {
    RawClient client(port_);
    client.Send(kHello);
    EXPECT_EQ(client.ReadResponse().status, 200);
  }
  // Its master is gone, so the worker ends, mostly before its next heartbeat.
  lifeline_.reset();
  int status = 0;
  ASSERT_EQ(waitpid(pid_, &status, 0), pid_);
  pid_ = 0;
  EXPECT_EQ(status, 0);
  const WorkerSnapshot worker = Read();
  EXPECT_GT(worker.counters[WorkerCounter::kAcceptWakeups] +
                worker.counters[WorkerCounter::kAcceptRescues],
            0u);
}

}  // namespace
}  // namespace squall
