#include "squall/process/sd_notify.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/base/fake_clock.h"
#include "squall/base/log_capture.h"
#include "squall/base/unique_fd.h"
#include "squall/process/exit_status.h"
#include "squall/process/testing/forked_program.h"

namespace squall {
namespace {

using ::testing::ElementsAre;
using testing::ForkedProgram;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::LineWriter;
using ::testing::SizeIs;

// systemd's end: a datagram socket at a path, or at an abstract name that the kernel chooses.
class Systemd {
 public:
  explicit Systemd(const std::string& path = "") {
    sockaddr_un name = {};
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path, path.data(), path.size());
    socket_.reset(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    EXPECT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&name), size), 0);
    size = sizeof name;
    EXPECT_EQ(getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&name), &size), 0);
    address_.assign(name.sun_path,
                    path.empty() ? size - offsetof(sockaddr_un, sun_path) : path.size());
    if (path.empty()) address_[0] = '@';
  }

  const std::string& address() const { return address_; }

  // What was sent so far: a datagram is there when the sender's call returns.
  std::vector<std::string> Received() {
    std::vector<std::string> datagrams;
    char octets[8192];
    for (ssize_t size; (size = recv(socket_.get(), octets, sizeof octets, 0)) >= 0;) {
      datagrams.emplace_back(octets, static_cast<size_t>(size));
    }
    return datagrams;
  }

 private:
  std::string address_;
  UniqueFd socket_;
};

class SystemdNotifierTest : public ::testing::Test {
 protected:
  ~SystemdNotifierTest() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) unsetenv(name);
  }

  SystemdNotifier Notifier(const Systemd& systemd) {
    setenv("NOTIFY_SOCKET", systemd.address().c_str(), 1);
    return SystemdNotifier::FromEnvironment(clock_);
  }

  FakeClock clock_;
};

TEST_F(SystemdNotifierTest, WithoutSystemdNothingHappens) {
  SystemdNotifier notifier = SystemdNotifier::FromEnvironment(clock_);
  EXPECT_FALSE(notifier.active());
  notifier.Ready();
  notifier.Tick();
  EXPECT_TRUE(notifier.next_deadline().is_infinite());
}

TEST_F(SystemdNotifierTest, SaysWhatTheMethodsSay) {
  Systemd systemd;
  SystemdNotifier notifier = Notifier(systemd);
  ASSERT_TRUE(notifier.active());
  notifier.Ready();
  notifier.Reloading();
  notifier.Stopping();
  notifier.Status("4 of 4 workers ready");
  notifier.ExtendTimeout(absl::Milliseconds(1500));
  notifier.ExtendTimeout(-absl::Seconds(1));
  notifier.MainPid(4711);
  EXPECT_THAT(systemd.Received(),
              ElementsAre("READY=1",
                          absl::StrCat("RELOADING=1\nMONOTONIC_USEC=", clock_.Now().nanos() / 1000),
                          "STOPPING=1", "STATUS=4 of 4 workers ready",
                          "EXTEND_TIMEOUT_USEC=1500000", "EXTEND_TIMEOUT_USEC=0", "MAINPID=4711"));
  EXPECT_TRUE(notifier.next_deadline().is_infinite());
}

TEST_F(SystemdNotifierTest, ASocketInTheFileSystem) {
  // A sun_path has room for 107 octets only, and the directory of a test may be deeper.
  std::string directory = "/tmp/squall.XXXXXX";
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  const std::string path = directory + "/notify";
  {
    Systemd systemd(path);
    SystemdNotifier notifier = Notifier(systemd);
    notifier.Ready();
    EXPECT_THAT(systemd.Received(), ElementsAre("READY=1"));
  }
  unlink(path.c_str());
  rmdir(directory.c_str());
}

TEST_F(SystemdNotifierTest, TheRealClockIsTheKernels) {
  Systemd systemd;
  setenv("NOTIFY_SOCKET", systemd.address().c_str(), 1);
  const int64_t before = Clock::Real().Now().nanos() / 1000;
  SystemdNotifier::FromEnvironment().Reloading();
  const int64_t after = Clock::Real().Now().nanos() / 1000;
  const std::vector<std::string> got = systemd.Received();
  ASSERT_THAT(got, SizeIs(1));
  const int64_t said = std::stoll(got[0].substr(got[0].rfind('=') + 1));
  EXPECT_LE(before, said);
  EXPECT_LE(said, after);
}

