// squallctl against a real pool: what it prints and its exit statuses.
#include "squall/control/squallctl/squallctl.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <mutex>
#include <ostream>
#include <sstream>
#include <streambuf>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "squall/control/client.h"
#include "squall/control/testing/running_pool.h"

namespace squall::internal {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using testing::Eventually;
using ::testing::HasSubstr;
using ::testing::Not;
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

// An error is one line for a person.
void ExpectOneLine(const Ran& ran, ExitCode code, const std::string& contains) {
  EXPECT_EQ(ran.code, code) << ran.err;
  EXPECT_EQ(ran.out, "");
  EXPECT_THAT(ran.err, AllOf(::testing::StartsWith("squallctl: "), HasSubstr(contains)));
  EXPECT_EQ(ran.err.find('\n'), ran.err.size() - 1) << ran.err;
}

class SquallctlTest : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("SQUALL_CONTROL", pool_.address().c_str(), 1);
    EXPECT_TRUE(Eventually([] { return Ready() == 2; }));
  }

  static int Ready() {
    const Ran ran = RunWith({"status", "--output=json"});
    if (ran.code != ExitCode::kDone) return -1;
    return nlohmann::json::parse(ran.out).at("pool").at("readyWorkers").get<int>();
  }

  RunningPool pool_;
};

TEST_F(SquallctlTest, StatusAndWorkers) {
  Ran ran = RunWith({"status"});
  EXPECT_EQ(ran.code, ExitCode::kDone);
  EXPECT_THAT(ran.out, ContainsRegex("SERVING +2 +2 +0 +0 +0 +0 +0 +0 +[0-9.]+m?s +1 +8\n"));
  EXPECT_THAT(ran.out, ContainsRegex("\n   0 +[0-9]+ +READY "));
  EXPECT_THAT(ran.out, ContainsRegex("\n   1 +[0-9]+ +READY "));
  EXPECT_THAT(ran.out, Not(HasSubstr("\x1b")));
  ran = RunWith({"workers"});
  EXPECT_EQ(ran.code, ExitCode::kDone);
  EXPECT_THAT(ran.out, HasSubstr("ACCEPTED"));
  ran = RunWith({"workers", "--output=json"});
  EXPECT_EQ(nlohmann::json::parse(ran.out).at("workers").size(), 2u);
}

TEST_F(SquallctlTest, Resizes) {
  Ran ran = RunWith({"resize", "4", "--wait"});
  EXPECT_EQ(ran.code, ExitCode::kDone) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("resized to 4 workers: 4 ready (generation 2, took "));
  ran = RunWith({"resize", "-3", "--wait"});
  EXPECT_EQ(ran.code, ExitCode::kDone) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("resized to 1 worker: 1 ready"));
  ran = RunWith({"resize", "+2", "--dry-run"});
  EXPECT_THAT(ran.out, HasSubstr("a resize to 3 workers would be accepted"));
  EXPECT_EQ(Ready(), 1);
  ran = RunWith({"resize", "+2", "--output=json"});
  EXPECT_EQ(nlohmann::json::parse(ran.out).at("desiredWorkers"), 3);
}

TEST_F(SquallctlTest, RefusalsHaveTheirExitStatus) {
  ExpectOneLine(RunWith({"resize", "9"}), ExitCode::kPrecondition, "at most 8 workers");
  ExpectOneLine(RunWith({"resize", "-3"}), ExitCode::kPrecondition, "cannot take 3 away from 2");
  ExpectOneLine(RunWith({"resize", "abc"}), ExitCode::kUsage, "\"abc\"");
  ExpectOneLine(RunWith({"status", "--address=tcp:1"}), ExitCode::kUsage, "\"tcp:1\"");
}

TEST_F(SquallctlTest, AStoppedMasterIsTold) {
  ASSERT_EQ(kill(pool_.master_pid(), SIGSTOP), 0);
  EXPECT_EQ(RunWith({"status"}).code, ExitCode::kDone);
  const Ran ran = RunWith({"resize", "3"});
  ExpectOneLine(ran, ExitCode::kUnreachable, "the master did not answer");
  EXPECT_THAT(ran.err, HasSubstr("the resize may still take effect; see squallctl status"));
  const Ran dry_run = RunWith({"resize", "4", "--dry-run"});
  ExpectOneLine(dry_run, ExitCode::kUnreachable, "the master did not answer");
  EXPECT_THAT(dry_run.err, Not(HasSubstr("take effect")));
  ExpectOneLine(RunWith({"resize", "3", "--timeout=200ms"}), ExitCode::kDeadline,
                "within 200ms; the resize may still take effect; see squallctl operations");
  ASSERT_EQ(kill(pool_.master_pid(), SIGCONT), 0);
  // It does.
  EXPECT_TRUE(Eventually([] { return Ready() == 3; }));
}

