// squallctl events against a real pool, whose control process is killed under it.
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <memory>
#include <mutex>
#include <ostream>
#include <sstream>
#include <streambuf>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "squall/control/client.h"
#include "squall/control/squallctl/squallctl.h"
#include "squall/control/testing/running_pool.h"
#include "squall/control/v1/control.pb.h"

namespace squall::internal {
namespace {

using ::testing::ContainsRegex;
using testing::Eventually;
using ::testing::HasSubstr;
using testing::RunningPool;

struct Ran {
  ExitCode code;
  std::string out;
  std::string err;
};

Ran RunWith(const std::vector<std::string_view>& args) {
  std::ostringstream out, err;
  Console console{.out = out, .err = err};
  const ExitCode code = RunSquallctl(args, console);
  return {code, out.str(), err.str()};
}

// A stream that one thread writes and another looks at.
class SharedText : public std::streambuf {
 public:
  std::vector<nlohmann::json> Events() {
    std::lock_guard lock(mutex_);
    std::vector<nlohmann::json> events;
    // The last part is empty, or a line that is not complete yet.
    const std::vector<std::string> lines = absl::StrSplit(text_, '\n');
    for (size_t i = 0; i + 1 < lines.size(); ++i) events.push_back(nlohmann::json::parse(lines[i]));
    return events;
  }
  bool Has(const std::string& kind, uint64_t count) {
    uint64_t found = 0;
    for (const nlohmann::json& event : Events()) found += event.at("kind") == kind;
    return found >= count;
  }

 protected:
  int overflow(int c) override {
    std::lock_guard lock(mutex_);
    text_.push_back(static_cast<char>(c));
    return c;
  }
  std::streamsize xsputn(const char* data, std::streamsize size) override {
    std::lock_guard lock(mutex_);
    text_.append(data, static_cast<size_t>(size));
    return size;
  }

 private:
  std::mutex mutex_;
  std::string text_;
};

class EventsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("SQUALL_CONTROL", pool_.address().c_str(), 1);
    EXPECT_TRUE(Eventually([&] {
      const auto pool = client_.GetPool();
      return pool.ok() && pool->ready_workers() == 2;
    }));
  }

  RunningPool pool_;
  ControlClient client_{pool_.address(), {.retry_for = absl::Seconds(10)}};
};

TEST_F(EventsTest, ShowsWhatHappened) {
  EXPECT_EQ(RunWith({"resize", "3", "--wait"}).code, ExitCode::kDone);
  EXPECT_EQ(RunWith({"resize", "99"}).code, ExitCode::kPrecondition);
  Ran ran = RunWith({"events"});
  EXPECT_EQ(ran.code, ExitCode::kDone) << ran.err;
  EXPECT_THAT(ran.out, ContainsRegex("^20[0-9-]+ [0-9:.]+      1  control-started  +-  the control "
                                     "process is running as pid [0-9]+\n"));
  EXPECT_THAT(ran.out, ContainsRegex("  worker-ready  +0  worker 0 .pid [0-9]+. is ready after"));
  EXPECT_THAT(ran.out,
              HasSubstr(absl::StrCat("resize from 2 to 3 by uid ", getuid(), " accepted")));
  EXPECT_THAT(ran.out, ContainsRegex("resize-refused .* resize to 99 by uid [0-9]+ refused: "));

  ran = RunWith({"events", "--output=json", "--from=2"});
  const nlohmann::json all = nlohmann::json::parse(ran.out);
  EXPECT_EQ(all.at("events").at(0).at("version"), "2");
  EXPECT_EQ(all.at("oldestVersion"), "1");
  EXPECT_THAT(RunWith({"events", "--output=yaml"}).out, HasSubstr("events:\n  - actor:"));
  ran = RunWith({"events", "--from=9999"});
  EXPECT_EQ(ran.code, ExitCode::kUsage);
  EXPECT_THAT(ran.err, HasSubstr("from_version must be at most "));
  EXPECT_EQ(RunWith({"events", "--from=0"}).code, ExitCode::kUsage);
}