TEST_F(SystemdNotifierTest, AStatusIsOneLineOfBoundedLength) {
  Systemd systemd;
  SystemdNotifier notifier = Notifier(systemd);
  notifier.Status("a\nREADY=1\r\tb");
  EXPECT_THAT(systemd.Received(), ElementsAre("STATUS=a READY=1  b"));
  notifier.Status(std::string(5000, 'a'));
  EXPECT_THAT(systemd.Received(), ElementsAre(SizeIs(7 + 512)));
  // 511 octets and a character of two: it does not fit, half of it is none.
  notifier.Status(std::string(511, 'a') + "\xC3\xA9");
  EXPECT_THAT(systemd.Received(), ElementsAre("STATUS=" + std::string(511, 'a')));
}

TEST_F(SystemdNotifierTest, TheVariablesAreGoneFromTheEnvironment) {
  Systemd systemd;
  setenv("WATCHDOG_USEC", "1000000", 1);
  setenv("WATCHDOG_PID", "1", 1);
  SystemdNotifier notifier = Notifier(systemd);
  EXPECT_EQ(getenv("NOTIFY_SOCKET"), nullptr);
  EXPECT_EQ(getenv("WATCHDOG_USEC"), nullptr);
  EXPECT_EQ(getenv("WATCHDOG_PID"), nullptr);
  setenv("NOTIFY_SOCKET", "", 1);
  EXPECT_FALSE(SystemdNotifier::FromEnvironment(clock_).active());
  EXPECT_EQ(getenv("NOTIFY_SOCKET"), nullptr);
}

TEST_F(SystemdNotifierTest, AChildOfTheServiceSaysNothing) {
  Systemd systemd;
  setenv("WATCHDOG_USEC", "1000000", 1);
  SystemdNotifier notifier = Notifier(systemd);
  clock_.Advance(absl::Seconds(1));
  ForkedProgram child([&](LineWriter) {
    notifier.Ready();
    notifier.Stopping();
    notifier.Tick();
    return 0;
  });
  EXPECT_EQ(child.Wait(), ExitStatus::Exited(0));
  EXPECT_THAT(systemd.Received(), IsEmpty());
  notifier.Tick();
  EXPECT_THAT(systemd.Received(), ElementsAre("WATCHDOG=1"));
}

TEST_F(SystemdNotifierTest, TheWatchdogIsToldTwiceInItsPeriod) {
  Systemd systemd;
  setenv("WATCHDOG_USEC", "3000000", 1);
  setenv("WATCHDOG_PID", absl::StrCat(getpid()).c_str(), 1);
  SystemdNotifier notifier = Notifier(systemd);
  EXPECT_EQ(notifier.next_deadline(), clock_.Now() + absl::Milliseconds(1500));
  clock_.Advance(absl::Milliseconds(1499));
  notifier.Tick();
  EXPECT_THAT(systemd.Received(), IsEmpty());
  clock_.Advance(absl::Milliseconds(1));
  notifier.Tick();
  EXPECT_THAT(systemd.Received(), ElementsAre("WATCHDOG=1"));
  EXPECT_EQ(notifier.next_deadline(), clock_.Now() + absl::Milliseconds(1500));
  // One that was late does not catch up.
  clock_.Advance(absl::Seconds(10));
  notifier.Tick();
  notifier.Tick();
  EXPECT_THAT(systemd.Received(), ElementsAre("WATCHDOG=1"));
}

TEST_F(SystemdNotifierTest, AnotherProcesssWatchdogIsNotOurs) {
  Systemd systemd;
  setenv("WATCHDOG_USEC", "3000000", 1);
  setenv("WATCHDOG_PID", "1", 1);
  EXPECT_TRUE(Notifier(systemd).next_deadline().is_infinite());
}