TEST_F(SquallctlTest, RestartsDrainsAndKills) {
  Ran ran = RunWith({"restart", "--dry-run"});
  EXPECT_THAT(ran.out, HasSubstr("a restart would be accepted; nothing was changed"));
  ran = RunWith({"restart", "--rolling", "--max-surge=1", "--wait"});
  EXPECT_EQ(ran.code, ExitCode::kDone) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("restarted: 2 ready (generation 2, took "));

  ran = RunWith({"drain", "1", "--wait"});
  EXPECT_EQ(ran.code, ExitCode::kDone) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("drained worker 1 (incarnation 2, took "));
  ran = RunWith({"kill", "0", "--wait"});
  EXPECT_EQ(ran.code, ExitCode::kDone) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("killed worker 0 (incarnation 2, took "));
  EXPECT_THAT(RunWith({"explain"}).out, HasSubstr("All is well: 2 of 2 workers are ready."));
  ExpectOneLine(RunWith({"drain", "7"}), ExitCode::kPrecondition, "no process is in slot 7");
  ExpectOneLine(RunWith({"kill", "8"}), ExitCode::kError, "there is no slot 8");
  ExpectOneLine(RunWith({"reset-breaker"}), ExitCode::kPrecondition, "no slot is FAILED");

  ran = RunWith({"operations"});
  EXPECT_THAT(ran.out, ContainsRegex("-3 +kill of worker 0 +DONE"));
  EXPECT_THAT(ran.out, ContainsRegex("-2 +drain of worker 1 +DONE"));
  EXPECT_THAT(ran.out, ContainsRegex("-1 +restart +DONE"));
  ran = RunWith({"operations", "--output=yaml"});
  EXPECT_THAT(ran.out, HasSubstr("operations:\n  - actor:"));
  EXPECT_THAT(ran.out, HasSubstr("kind: OPERATION_KIND_RESTART\n"));
}

TEST_F(SquallctlTest, ShowsAndChangesTheConfiguration) {
  Ran ran = RunWith({"config"});
  EXPECT_EQ(ran.code, ExitCode::kDone) << ran.err;
  EXPECT_THAT(ran.out, ContainsRegex("\ndrain.grace +5s\n"));
  EXPECT_THAT(ran.out, ContainsRegex("\nmax_workers +8\n"));
  ran = RunWith({"update", "--grace=2s", "--dry-run"});
  EXPECT_EQ(ran.out, "would change drain.grace from 5s to 2s; nothing was changed\n") << ran.err;
  ran = RunWith({"update", "--grace=2s", "--set", "watchdog.stall_kill=1m"});
  EXPECT_EQ(ran.out, "changed drain.grace from 5s to 2s, watchdog.stall_kill from unset to 1m\n")
      << ran.err;
  EXPECT_EQ(RunWith({"update", "--grace=2s"}).out, "nothing to change, it is so already\n");
  EXPECT_THAT(RunWith({"config"}).out, ContainsRegex("\ndrain.grace +2s\n"));
  EXPECT_EQ(nlohmann::json::parse(RunWith({"config", "--output=json"}).out).at("drain").at("grace"),
            "2s");
  ExpectOneLine(RunWith({"update", "--kill-after=0s"}), ExitCode::kUsage,
                "drain.kill_after must be positive and finite, not 0");
  ExpectOneLine(RunWith({"update", "--set=max_workers=9"}), ExitCode::kPrecondition,
                "max_workers is 8 and fixed at the start");
  ExpectOneLine(RunWith({"update"}), ExitCode::kUsage, "update needs what to change");

  EXPECT_THAT(RunWith({"explain"}).out, Not(HasSubstr("autoscaler")));
  ran = RunWith({"update", "--autoscaler=spare", "--min-workers=3", "--max-workers=4"});
  EXPECT_EQ(ran.code, ExitCode::kDone) << ran.err;
  EXPECT_TRUE(Eventually([] { return Ready() == 3; }));
  EXPECT_THAT(RunWith({"explain"}).out,
              ContainsRegex("The autoscaler goes by idle workers. Its last decision: .*min_workers "
                            "is 3.* It last saw: desired [23],.*; it looks again in "));
}

TEST_F(SquallctlTest, AnOperationIsWaitedForAndCancelled) {
  ControlClient client(pool_.address());
  const pid_t worker = (*client.ListWorkers())[1].pid();
  // Stopped, it cannot drain.
  ASSERT_EQ(kill(worker, SIGSTOP), 0);
  Ran ran = RunWith({"resize", "1", "--output=json"});
  ASSERT_EQ(ran.code, ExitCode::kDone) << ran.err;
  const std::string name = nlohmann::json::parse(ran.out).at("name");
  ran = RunWith({"wait", name, "--timeout=200ms"});
  EXPECT_EQ(ran.code, ExitCode::kDeadline);
  EXPECT_THAT(ran.err, HasSubstr(absl::StrCat("squallctl wait ", name, " waits again")));
  ran = RunWith({"cancel", name.substr(name.find('/') + 1)});
  EXPECT_EQ(ran.code, ExitCode::kDone) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("the resize to 1 worker is cancelled: 2 wanted"));
  ran = RunWith({"wait", name});
  EXPECT_EQ(ran.code, ExitCode::kPrecondition);
  EXPECT_THAT(ran.err, HasSubstr("was taken back: cancelled by uid"));
  ExpectOneLine(RunWith({"cancel", name}), ExitCode::kPrecondition, "has ended");
  ExpectOneLine(RunWith({"wait", "7"}), ExitCode::kUsage, "name is not one that an operation has");
  ASSERT_EQ(kill(worker, SIGCONT), 0);
}