TEST_F(EventsTest, FollowsOverTheLivesOfTheControlProcess) {
  SharedText seen;
  std::ostream out(&seen);
  std::ostringstream err;
  ExitCode code = ExitCode::kDone;
  std::thread following([&] {
    Console console{.out = out, .err = err};
    code = RunSquallctl({"events", "--follow", "--from=1", "--output=json"}, console);
  });
  EXPECT_TRUE(Eventually([&] { return seen.Has("EVENT_KIND_WORKER_READY", 2); }));
  for (uint64_t life = 1; life <= 3; ++life) {
    // Something happens before, while and after there is none.
    EXPECT_TRUE(client_.ResizePool({.desired_workers = static_cast<int>(2 + life)}).ok());
    ASSERT_EQ(kill(client_.GetServerInfo()->control_pid(), SIGKILL), 0);
    ASSERT_EQ(kill(client_.GetWorker(0)->pid(), SIGKILL), 0);
    EXPECT_TRUE(Eventually([&] {
      return seen.Has("EVENT_KIND_CONTROL_EXITED", life) &&
             seen.Has("EVENT_KIND_CONTROL_STARTED", life + 1) &&
             seen.Has("EVENT_KIND_WORKER_DIED", life);
    })) << "life "
        << life;
  }
  ASSERT_EQ(kill(pool_.master_pid(), SIGKILL), 0);
  following.join();
  EXPECT_EQ(code, ExitCode::kUnreachable);
  EXPECT_THAT(err.str(), ::testing::StartsWith("squallctl: "));

  // Each once, and none is missing.
  uint64_t version = 0;
  for (const nlohmann::json& event : seen.Events()) {
    EXPECT_EQ(event.at("version"), absl::StrCat(++version));
  }
}

TEST_F(EventsTest, FollowBeginsWithTheLastTen) {
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(client_.ResizePool({.desired_workers = 2}).ok());
  }
  const uint64_t newest = client_.ListEvents()->newest_version();
  SharedText seen;
  std::ostream out(&seen);
  std::ostringstream err;
  std::thread following([&] {
    Console console{.out = out, .err = err};
    RunSquallctl({"events", "--follow", "--output=json"}, console);
  });
  EXPECT_TRUE(Eventually([&] { return seen.Events().size() >= 10; }));
  EXPECT_EQ(seen.Events()[0].at("version"), absl::StrCat(newest - 9));
  ASSERT_EQ(kill(pool_.master_pid(), SIGKILL), 0);
  following.join();
}

// Refusals in a flood are told together, and the pool does not mind.
TEST_F(EventsTest, AFloodOfRefusalsIsFewEvents) {
  constexpr int kCalls = 500;
  for (int i = 0; i < kCalls; ++i) {
    control::v1::KillWorkerRequest request;
    request.set_slot(-1);
    EXPECT_EQ(ErrorReason(client_.KillWorker(request).status()), "INVALID_FIELD");
  }
  const auto count = [&] {
    uint64_t events = 0, calls = 0;
    const auto all = client_.ListEvents();
    if (!all.ok()) return std::make_pair(events, calls);
    for (const control::v1::Event& event : all->events()) {
      if (event.method() != "KillWorker") continue;
      ++events;
      calls += event.count();
      EXPECT_EQ(event.reason(), "INVALID_FIELD");
      EXPECT_EQ(event.actor(), absl::StrCat("uid ", getuid()));
    }
    return std::make_pair(events, calls);
  };
  EXPECT_TRUE(Eventually([&] { return count().second == kCalls; })) << count().second;
  EXPECT_LE(count().first, 12u);
  EXPECT_EQ(client_.GetPool()->ready_workers(), 2);
}

// Watchers that never read: the master and the workers go on, and so do others.
TEST_F(EventsTest, WatchersThatNeverReadDisturbNobody) {
  std::vector<std::thread> watchers;
  std::vector<std::unique_ptr<ControlClient>> clients;
  std::mutex gate;
  gate.lock();
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<ControlClient>(pool_.address()));
    watchers.emplace_back([&, client = clients.back().get()] {
      control::v1::WatchEventsRequest request;
      request.set_from_version(1);
      (void)client->WatchEvents(request, [&](const auto&) {
        std::lock_guard wait(gate);
        return false;
      });
    });
  }
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(client_
                    .ResizePool({.desired_workers = 2 + i % 2,
                                 .wait_for = control::v1::WAIT_FOR_DRAINED,
                                 .timeout = absl::Seconds(30)})
                    .ok());
  }
  EXPECT_TRUE(client_.ListEvents().ok());
  gate.unlock();
  for (std::thread& watcher : watchers) watcher.join();
}

}  // namespace
}  // namespace squall::internal