TEST_F(SystemdNotifierTest, ValuesThatMakeNoSenseAreLoggedAndNone) {
  Systemd systemd;
  for (const char* period : {"0", "-5", "soon", "1e6", "99999999999999999999"}) {
    LogCapture log;
    setenv("WATCHDOG_USEC", period, 1);
    SystemdNotifier notifier = Notifier(systemd);
    EXPECT_TRUE(notifier.active());
    EXPECT_TRUE(notifier.next_deadline().is_infinite());
    EXPECT_THAT(log.messages(), ElementsAre(HasSubstr(absl::StrCat("WATCHDOG_USEC=", period))));
  }
  for (const std::string& address : {std::string("relative"), std::string("vsock:2:9000"),
                                     "/" + std::string(108, 'a'), "@" + std::string(107, 'a')}) {
    LogCapture log;
    setenv("NOTIFY_SOCKET", address.c_str(), 1);
    EXPECT_FALSE(SystemdNotifier::FromEnvironment(clock_).active());
    EXPECT_THAT(log.messages(), ElementsAre(HasSubstr("NOTIFY_SOCKET=" + address)));
  }
}

TEST_F(SystemdNotifierTest, NobodyThereIsLoggedOnce) {
  setenv("NOTIFY_SOCKET", "@squall-notify-test-nobody", 1);
  SystemdNotifier notifier = SystemdNotifier::FromEnvironment(clock_);
  LogCapture log;
  notifier.Ready();
  notifier.Stopping();
  EXPECT_THAT(log.messages(), ElementsAre(HasSubstr("READY=1: Connection refused")));
  EXPECT_TRUE(notifier.next_deadline().is_infinite());
}

TEST_F(SystemdNotifierTest, WhatSystemdHasNoRoomForComesLaterAndInOrder) {
  Systemd systemd;
  setenv("WATCHDOG_USEC", "3000000", 1);
  SystemdNotifier notifier = Notifier(systemd);
  // Until the socket's queue is full; only then is something due at once.
  const MonotonicTime watchdog = notifier.next_deadline();
  int sent = 0;
  while (notifier.next_deadline() == watchdog && ++sent < 100000) notifier.MainPid(sent);
  ASSERT_LT(sent, 100000);
  EXPECT_EQ(notifier.next_deadline(), clock_.Now() + absl::Milliseconds(100));

  notifier.Status("first");
  notifier.Ready();
  notifier.Status("second");
  notifier.Tick();
  systemd.Received();
  notifier.Tick();
  EXPECT_THAT(systemd.Received(), IsEmpty()) << "before the deadline";
  clock_.Advance(absl::Milliseconds(100));
  notifier.Tick();
  EXPECT_THAT(systemd.Received(),
              ElementsAre(absl::StrCat("MAINPID=", sent), "READY=1", "STATUS=second"));
  EXPECT_EQ(notifier.next_deadline(), watchdog);
}

TEST_F(SystemdNotifierTest, AWatchdogThatFoundNoRoomIsToldSoonAgain) {
  Systemd systemd;
  setenv("WATCHDOG_USEC", "3000000", 1);
  SystemdNotifier notifier = Notifier(systemd);
  const MonotonicTime watchdog = notifier.next_deadline();
  while (notifier.next_deadline() == watchdog) notifier.Ready();
  clock_.Advance(absl::Milliseconds(1500));
  notifier.Tick();
  EXPECT_EQ(notifier.next_deadline(), clock_.Now() + absl::Milliseconds(100));
  systemd.Received();
  clock_.Advance(absl::Milliseconds(100));
  notifier.Tick();
  EXPECT_THAT(systemd.Received(), ElementsAre("READY=1", "WATCHDOG=1"));
}

TEST_F(SystemdNotifierTest, ANewMessageSendsWhatWaitsFirst) {
  Systemd systemd;
  SystemdNotifier notifier = Notifier(systemd);
  while (notifier.next_deadline().is_infinite()) notifier.Ready();
  systemd.Received();
  notifier.Stopping();
  EXPECT_THAT(systemd.Received(), ElementsAre("READY=1", "STOPPING=1"));
  EXPECT_TRUE(notifier.next_deadline().is_infinite());
}

}  // namespace
}  // namespace squall
