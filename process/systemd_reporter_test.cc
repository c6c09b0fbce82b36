#include "squall/process/systemd_reporter.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"

namespace squall::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

PoolView PoolOf(int ready, int desired) {
  PoolView pool;
  pool.desired = desired;
  pool.generation = 1;
  pool.slots[static_cast<size_t>(WorkerState::kReady)] = ready;
  return pool;
}

// A service manager that hears what the reporter says.
class SystemdReporterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    socket_ = UniqueFd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ASSERT_TRUE(socket_.valid());
    // An abstract name, which the kernel chooses.
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    ASSERT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(sa_family_t)), 0);
    socklen_t size = sizeof address;
    ASSERT_EQ(getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    const std::string name(address.sun_path + 1, size - sizeof(sa_family_t) - 1);
    setenv("NOTIFY_SOCKET", absl::StrCat("@", name).c_str(), 1);
    reporter_.emplace(SystemdNotifier::FromEnvironment(), PoolOptions{});
  }

  // What it said since the last call; of RELOADING only that.
  std::vector<std::string> Heard() {
    std::vector<std::string> heard;
    char buffer[1024];
    for (;;) {
      const ssize_t got = recv(socket_.get(), buffer, sizeof buffer, 0);
      if (got < 0) return heard;
      const std::string text(buffer, static_cast<size_t>(got));
      for (const std::string& line : std::vector<std::string>(absl::StrSplit(text, '\n'))) {
        if (!line.empty() && !absl::StartsWith(line, "MONOTONIC_USEC=")) heard.push_back(line);
      }
    }
  }

  UniqueFd socket_;
  std::optional<SystemdReporter> reporter_;
};

TEST_F(SystemdReporterTest, ReadyOnceAndThenWhatChanges) {
  PoolView pool = PoolOf(1, 2);
  pool.slots[static_cast<size_t>(WorkerState::kStarting)] = 1;
  reporter_->Report(pool);
  EXPECT_THAT(Heard(), ElementsAre("STATUS=1 of 2 workers ready, 1 starting"));
  pool = PoolOf(2, 2);
  pool.observed_generation = 1;
  reporter_->Report(pool);
  EXPECT_THAT(Heard(), ElementsAre("READY=1", "STATUS=2 of 2 workers ready"));
  reporter_->Report(pool);
  EXPECT_THAT(Heard(), IsEmpty());
}

TEST_F(SystemdReporterTest, ARestartIsAReload) {
  PoolView pool = PoolOf(2, 2);
  pool.observed_generation = 1;
  reporter_->Report(pool);
  Heard();
  pool.restart = {.phase = RestartPhase::kRunning, .generation = 2, .remaining = 2};
  reporter_->Report(pool);
  EXPECT_THAT(Heard(),
              ElementsAre("RELOADING=1", "STATUS=2 of 2 workers ready; restarting, 2 to go"));
  pool.restart.phase = RestartPhase::kFailed;
  pool.restart.remaining = 0;
  reporter_->Report(pool);
  EXPECT_THAT(Heard(),
              ElementsAre("READY=1", "STATUS=2 of 2 workers ready; the last restart failed"));
}

TEST_F(SystemdReporterTest, ARestartThatEndsAtOnceIsAReloadToo) {
  PoolView pool = PoolOf(0, 0);
  pool.observed_generation = 1;
  reporter_->Report(pool);
  Heard();
  pool.restart = {.phase = RestartPhase::kSucceeded, .generation = 2};
  reporter_->Report(pool);
  EXPECT_THAT(Heard(), ElementsAre("RELOADING=1", "READY=1"));
  reporter_->Report(pool);
  EXPECT_THAT(Heard(), IsEmpty());
}

TEST_F(SystemdReporterTest, ARefusedReloadIsOneThatEndsAtOnce) {
  PoolView pool = PoolOf(2, 2);
  reporter_->ReloadRefused("too early");
  EXPECT_THAT(Heard(), IsEmpty()) << "systemd waits for the first READY";
  pool.observed_generation = 1;
  reporter_->Report(pool);
  Heard();
  reporter_->ReloadRefused("line 3: no such option");
  EXPECT_THAT(Heard(), ElementsAre("RELOADING=1", "STATUS=reload refused: line 3: no such option",
                                   "READY=1"));
  reporter_->Report(pool);
  EXPECT_THAT(Heard(), ElementsAre("STATUS=2 of 2 workers ready"));

  pool.restart = {.phase = RestartPhase::kRunning, .generation = 2, .remaining = 2};
  reporter_->Report(pool);
  Heard();
  reporter_->ReloadRefused("line 4");
  EXPECT_THAT(Heard(), ElementsAre("RELOADING=1", "STATUS=reload refused: line 4"))
      << "the restart goes on";
  pool.restart.phase = RestartPhase::kSucceeded;
  reporter_->Report(pool);
  EXPECT_THAT(Heard(), ElementsAre("READY=1", "STATUS=2 of 2 workers ready"));

  pool.shutdown = ShutdownMode::kGraceful;
  reporter_->Report(pool);
  Heard();
  reporter_->ReloadRefused("too late");
  EXPECT_THAT(Heard(), IsEmpty());
}

TEST_F(SystemdReporterTest, StoppingTakesAsLongAsTheLadder) {
  PoolView pool = PoolOf(1, 1);
  pool.shutdown = ShutdownMode::kGraceful;
  reporter_->Report(pool);
  EXPECT_THAT(Heard(), ElementsAre("STOPPING=1", "EXTEND_TIMEOUT_USEC=45000000",
                                   "STATUS=1 of 1 workers ready; shutting down"));
}

}  // namespace
}  // namespace squall::internal
