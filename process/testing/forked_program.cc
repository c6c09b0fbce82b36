#include "squall/process/testing/forked_program.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "squall/base/logging.h"
#include "squall/base/string_view.h"

namespace squall::testing {
namespace {

// Which processes have the other end of this pipe open?
std::vector<pid_t> HoldersOf(int fd) {
  struct stat ours;
  if (fstat(fd, &ours) != 0) return {};
  std::vector<pid_t> holders;
  std::unique_ptr<DIR, int (*)(DIR*)> proc(opendir("/proc"), closedir);
  while (const dirent* process = readdir(proc.get())) {
    int pid;
    if (!absl::SimpleAtoi(process->d_name, &pid) || pid == getpid()) continue;
    const std::string path = absl::StrCat("/proc/", pid, "/fd");
    std::unique_ptr<DIR, int (*)(DIR*)> fds(opendir(path.c_str()), closedir);
    if (fds == nullptr) continue;
    while (const dirent* entry = readdir(fds.get())) {
      struct stat theirs;
      if (stat(absl::StrCat(path, "/", entry->d_name).c_str(), &theirs) == 0 &&
          theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev) {
        holders.push_back(pid);
        break;
      }
    }
  }
  return holders;
}

}  // namespace

bool Eventually(absl::FunctionRef<bool()> condition) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return true;
}

bool IsAlive(pid_t pid) {
  std::ifstream stat(absl::StrCat("/proc/", pid, "/stat"));
  std::string line;
  if (!std::getline(stat, line)) return false;
  const size_t name_end = line.rfind(')');
  return name_end != std::string::npos && line[name_end + 2] != 'Z' && line[name_end + 2] != 'X';
}

void LineWriter::Write(std::string_view line) const {
  const std::string text = absl::StrCat(ToAbsl(line), "\n");
  PCHECK(write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

ForkedProgram::ForkedProgram(absl::FunctionRef<int(LineWriter)> main) {
  int ends[2];
  PCHECK(pipe2(ends, O_CLOEXEC) == 0);
  output_ = UniqueFd(ends[0]);
  UniqueFd write_end(ends[1]);
  absl::StatusOr<internal::ChildProcess> forked = internal::Fork();
  CHECK(forked.ok()) << forked.status();
  if (forked->pid == 0) {
    output_.reset();
    // exit and not _exit: leak checks and coverage of the program count, too.
    exit(main(LineWriter(write_end.get())));
  }
  process_ = std::move(*forked);
}

ForkedProgram::~ForkedProgram() {
  if (process_.pidfd.valid()) {
    internal::Signal(process_.pidfd, SIGKILL);
    internal::WaitForDeath(process_.pidfd, -1);
    internal::Reap(process_.pidfd);
  }
  // Only processes of this program can hold the pipe.
  for (const pid_t pid : HoldersOf(output_.get())) kill(pid, SIGKILL);
}

std::string ForkedProgram::ReadLine() {
  const absl::Time deadline = absl::Now() + kPatience;
  for (;;) {
    if (const size_t end = buffer_.find('\n'); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    pollfd poll_fd = {.fd = output_.get(), .events = POLLIN, .revents = 0};
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left <= 0 || poll(&poll_fd, 1, static_cast<int>(left)) == 0) {
      ADD_FAILURE() << "the program wrote no line in time; pending: '" << buffer_ << "'";
      return "";
    }
    char bytes[4096];
    const ssize_t got = read(output_.get(), bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      ADD_FAILURE() << "the program ended without another line; pending: '" << buffer_ << "'";
      return "";
    }
    buffer_.append(bytes, static_cast<size_t>(got));
  }
}

std::vector<std::string> ForkedProgram::ReadLines(int count) {
  std::vector<std::string> lines;
  for (int i = 0; i < count; ++i) lines.push_back(ReadLine());
  return lines;
}

bool ForkedProgram::WaitForEndOfOutput() {
  const absl::Time deadline = absl::Now() + kPatience;
  for (;;) {
    pollfd poll_fd = {.fd = output_.get(), .events = POLLIN, .revents = 0};
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left <= 0 || poll(&poll_fd, 1, static_cast<int>(left)) == 0) return false;
    char bytes[4096];
    const ssize_t got = read(output_.get(), bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    buffer_.append(bytes, static_cast<size_t>(got));
  }
}

ExitStatus ForkedProgram::Wait() {
  if (!internal::WaitForDeath(process_.pidfd,
                              static_cast<int>(absl::ToInt64Milliseconds(kPatience)))) {
    ADD_FAILURE() << "the program did not end in time";
    return ExitStatus::Exited(-1);
  }
  const ExitStatus status = internal::Reap(process_.pidfd).value();
  process_.pidfd.reset();
  return status;
}

}  // namespace squall::testing
