#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/netutil/isolated_process.h"
#include "squall/netutil/sockets.h"

namespace squall {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr absl::StatusCode kFailedPrecondition = absl::StatusCode::kFailedPrecondition;

// Each test runs in an empty directory of its own, for paths below TEST_TMPDIR are too long to
// bind.
class BindUnixSocketTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::string(std::getenv("TEST_TMPDIR")) + "/unix.XXXXXX";
    ASSERT_NE(::mkdtemp(directory_.data()), nullptr);
    ASSERT_EQ(::chdir(directory_.c_str()), 0);
  }
  void TearDown() override {
    EXPECT_EQ(::chdir("/"), 0);
    std::filesystem::remove_all(directory_);
  }

  std::string directory_;
};

// What connect says: 0 or an errno.
int Connect(std::string_view path) {
  const SocketAddress address = SocketAddress::FromUnixPath(path).value();
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(fd.get(), address.data(), address.size()) == 0 ? 0 : errno;
}

mode_t ModeOf(const std::string& path) {
  struct stat found = {};
  EXPECT_EQ(::lstat(path.c_str(), &found), 0);
  return found.st_mode & 07777;
}

// Tests in sandboxes share the abstract names, but not their pids.
std::string RandomName() { return std::to_string(absl::Uniform<uint64_t>(absl::BitGen())); }

mode_t Umask() {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return mask;
}