TEST_F(SquallctlTest, ShutsTheServerDown) {
  EXPECT_THAT(RunWith({"shutdown", "--dry-run"}).out, HasSubstr("would be accepted"));
  const Ran ran = RunWith({"shutdown"});
  EXPECT_EQ(ran.code, ExitCode::kDone) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("the server is shutting down"));
  EXPECT_EQ(pool_.Wait(), 0);
}

TEST_F(SquallctlTest, ASilentControlProcessIsADeadline) {
  ControlClient client(pool_.address());
  const pid_t control = client.GetServerInfo()->control_pid();
  ASSERT_EQ(kill(control, SIGSTOP), 0);
  ExpectOneLine(RunWith({"status", "--timeout=200ms"}), ExitCode::kDeadline, "within 200ms");
  ASSERT_EQ(kill(control, SIGCONT), 0);
}

TEST_F(SquallctlTest, AWaitThatIsTooLongSaysHowFarItCame) {
  ControlClient client(pool_.address());
  const pid_t worker = (*client.ListWorkers())[1].pid();
  ASSERT_EQ(kill(worker, SIGSTOP), 0);
  ExpectOneLine(RunWith({"resize", "1", "--wait", "--timeout=300ms"}), ExitCode::kDeadline,
                "not done after 300ms: 1 wanted, 1 ready, 1 draining");
  ASSERT_EQ(kill(worker, SIGCONT), 0);
}

TEST_F(SquallctlTest, VersionTellsOfTheServer) {
  EXPECT_THAT(RunWith({"version"}).out, HasSubstr(absl::StrCat("master pid ", pool_.master_pid())));
  const Ran json = RunWith({"version", "--output=json"});
  EXPECT_EQ(nlohmann::json::parse(json.out).at("server").at("masterPid"), pool_.master_pid());
}

// A stream that one thread writes and another looks at.
class LastLine : public std::streambuf {
 public:
  int LastReady() {
    std::lock_guard lock(mutex_);
    const size_t end = text_.rfind('\n');
    if (end == std::string::npos || end == 0) return -1;
    const size_t begin = text_.rfind('\n', end - 1);
    const std::string line = text_.substr(begin == std::string::npos ? 0 : begin + 1,
                                          end - (begin == std::string::npos ? 0 : begin + 1));
    return nlohmann::json::parse(line).at("pool").at("readyWorkers").get<int>();
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

TEST_F(SquallctlTest, WatchFollowsUntilTheServerIsGone) {
  LastLine seen;
  std::ostream out(&seen);
  std::ostringstream err;
  ExitCode code = ExitCode::kDone;
  std::thread watching([&] {
    Console console{.out = out, .err = err};
    code = RunSquallctl({"status", "--watch", "--output=json", "--interval=100ms"}, console);
  });
  ControlClient client(pool_.address(), {.retry_for = absl::Seconds(10)});
  // The stream begins, a control process dies under it, and it goes on.
  EXPECT_TRUE(client
                  .ResizePool({.desired_workers = 3,
                               .wait_for = control::v1::WAIT_FOR_READY,
                               .timeout = absl::Seconds(20)})
                  .ok());
  // A watcher that has seen nothing yet would give up.
  EXPECT_TRUE(Eventually([&] { return seen.LastReady() == 3; }));
  ASSERT_EQ(kill(client.GetServerInfo()->control_pid(), SIGKILL), 0);
  EXPECT_TRUE(client
                  .ResizePool({.desired_workers = 4,
                               .wait_for = control::v1::WAIT_FOR_READY,
                               .timeout = absl::Seconds(20)})
                  .ok());
  // The watcher has to see it, too; it is another client.
  EXPECT_TRUE(Eventually([&] { return seen.LastReady() == 4; }));
  ASSERT_EQ(kill(pool_.master_pid(), SIGKILL), 0);
  watching.join();
  EXPECT_EQ(code, ExitCode::kUnreachable);
  EXPECT_THAT(err.str(), ::testing::StartsWith("squallctl: "));
}

TEST(SquallctlWithoutServer, SaysSo) {
  const std::string address = absl::StrCat("unix:/tmp/squall-none-", getpid(), "/control.sock");
  setenv("SQUALL_CONTROL", address.c_str(), 1);
  for (const std::vector<std::string_view>& args : {std::vector<std::string_view>{"status"},
                                                    {"workers"},
                                                    {"resize", "3"},
                                                    {"resize", "+1"},
                                                    {"status", "--watch"}}) {
    ExpectOneLine(RunWith(args), ExitCode::kUnreachable,
                  absl::StrCat("no squall server answers at ", address));
  }
  EXPECT_EQ(RunWith({"version"}).code, ExitCode::kDone);
  EXPECT_THAT(RunWith({"version"}).out, HasSubstr("none at"));
  EXPECT_EQ(RunWith({"help"}).code, ExitCode::kDone);
}

}  // namespace
}  // namespace squall::internal
