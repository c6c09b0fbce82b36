// The program's code at the turns of a worker's life, the leader role, and messages to all workers.
#include "squall/process/hooks.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/process/broadcast.h"
#include "squall/process/fork.h"
#include "squall/process/testing/forked_program.h"

namespace squall {
namespace {

using ::testing::ElementsAre;
using testing::ForkedProgram;
using ::testing::HasSubstr;
using testing::LineWriter;
using ::testing::UnorderedElementsAre;

TEST(Hooks, EachAtItsTurnInItsProcess) {
  ForkedProgram program([](LineWriter out) {
    const pid_t master = getpid();
    const auto who = [master] { return getpid() == master ? "master" : "worker"; };
    ForkOptions options;
    options.hooks.before_fork = [=](const WorkerIdentity& next) {
      out.Write(absl::StrCat("before_fork ", who(), " ", next.task_id, " ", next.incarnation, " ",
                             next.generation));
    };
    options.hooks.after_fork = [=](const WorkerIdentity& self) {
      out.Write(absl::StrCat("after_fork ", who(), " ", self.task_id, " ", self.incarnation));
      return absl::OkStatus();
    };
    options.hooks.on_ready = [=] { out.Write(absl::StrCat("on_ready ", who())); };
    options.hooks.on_drain = [=](const DrainRequest&) {
      out.Write(absl::StrCat("on_drain ", who()));
    };
    options.hooks.on_exit = [=] { out.Write(absl::StrCat("on_exit ", who())); };
    ForkProcesses(1, std::move(options)).value();
    IOLoop::Current().Start();
    return 0;
  });
  EXPECT_THAT(program.ReadLines(3),
              ElementsAre("before_fork master 0 1 1", "after_fork worker 0 1", "on_ready worker"));
  program.Signal(SIGTERM);
  EXPECT_THAT(program.ReadLines(2), ElementsAre("on_drain worker", "on_exit worker"));
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
  EXPECT_TRUE(program.WaitForEndOfOutput());
  EXPECT_EQ(program.rest(), "");
}

TEST(Hooks, AFailedAfterForkIsABootFailure) {
  ForkedProgram program([](LineWriter out) {
    ForkOptions options;
    options.max_restarts = 1;
    options.hooks.after_fork = [=](const WorkerIdentity& self) {
      out.Write(absl::StrCat("after_fork ", self.incarnation));
      return absl::UnavailableError("no database");
    };
    ForkProcesses(1, std::move(options)).value();
    out.Write("returned");
    return 0;
  });
  EXPECT_THAT(program.ReadLines(2), ElementsAre("after_fork 1", "after_fork 2"));
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(1));
  EXPECT_TRUE(program.WaitForEndOfOutput());
  EXPECT_EQ(program.rest(), "");
}

TEST(Hooks, AReloadThatFailsKeepsTheWorkersAndOneThatSucceedsReplacesThem) {
  ForkedProgram program([](LineWriter out) {
    int reloads = 0;
    ForkOptions options;
    options.hooks.on_reload = [&reloads, out]() -> absl::Status {
      out.Write(absl::StrCat("reload ", ++reloads));
      if (reloads == 1) return absl::InvalidArgumentError("line 3: no such option");
      return absl::OkStatus();
    };
    ForkProcesses(2, std::move(options)).value();
    const Worker& self = *Worker::Current();
    IOLoop::Current().AddCallback([&] {
      out.Write(absl::StrCat("worker ", self.task_id(), " ", self.incarnation(), " generation ",
                             self.generation(), " reloads ", reloads));
    });
    IOLoop::Current().Start();
    return 0;
  });
  EXPECT_THAT(program.ReadLines(2), UnorderedElementsAre("worker 0 1 generation 1 reloads 0",
                                                         "worker 1 1 generation 1 reloads 0"));
  program.Signal(SIGHUP);
  EXPECT_EQ(program.ReadLine(), "reload 1");
  program.Signal(SIGHUP);
  EXPECT_THAT(program.ReadLines(3), ElementsAre("reload 2", "worker 0 2 generation 2 reloads 2",
                                                "worker 1 2 generation 2 reloads 2"));
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

// With Type=notify-reload systemd would wait for it until its timeout.
TEST(Hooks, SystemdIsToldOfAReloadThatFails) {
  const UniqueFd systemd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ASSERT_TRUE(systemd.valid());
  const timeval patience = {.tv_sec = absl::ToInt64Seconds(testing::kPatience), .tv_usec = 0};
  setsockopt(systemd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  // An abstract name, which the kernel chooses.
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  socklen_t size = sizeof(sa_family_t);
  ASSERT_EQ(bind(systemd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  size = sizeof address;
  ASSERT_EQ(getsockname(systemd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string name(address.sun_path + 1, size - sizeof(sa_family_t) - 1);
  const auto hear = [&] {
    char text[1024];
    const ssize_t got = recv(systemd.get(), text, sizeof text, 0);
    return got < 0 ? "nothing in time" : std::string(text, static_cast<size_t>(got));
  };

  ForkedProgram program([&](LineWriter) {
    setenv("NOTIFY_SOCKET", absl::StrCat("@", name).c_str(), 1);
    ForkOptions options;
    options.hooks.on_reload = [] { return absl::InvalidArgumentError("line 3: no such option"); };
    ForkProcesses(1, std::move(options)).value();
    IOLoop::Current().Start();
    return 0;
  });
  std::string heard = hear();
  while (heard.starts_with("STATUS=0 of 1")) heard = hear();
  EXPECT_EQ(heard, "READY=1");
  EXPECT_EQ(hear(), "STATUS=1 of 1 workers ready");
  program.Signal(SIGHUP);
  EXPECT_THAT(hear(), ::testing::StartsWith("RELOADING=1\nMONOTONIC_USEC="));
  EXPECT_EQ(hear(), "STATUS=reload refused: line 3: no such option");
  EXPECT_EQ(hear(), "READY=1");
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

TEST(Leader, OneAtATimeAndMovedOnDeath) {
  ForkedProgram program([](LineWriter out) {
    ForkProcesses(3, {.backoff = {.initial = absl::Milliseconds(1)}}).value();
    Worker& self = *Worker::Current();
    self.OnLeader([&self, out](bool leader) {
      out.Write(absl::StrCat(leader ? "leads " : "led ", self.task_id(), " ", getpid()));
    });
    IOLoop::Current().Start();
    return 0;
  });
  std::string line = program.ReadLine();
  for (int i = 0; i < 5; ++i) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    ASSERT_EQ(words.size(), 3u) << line;
    ASSERT_EQ(words[0], "leads");
    ASSERT_EQ(kill(std::stoi(words[2]), SIGKILL), 0);
    line = program.ReadLine();
    EXPECT_THAT(line, HasSubstr("leads ")) << "nobody gave it up, so somebody else got it";
    EXPECT_THAT(line, ::testing::Not(HasSubstr(words[2])));
  }
  program.Signal(SIGTERM);
  EXPECT_THAT(program.ReadLine(), HasSubstr("led ")) << "given up with the drain";
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

TEST(Broadcast, ReachesEveryWorkerInOrder) {
  ForkedProgram program([](LineWriter out) {
    EXPECT_EQ(Broadcast("too early").status().code(), absl::StatusCode::kFailedPrecondition);
    ForkOptions options;
    // Something that happens in the master when asked for, and does not restart.
    options.hooks.on_reload = [out]() -> absl::Status {
      out.Write(absl::StrCat("told ", Broadcast("one").value()));
      Broadcast(std::string(kMaxBroadcast, 'x')).value();
      EXPECT_EQ(Broadcast(std::string(kMaxBroadcast + 1, 'x')).status().code(),
                absl::StatusCode::kInvalidArgument);
      return absl::CancelledError("only a message");
    };
    ForkProcesses(2, std::move(options)).value();
    Worker& self = *Worker::Current();
    self.OnMessage([&self, out](std::string_view message) {
      out.Write(absl::StrCat("worker ", self.task_id(), " ", std::string(message.substr(0, 3)), " ",
                             message.size()));
    });
    IOLoop::Current().AddCallback([out] { out.Write("up"); });
    IOLoop::Current().Start();
    return 0;
  });
  EXPECT_THAT(program.ReadLines(2), ElementsAre("up", "up"));
  program.Signal(SIGHUP);
  const std::vector<std::string> lines = program.ReadLines(5);
  EXPECT_THAT(lines, UnorderedElementsAre("told 2", "worker 0 one 3", "worker 1 one 3",
                                          "worker 0 xxx 4096", "worker 1 xxx 4096"));
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

}  // namespace
}  // namespace squall
