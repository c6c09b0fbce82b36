// What the master orders a worker whose handler blocks, with real processes: such a worker does not
// read its channel, which then is full, and must lose no order for it.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_file.h"
#include "squall/base/logging.h"
#include "squall/ioloop/ioloop.h"
#include "squall/process/broadcast.h"
#include "squall/process/fork.h"
#include "squall/process/testing/forked_program.h"
#include "squall/process/worker.h"

namespace squall {
namespace {

using ::testing::ContainsRegex;
using testing::Eventually;
using testing::ForkedProgram;
using ::testing::HasSubstr;
using testing::LineWriter;

// What a process waits at until the test lets one pass.
class Gate {
 public:
  Gate() { PCHECK(pipe2(fds_.data(), O_CLOEXEC) == 0); }
  ~Gate() {
    for (const int fd : fds_) close(fd);
  }
  void Pass() const {
    char one;
    PCHECK(read(fds_[0], &one, 1) == 1);
  }
  void LetOnePass() const { PCHECK(write(fds_[1], "", 1) == 1); }

 private:
  std::array<int, 2> fds_;
};

// What SIGHUP does, in place of a restart: the first has the worker in slot `blocked` block; the
// second fills its channel; each one after that sends a message more. It says so, and to how many.
class Reload {
 public:
  explicit Reload(LineWriter out) : out_(out) {}

  absl::Status operator()() {
    switch (++calls_) {
      case 1:
        Broadcast("block").value();
        break;
      case 2:
        // Many more than fit.
        for (int i = 0; i < 500; ++i) {
          if (Broadcast(std::string(kMaxBroadcast, 'x')).value() == 0) break;
        }
        out_.Write("full");
        break;
      default:
        out_.Write(absl::StrCat("told ", Broadcast("more").value()));
        break;
    }
    return absl::CancelledError("no restart in this test");
  }

