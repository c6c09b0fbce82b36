#include "squall/netutil/isolated_process.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"

namespace squall {
namespace {

constexpr int kNotPermittedStatus = 77;

void Require(bool done, const char* what) {
  if (done) return;
  std::fprintf(stderr, "not permitted: %s: %s\n", what, std::strerror(errno));
  ::_exit(kNotPermittedStatus);
}

void WriteFile(const std::string& path, std::string_view text) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  Require(fd.valid() && ::write(fd.get(), text.data(), text.size()) == ssize_t(text.size()),
          path.c_str());
}

uint32_t ErrnoResult(int error_number) {
  return SECCOMP_RET_ERRNO | (static_cast<uint32_t>(error_number) & SECCOMP_RET_DATA);
}

void InstallFilter(std::vector<sock_filter> filter) {
  const sock_fprog program = {static_cast<unsigned short>(filter.size()), filter.data()};  // NOLINT
  Require(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
              ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0,
          "seccomp");
}

}  // namespace

Isolated RunIsolated(absl::FunctionRef<void()> body) {
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) {
    body();
    std::fflush(nullptr);
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  if (pid < 0 || ::waitpid(pid, &status, 0) != pid) return Isolated::kFailed;
  if (!WIFEXITED(status)) return Isolated::kFailed;
  if (WEXITSTATUS(status) == kNotPermittedStatus) return Isolated::kNotPermitted;
  return WEXITSTATUS(status) == 0 ? Isolated::kPassed : Isolated::kFailed;
}

void EnterOwnNetwork() {
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  Require(::unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) == 0, "unshare");
  WriteFile("/proc/self/setgroups", "deny");
  WriteFile("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1");
  WriteFile("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1");
  const UniqueFd control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = {};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  Require(::ioctl(control.get(), SIOCSIFFLAGS, &request) == 0, "bring lo up");
}

void SetNetworkSysctl(std::string_view name, std::string_view value) {
  WriteFile("/proc/sys/net/" + std::string(name), value);
}

void ReplaceHosts(std::string_view text) {
  std::string path = std::string(::getenv("TEST_TMPDIR")) + "/hosts.XXXXXX";
  const UniqueFd file(::mkstemp(path.data()));
  Require(file.valid(), "mkstemp");
  WriteFile(path, text);
  Require(::mount(path.c_str(), "/etc/hosts", nullptr, MS_BIND, nullptr) == 0, "mount /etc/hosts");
}

void FailSystemCall(int number, int error_number) {
  const uint32_t result = ErrnoResult(error_number);
  InstallFilter({
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, result),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  });
}

void FailSystemCall(int number, int first_argument, int error_number) {
  const uint32_t result = ErrnoResult(error_number);
  InstallFilter({
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(first_argument), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, result),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  });
}

}  // namespace squall