TEST_F(BindUnixSocketTest, ListensAtThePath) {
  const auto socket = BindUnixSocket("s");
  ASSERT_THAT(socket, IsOk());
  EXPECT_EQ(socket->address().ToString(), "unix:s");
  EXPECT_EQ(socket->port(), 0);
  EXPECT_NE(::fcntl(socket->fd(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(socket->fd(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(Connect("s"), 0);
}

TEST_F(BindUnixSocketTest, TheFileHasTheModeWhateverTheUmask) {
  for (const mode_t mask : {0000, 0022, 0077, 0777}) {
    const mode_t before = ::umask(mask);
    for (const mode_t mode : {0600, 0660, 0666, 0777, 0000}) {
      const auto socket = BindUnixSocket("s", {.mode = mode});
      EXPECT_THAT(socket, IsOk());
      EXPECT_EQ(ModeOf("s"), mode) << std::oct << "umask " << mask;
      EXPECT_EQ(Umask(), mask);
      ::unlink("s");
    }
    ::umask(before);
  }
  const auto socket = BindUnixSocket("default");
  EXPECT_EQ(ModeOf("default"), 0600u);
}

TEST_F(BindUnixSocketTest, TheFileNeverGrantsMore) {
  const mode_t before = ::umask(0);
  std::atomic<bool> done = false;
  mode_t seen = 0;
  std::thread watcher([&] {
    while (!done) {
      struct stat found = {};
      if (::stat("s", &found) == 0) seen |= found.st_mode & 07777;
    }
  });
  for (int i = 0; i < 500; ++i) {
    EXPECT_THAT(BindUnixSocket("s", {.mode = 0600}), IsOk());
    ::unlink("s");
  }
  done = true;
  watcher.join();
  ::umask(before);
  EXPECT_EQ(seen & ~mode_t{0600}, 0u) << std::oct << seen;
}

TEST_F(BindUnixSocketTest, AStaleSocketIsReplaced) {
  { EXPECT_THAT(BindUnixSocket("s", {.mode = 0666}), IsOk()); }
  ASSERT_EQ(Connect("s"), ECONNREFUSED);
  const auto socket = BindUnixSocket("s", {.mode = 0600});
  ASSERT_THAT(socket, IsOk());
  EXPECT_EQ(Connect("s"), 0);
  EXPECT_EQ(ModeOf("s"), 0600u);
}

TEST_F(BindUnixSocketTest, ALiveServerKeepsItsPath) {
  const auto socket = BindUnixSocket("s", {.mode = 0640});
  ASSERT_THAT(socket, IsOk());
  EXPECT_THAT(BindUnixSocket("s"),
              StatusIs(kFailedPrecondition, absl::StrCat("cannot listen on unix:s: process ",
                                                         ::getpid(), " is listening there")));
  EXPECT_EQ(Connect("s"), 0);
  EXPECT_EQ(ModeOf("s"), 0640u);
}

TEST_F(BindUnixSocketTest, ALiveServerWithAFullBacklogKeepsItsPath) {
  const auto socket = BindUnixSocket("s", {.backlog = 1});
  ASSERT_THAT(socket, IsOk());
  const SocketAddress address = socket->address();
  std::vector<UniqueFd> clients;
  int error = 0;
  while (error == 0) {
    clients.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    error = ::connect(clients.back().get(), address.data(), address.size()) == 0 ? 0 : errno;
  }
  ASSERT_EQ(error, EAGAIN);
  EXPECT_THAT(BindUnixSocket("s"), StatusIs(kFailedPrecondition, HasSubstr("is listening there")));
}

TEST_F(BindUnixSocketTest, AServerOfAnotherSocketTypeKeepsItsPath) {
  const SocketAddress address = SocketAddress::FromUnixPath("s").value();
  const UniqueFd datagram(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(datagram.get(), address.data(), address.size()), 0);
  EXPECT_THAT(BindUnixSocket("s"), StatusIs(kFailedPrecondition, HasSubstr("is listening there")));
  EXPECT_TRUE(std::filesystem::exists("s"));
}

TEST_F(BindUnixSocketTest, OtherFilesAreRefusedAndUntouched) {
  { std::ofstream("file") << "precious"; }
  ASSERT_EQ(::mkdir("directory", 0700), 0);
  ASSERT_EQ(::mkfifo("pipe", 0600), 0);
  { EXPECT_THAT(BindUnixSocket("stale"), IsOk()); }
  ASSERT_EQ(::symlink("stale", "link"), 0);
  ASSERT_EQ(::symlink("nowhere", "dangling"), 0);
  const struct {
    const char* path;
    const char* kind;
  } cases[] = {{"file", "a regular file"},
               {"directory", "a directory"},
               {"pipe", "a pipe"},
               {"link", "a symbolic link"},
               {"dangling", "a symbolic link"}};
  for (const auto& [path, kind] : cases) {
    EXPECT_THAT(
        BindUnixSocket(path),
        StatusIs(kFailedPrecondition, absl::StrCat("cannot listen on unix:", path, ": it is ", kind,
                                                   "; remove it or choose another path")));
    EXPECT_NE(std::filesystem::symlink_status(path).type(), std::filesystem::file_type::not_found);
  }
  std::string content;
  std::ifstream("file") >> content;
  EXPECT_EQ(content, "precious");
  EXPECT_TRUE(std::filesystem::exists("stale"));
  EXPECT_FALSE(std::filesystem::exists("nowhere"));
}

TEST_F(BindUnixSocketTest, BadPathsAreNamed) {
  EXPECT_THAT(BindUnixSocket("no/such/directory/s"),
              StatusIs(absl::StatusCode::kNotFound,
                       "cannot listen on unix:no/such/directory/s: No such file or directory"));
  { std::ofstream("file") << "x"; }
  EXPECT_THAT(BindUnixSocket("file/s"), StatusIs(testing::_, HasSubstr("Not a directory")));
  EXPECT_THAT(BindUnixSocket(""), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("empty")));
  EXPECT_THAT(BindUnixSocket(std::string("a\0b", 3)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("NUL")));
  EXPECT_THAT(BindUnixSocket(std::string(108, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("at most 107 bytes, this one has 108")));
  EXPECT_THAT(BindUnixSocket(std::string(107, 'x')), IsOk());
}

TEST_F(BindUnixSocketTest, OptionsThatMakeNoSenseAreNamed) {
  EXPECT_THAT(BindUnixSocket("s", {.mode = 0100600}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("mode is 0100600")));
  EXPECT_THAT(BindUnixSocket("s", {.backlog = 0}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("backlog is 0")));
  EXPECT_FALSE(std::filesystem::exists("s"));
}

TEST_F(BindUnixSocketTest, AbstractNamesHaveNoFile) {
  const std::string name = std::string(1, '\0') + "squall-test-" + RandomName();
  {
    const auto socket = BindUnixSocket(name);
    ASSERT_THAT(socket, IsOk());
    EXPECT_EQ(socket->address().ToString(), "unix-abstract:" + name.substr(1));
    EXPECT_EQ(Connect(name), 0);
    EXPECT_THAT(BindUnixSocket(name),
                StatusIs(testing::_, testing::AllOf(StartsWith("cannot listen on unix-abstract:"),
                                                    HasSubstr("Address already in use"))));
  }
  EXPECT_EQ(Connect(name), ECONNREFUSED);
  EXPECT_THAT(BindUnixSocket(name), IsOk());
  EXPECT_TRUE(std::filesystem::is_empty("."));
}

TEST_F(BindUnixSocketTest, AServerThatMayNotBeAskedKeepsItsPath) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  ASSERT_EQ(::chmod(".", 0777), 0);
  const auto socket = BindUnixSocket("s", {.mode = 0600});
  ASSERT_THAT(socket, IsOk());
  const Isolated result = RunIsolated([] {
    if (::setresuid(65534, 65534, 65534) != 0) ::_exit(77);
    EXPECT_THAT(BindUnixSocket("s"),
                StatusIs(absl::StatusCode::kPermissionDenied,
                         HasSubstr("cannot find out whether another process is listening there")));
  });
  if (result == Isolated::kNotPermitted) GTEST_SKIP() << "no other user here";
  EXPECT_EQ(result, Isolated::kPassed);
  EXPECT_EQ(Connect("s"), 0);
}

TEST_F(BindUnixSocketTest, WaitsForAProcessThatIsBinding) {
  UniqueFd directory(::open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::flock(directory.get(), LOCK_EX), 0);
  std::atomic<bool> bound = false;
  std::thread binder([&] {
    EXPECT_THAT(BindUnixSocket("s"), IsOk());
    bound = true;
  });
  // Cannot fail by being slow, only by binding in spite of the lock.
  absl::SleepFor(absl::Milliseconds(50));
  EXPECT_FALSE(bound);
  directory.reset();
  binder.join();
}

// One of `count` processes gets the stale path, and nobody takes it from that one.
void RaceForStaleSocket(int count) {
  { ASSERT_THAT(BindUnixSocket("s"), IsOk()); }
  int start[2], results[2], stop[2];
  ASSERT_EQ(::pipe2(start, O_CLOEXEC) + ::pipe2(results, O_CLOEXEC) + ::pipe2(stop, O_CLOEXEC), 0);
  UniqueFd start_read(start[0]), start_write(start[1]), results_read(results[0]),
      results_write(results[1]), stop_read(stop[0]), stop_write(stop[1]);
  std::vector<pid_t> children;
  for (int i = 0; i < count; ++i) {
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      start_write.reset();
      stop_write.reset();
      char ignored;
      (void)!::read(start_read.get(), &ignored, 1);  // EOF is the signal for all at once.
      const auto socket = BindUnixSocket("s");
      const char verdict = socket.ok()                                     ? 'w'
                           : socket.status().code() == kFailedPrecondition ? 'l'
                                                                           : '?';
      (void)!::write(results_write.get(), &verdict, 1);
      (void)!::read(stop_read.get(), &ignored, 1);
      ::_exit(0);
    }
    children.push_back(pid);
  }
  results_write.reset();
  start_write.reset();
  std::string verdicts;
  char verdict;
  while (int(verdicts.size()) < count && ::read(results_read.get(), &verdict, 1) == 1) {
    verdicts += verdict;
  }
  EXPECT_EQ(std::count(verdicts.begin(), verdicts.end(), 'w'), 1) << verdicts;
  EXPECT_EQ(std::count(verdicts.begin(), verdicts.end(), 'l'), count - 1) << verdicts;
  EXPECT_EQ(Connect("s"), 0);
  stop_write.reset();
  for (const pid_t pid : children) ::waitpid(pid, nullptr, 0);
}

TEST_F(BindUnixSocketTest, OneOfManyProcessesGetsAStaleSocket) {
  for (int round = 0; round < 50 && !HasFailure(); ++round) {
    RaceForStaleSocket(4);
    ::unlink("s");
  }
}

}  // namespace
}  // namespace squall