 private:
  LineWriter out_;
  int calls_ = 0;
};

// The master tells who serves; it has given all orders by then.
ForkOptions Options(LineWriter out) {
  ForkOptions options;
  options.drain.grace = absl::Hours(1);
  options.hooks.on_reload = Reload(out);
  options.on_serving = [out](absl::Span<const int> slots) {
    out.Write(absl::StrCat("serving ", absl::StrJoin(slots, ",")));
  };
  return options;
}

// Each worker tells of its drain and of the leader role. That of slot `blocked` blocks at `gate` when
// it is told to, and tells when it reads again.
int Serve(LineWriter out, const Gate& gate, int count, ForkOptions options, int blocked) {
  ForkProcesses(count, std::move(options)).value();
  Worker& self = *Worker::Current();
  const int slot = self.task_id();
  auto drain = self.OnDrain([out, slot](const DrainRequest& request, Worker::Done done) {
    out.Write(absl::StrCat("drains ", slot, " ", absl::ToInt64Milliseconds(request.grace), " ",
                           absl::ToInt64Milliseconds(request.idle_close_after)));
    done();
  });
  self.OnLeader(
      [out, slot](bool leader) { out.Write(absl::StrCat(leader ? "leads " : "led ", slot)); });
  if (slot == blocked) {
    self.OnMessage([out, &gate](std::string_view message) {
      if (message != "block") return;
      out.Write("blocks");
      gate.Pass();
      out.Write("goes on");
    });
  }
  IOLoop::Current().Start();
  return 0;
}

// Skips lines until one that begins with `prefix`, which is returned.
std::string ReadUntil(ForkedProgram& program, std::string_view prefix) {
  for (;;) {
    std::string line = program.ReadLine();
    if (line.empty() || line.starts_with(prefix)) return line;
  }
}

// Skips lines until all of `lines` were there, in any order.
void Await(ForkedProgram& program, std::vector<std::string> lines) {
  while (!lines.empty()) {
    const std::string line = program.ReadLine();
    ASSERT_NE(line, "") << "still missing: " << absl::StrJoin(lines, "; ");
    std::erase(lines, line);
  }
}

TEST(BlockedWorker, ADrainThatFindsItsChannelFullIsNotLost) {
  Gate gate;
  ForkedProgram program([&](LineWriter out) { return Serve(out, gate, 1, Options(out), 0); });
  ASSERT_NO_FATAL_FAILURE(Await(program, {"serving 0", "leads 0"}));
  program.Signal(SIGHUP);
  ASSERT_NO_FATAL_FAILURE(Await(program, {"blocks"}));
  program.Signal(SIGHUP);
  ASSERT_NO_FATAL_FAILURE(Await(program, {"full"}));
  program.Signal(SIGTERM);
  ASSERT_NO_FATAL_FAILURE(Await(program, {"serving "}));
  gate.LetOnePass();
  EXPECT_THAT(ReadUntil(program, "drains"), HasSubstr("drains 0 "));
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

TEST(BlockedWorker, IsToldTheTimeThatIsLeftOfItsDrain) {
  constexpr absl::Duration kBlocked = absl::Seconds(1);
  Gate gate;
  ForkedProgram program([&](LineWriter out) {
    ForkOptions options = Options(out);
    options.drain.grace = absl::Seconds(600);
    options.drain.idle_close_after = absl::Seconds(400);
    return Serve(out, gate, 1, std::move(options), 0);
  });
  ASSERT_NO_FATAL_FAILURE(Await(program, {"serving 0"}));
  program.Signal(SIGHUP);
  ASSERT_NO_FATAL_FAILURE(Await(program, {"blocks"}));
  program.Signal(SIGTERM);
  ASSERT_NO_FATAL_FAILURE(Await(program, {"serving "}));
  absl::SleepFor(kBlocked);
  gate.LetOnePass();
  const std::vector<std::string> words = absl::StrSplit(ReadUntil(program, "drains"), ' ');
  ASSERT_EQ(words.size(), 4u);
  int64_t grace = 0, idle = 0;
  ASSERT_TRUE(absl::SimpleAtoi(words[2], &grace) && absl::SimpleAtoi(words[3], &idle));
  EXPECT_LE(absl::Milliseconds(grace), absl::Seconds(600) - kBlocked);
  EXPECT_GT(grace, 0);
  EXPECT_NEAR(static_cast<double>(grace - idle), 200'000, 1) << "one moment for both";
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

// Two workers, of which the second blocks with its channel full when the first, the leader, dies.
class LeaderOfABlockedPool : public ::testing::Test {
 protected:
  LeaderOfABlockedPool()
      : program_([this](LineWriter out) {
          ForkOptions options = Options(out);
          options.backoff.initial = absl::Milliseconds(1);
          options.hooks.after_fork = [this, out](const WorkerIdentity& self) {
            if (self.task_id == 0) out.Write(absl::StrCat("up 0 ", getpid()));
            // Until the other one leads.
            if (self.task_id == 1) gate_.Pass();
            return absl::OkStatus();
          };
          return Serve(out, gate_, 2, std::move(options), 1);
        }) {}

  void SetUp() override {
    const std::vector<std::string> up = absl::StrSplit(ReadUntil(program_, "up 0 "), ' ');
    pid_t leader = 0;
    ASSERT_TRUE(up.size() == 3 && absl::SimpleAtoi(up[2], &leader));
    ASSERT_NO_FATAL_FAILURE(Await(program_, {"leads 0"}));
    gate_.LetOnePass();
    ASSERT_NO_FATAL_FAILURE(Await(program_, {"serving 0,1"}));
    program_.Signal(SIGHUP);
    ASSERT_NO_FATAL_FAILURE(Await(program_, {"blocks"}));
    program_.Signal(SIGHUP);
    ASSERT_NO_FATAL_FAILURE(Await(program_, {"full"}));
    kill(leader, SIGKILL);
    ASSERT_NO_FATAL_FAILURE(Await(program_, {"serving 1"}));
  }

  Gate gate_;
  ForkedProgram program_;
};

TEST_F(LeaderOfABlockedPool, GetsTheRoleWhenItReadsAgain) {
  gate_.LetOnePass();
  ASSERT_NO_FATAL_FAILURE(Await(program_, {"leads 1"}));
  program_.Signal(SIGTERM);
  EXPECT_EQ(program_.Wait(), ExitStatus::Exited(0));
}

TEST_F(LeaderOfABlockedPool, NeedNotGiveUpARoleThatItNeverHeardOf) {
  ASSERT_NO_FATAL_FAILURE(Await(program_, {"serving 0,1"}));
  program_.Signal(SIGTTOU);
  ASSERT_NO_FATAL_FAILURE(Await(program_, {"leads 0"}));
  gate_.LetOnePass();
  EXPECT_THAT(ReadUntil(program_, "drains"), HasSubstr("drains 1 "));
  program_.Signal(SIGTERM);
  EXPECT_EQ(program_.Wait(), ExitStatus::Exited(0));
}

TEST(BlockedWorker, TheLogTellsOfLostMessages) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/lost.log");
  Gate gate;
  ForkedProgram program([&](LineWriter out) {
    EXPECT_TRUE(OpenLogFile(path).ok());
    return Serve(out, gate, 1, Options(out), 0);
  });
  ASSERT_NO_FATAL_FAILURE(Await(program, {"serving 0"}));
  program.Signal(SIGHUP);
  ASSERT_NO_FATAL_FAILURE(Await(program, {"blocks"}));
  program.Signal(SIGHUP);
  ASSERT_NO_FATAL_FAILURE(Await(program, {"full"}));
  program.Signal(SIGHUP);
  ASSERT_NO_FATAL_FAILURE(Await(program, {"told 0"}));
  gate.LetOnePass();
  ASSERT_NO_FATAL_FAILURE(Await(program, {"goes on"}));
  ASSERT_TRUE(Eventually([&] {
    program.Signal(SIGHUP);
    return ReadUntil(program, "told ") == "told 1";
  }));
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
  std::stringstream log;
  log << std::ifstream(path).rdbuf();
  EXPECT_THAT(log.str(), HasSubstr(") does not read the master's messages"));
  EXPECT_THAT(log.str(), ContainsRegex("reads again, and has lost [0-9]+ messages"));
}

}  // namespace
}  // namespace squall
