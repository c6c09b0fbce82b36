#include "squall/process/sidecar.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <variant>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/base/logging.h"
#include "squall/ioloop/ioloop.h"
#include "squall/process/control_link.h"
#include "squall/process/fork.h"
#include "squall/process/testing/forked_program.h"

namespace squall {
namespace {

using testing::ForkedProgram;
using ::testing::IsSupersetOf;
using testing::LineWriter;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

// Waits for the next packet that is no notice.
LinkRead NextPacket(int link) {
  for (;;) {
    pollfd poll_fd = {.fd = link, .events = POLLIN, .revents = 0};
    poll(&poll_fd, 1, -1);
    LinkRead read = ReceiveLink(link);
    if (!std::holds_alternative<LinkNothing>(read) && !std::holds_alternative<LinkNotice>(read)) {
      return read;
    }
  }
}

// Workers that say "worker ID"; a sidecar that does what `main` says.
int ServeWithSidecar(LineWriter out, absl::AnyInvocable<int(SidecarContext&)> main) {
  ForkOptions options;
  options.max_workers = 4;
  options.sidecar.emplace();
  options.sidecar->name = "test";
  // The sidecar inherits nothing else of the pipe.
  options.sidecar->fds.push_back(UniqueFd(fcntl(out.fd(), F_DUPFD_CLOEXEC, 100)));
  options.sidecar->main = std::move(main);
  const int id = ForkProcesses(1, std::move(options)).value();
  out.Write(absl::StrCat("worker ", id));
  IOLoop::Current().Start();
  return 0;
}

TEST(Sidecar, ResizesThePoolOverItsLink) {
  ForkedProgram program([](LineWriter out) {
    return ServeWithSidecar(out, [](SidecarContext& context) {
      const LineWriter out(context.fds[0]);
      LinkRequest request;
      request.sequence = 41;
      request.target = 3;
      SetLinkText(request.request_id, "first");
      while (context.scoreboard.Read(Clock::Real().Now()).ready() < 1) {
        poll(nullptr, 0, 1);
      }
      CHECK_EQ(SendLink(context.link.get(), request), true);
      const auto reply = std::get<LinkReply>(NextPacket(context.link.get()));
      // The workers write to the same pipe, so the answer waits until they are all there.
      while (context.scoreboard.Read(Clock::Real().Now()).ready() < 3) {
        poll(nullptr, 0, 1);
      }
      out.Write(absl::StrCat("reply ", reply.sequence, " ", reply.code, " ", reply.desired, " ",
                             reply.max_workers));
      request.target = 5;
      SetLinkText(request.request_id, "second");
      CHECK_EQ(SendLink(context.link.get(), request), true);
      const auto refused = std::get<LinkReply>(NextPacket(context.link.get()));
      out.Write(absl::StrCat("refused ", refused.code, " ", static_cast<int>(refused.reason), " ",
                             refused.message));
      NextPacket(context.link.get());
      return 0;
    });
  });
  std::vector<std::string> lines = program.ReadLines(5);
  EXPECT_THAT(lines, IsSupersetOf({"worker 0", "worker 1", "worker 2", "reply 41 0 3 4"}));
  EXPECT_THAT(lines.back(), StartsWith("refused 9 2 "));
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
  EXPECT_TRUE(program.WaitForEndOfOutput());
}

// Its listeners must stay open over its lives, and nothing else of the master may be.
TEST(Sidecar, KeepsItsOwnDescriptorsOverItsLivesAndNoOthers) {
  ForkedProgram program([](LineWriter out) {
    int ends[2];
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    UniqueFd other_end(ends[1]);  // of the service, not of the sidecar
    const int foreign = other_end.get();
    ForkOptions options;
    options.sidecar.emplace();
    options.sidecar->fds.push_back(UniqueFd(ends[0]));
    options.sidecar->fds.push_back(UniqueFd(fcntl(out.fd(), F_DUPFD_CLOEXEC, 100)));
    options.sidecar->main = [foreign](SidecarContext& context) {
      const bool has_own = fcntl(context.fds[0], F_GETFD) >= 0;
      const bool has_foreign = foreign != context.link.get() && fcntl(foreign, F_GETFD) >= 0;
      LineWriter(context.fds[1])
          .Write(absl::StrCat("sidecar ", getpid(), " ", has_own, " ", has_foreign));
      NextPacket(context.link.get());
      return 0;
    };
    const int inherited = options.sidecar->fds[0].get();
    ForkProcesses(1, std::move(options)).value();
    CHECK_LT(fcntl(inherited, F_GETFD), 0) << "a worker holds a descriptor of the sidecar";
    IOLoop::Current().Start();
    return 0;
  });
  for (int life = 0; life < 2; ++life) {
    std::vector<std::string> parts = absl::StrSplit(program.ReadLine(), ' ');
    ASSERT_EQ(parts.size(), 4u);
    EXPECT_EQ(parts[2], "1");
    EXPECT_EQ(parts[3], "0");
    pid_t pid;
    ASSERT_TRUE(absl::SimpleAtoi(parts[1], &pid));
    kill(pid, SIGKILL);
  }
  program.ReadLine();
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

TEST(Sidecar, NonsenseOnTheLinkIsAnsweredWithAKillAndTheWorkersStay) {
  ForkedProgram program([](LineWriter out) {
    return ServeWithSidecar(out, [](SidecarContext& context) {
      const uint64_t nonsense[2] = {~0ull, ~0ull};
      send(context.link.get(), nonsense, sizeof nonsense, MSG_NOSIGNAL);
      NextPacket(context.link.get());
      return 0;
    });
  });
  EXPECT_EQ(program.ReadLine(), "worker 0");
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
  EXPECT_TRUE(program.WaitForEndOfOutput());
}

TEST(Sidecar, AStoppedSidecarDelaysNothing) {
  ForkedProgram program([](LineWriter out) {
    return ServeWithSidecar(out, [](SidecarContext& context) {
      LineWriter(context.fds[0]).Write("sidecar");
      raise(SIGSTOP);
      return 0;
    });
  });
  program.ReadLines(2);
  // A stopped reader must not matter, however many notices it leaves in the link.
  for (int i = 1; i <= 3; ++i) {
    program.Signal(SIGTTIN);
    EXPECT_EQ(program.ReadLine(), absl::StrCat("worker ", i));
  }
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
  EXPECT_TRUE(program.WaitForEndOfOutput());
}

TEST(Sidecar, EndsWithAKilledMaster) {
  ForkedProgram program([](LineWriter out) {
    return ServeWithSidecar(out, [](SidecarContext& context) {
      LineWriter(context.fds[0]).Write("sidecar");
      NextPacket(context.link.get());
      return 0;
    });
  });
  EXPECT_THAT(program.ReadLines(2), UnorderedElementsAre("sidecar", "worker 0"));
  program.Signal(SIGKILL);
  EXPECT_TRUE(program.WaitForEndOfOutput());
}

TEST(Sidecar, EndsWithAKilledMasterThoughItIsStopped) {
  ForkedProgram program([](LineWriter out) {
    return ServeWithSidecar(out, [](SidecarContext& context) {
      LineWriter(context.fds[0]).Write("sidecar");
      raise(SIGSTOP);
      return 0;
    });
  });
  EXPECT_THAT(program.ReadLines(2), UnorderedElementsAre("sidecar", "worker 0"));
  program.Signal(SIGKILL);
  EXPECT_TRUE(program.WaitForEndOfOutput());
}

TEST(Sidecar, AtExitRunsInTheMaster) {
  ForkedProgram program([](LineWriter out) {
    const pid_t master = getpid();
    ForkOptions options;
    options.sidecar.emplace();
    options.sidecar->main = [](SidecarContext& context) {
      NextPacket(context.link.get());
      return 0;
    };
    options.sidecar->at_exit = [out, master] {
      out.Write(absl::StrCat("at exit ", getpid() == master));
    };
    ForkProcesses(1, std::move(options)).value();
    return 0;
  });
  EXPECT_EQ(program.ReadLine(), "at exit 1");
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

}  // namespace
}  // namespace squall
