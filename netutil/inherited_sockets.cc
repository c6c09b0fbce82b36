#include "squall/netutil/inherited_sockets.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "squall/base/logging.h"
#include "squall/base/status.h"
#include "squall/base/string_view.h"

namespace squall {
namespace {

// SD_LISTEN_FDS_START.
constexpr int kFirstFd = 3;

struct Inherited {
  UniqueFd fd;
  std::string name = {};       // From LISTEN_FDNAMES; "" if there is none.
  SocketAddress address = {};  // Unspecified for what is no socket.
};

// What was inherited and not taken yet.
struct Registry {
  std::mutex mutex;
  std::vector<Inherited> unused;
};

Registry& TheRegistry() {
  static auto* const registry = new Registry;
  return *registry;
}

// The value of a variable, which is gone then; "" when it is unset.
std::string Take(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) return "";
  std::string copy = value;
  ::unsetenv(name);
  return copy;
}

std::string Quoted(std::string_view text) {
  return absl::StrCat("\"", absl::CHexEscape(ToAbsl(text)), "\"");
}

// -1 if the descriptor has no such option.
int SocketOption(int fd, int level, int option) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, level, option, &value, &size) == 0 ? value : -1;
}

bool IsSocket(int fd) { return SocketOption(fd, SOL_SOCKET, SO_TYPE) >= 0; }
bool IsStream(int fd) { return SocketOption(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM; }
bool IsListening(int fd) { return SocketOption(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1; }
bool IsConnected(int fd) { return SocketAddress::Peer(fd).ok(); }

std::string_view KindOf(int fd) {
  switch (SocketOption(fd, SOL_SOCKET, SO_TYPE)) {
    case SOCK_STREAM:
      return IsConnected(fd) ? "a connected socket" : "a stream socket";
    case SOCK_DGRAM:
      return "a datagram socket";
    case SOCK_SEQPACKET:
      return "a seqpacket socket";
    case -1:
      return "no socket";
    default:
      return "a socket of another type";
  }
}

// "descriptor 3 ("app.socket"), a stream socket on 127.0.0.1:80".
std::string Describe(const Inherited& inherited) {
  const int fd = inherited.fd.get();
  std::string text = absl::StrCat("descriptor ", fd);
  if (!inherited.name.empty()) absl::StrAppend(&text, " (", Quoted(inherited.name), ")");
  absl::StrAppend(&text, ", ", ToAbsl(KindOf(fd)));
  if (IsSocket(fd)) absl::StrAppend(&text, " on ", inherited.address.ToString());
  return text;
}

// What the manager has passed to this process, once: the variables are gone afterwards.
std::vector<Inherited> ReadEnvironment() {
  const std::string count_text = Take("LISTEN_FDS");
  const std::string pid_text = Take("LISTEN_PID");
  const std::string names_text = Take("LISTEN_FDNAMES");
  Take("LISTEN_PIDFDID");  // systemd 258: LISTEN_PID, safe against reuse of the number.
  if (count_text.empty()) return {};
  int64_t pid = 0;
  if (!absl::SimpleAtoi(pid_text, &pid) || pid <= 0) {
    LOG(WARNING) << "LISTEN_PID=" << Quoted(pid_text) << " is no process; the "
                 << "sockets of LISTEN_FDS=" << Quoted(count_text) << " are not taken";
    return {};
  }
  if (pid != ::getpid()) {
    LOG(INFO) << "the sockets of LISTEN_FDS=" << Quoted(count_text) << " are for process " << pid
              << " and not taken by this one, " << ::getpid()
              << " (a shell in between has to start it with exec)";
    return {};
  }
  int count = 0;
  if (!absl::SimpleAtoi(count_text, &count) || count < 0 ||
      count > std::numeric_limits<int>::max() - kFirstFd) {
    LOG(WARNING) << "LISTEN_FDS=" << Quoted(count_text)
                 << " is no number of descriptors; no inherited socket is used";
    return {};
  }
  const std::vector<std::string> names = absl::StrSplit(names_text, ':');
  std::vector<Inherited> found;
  for (int fd = kFirstFd; fd < kFirstFd + count; ++fd) {
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
      LOG(WARNING) << "LISTEN_FDS=" << count << ", but descriptor " << fd
                   << " is not open; only those before it are used";
      break;
    }
    Inherited& inherited = found.emplace_back();
    inherited.fd.reset(fd);
    if (const size_t index = found.size() - 1; index < names.size()) inherited.name = names[index];
    if (const auto address = SocketAddress::Local(fd); address.ok()) inherited.address = *address;
  }
  return found;
}

// Locks the registry, after the environment has been read into it.
std::unique_lock<std::mutex> Lock(Registry& registry) {
  std::unique_lock<std::mutex> lock(registry.mutex);
  for (Inherited& inherited : ReadEnvironment()) registry.unused.push_back(std::move(inherited));
  return lock;
}

bool IsAnyAddress(const SocketAddress& address) {
  return address.host() == "0.0.0.0" || address.host() == "::";
}

bool IsSameFile(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty() || a.front() == '\0' || b.front() == '\0') return false;
  struct stat file_a = {}, file_b = {};
  return ::lstat(std::string(a).c_str(), &file_a) == 0 &&
         ::lstat(std::string(b).c_str(), &file_b) == 0 && file_a.st_dev == file_b.st_dev &&
         file_a.st_ino == file_b.st_ino;
}

// [::] that takes IPv4 connections, too.
bool IsDualStack(const Inherited& inherited) {
  return inherited.address.family() == AF_INET6 && inherited.address.host() == "::" &&
         SocketOption(inherited.fd.get(), IPPROTO_IPV6, IPV6_V6ONLY) == 0;
}

bool IsFor(const Inherited& inherited, const SocketAddress& wanted) {
  if (inherited.address.family() == AF_UNSPEC) return false;
  const std::string_view path = wanted.unix_path();
  if (!path.empty() && path.front() != '\0') {
    return inherited.address == wanted || IsSameFile(inherited.address.unix_path(), path);
  }
  // Ports and abstract names, unlike files, are other ones for other types of sockets.
  if (!IsStream(inherited.fd.get())) return false;
  if (wanted.is_unix()) return inherited.address == wanted;
  return inherited.address == wanted ||
         (IsAnyAddress(wanted) && inherited.address.port() == wanted.port() &&
          IsDualStack(inherited));
}

// Makes it a listening, non-blocking socket.
absl::Status MakeReady(const Inherited& inherited, int backlog) {
  const int fd = inherited.fd.get();
  const auto refused = [&](const char* remedy) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen on ", inherited.address.ToString(), ": inherited there is ",
                     Describe(inherited), "; ", remedy));
  };
  if (!IsStream(fd)) return refused("make it by ListenStream= in its socket unit");
  if (!IsListening(fd)) {
    if (IsConnected(fd)) return refused("its socket unit needs Accept=no");
    if (::listen(fd, backlog) != 0) {
      return StatusFromErrno(errno, absl::StrCat("cannot listen on ", Describe(inherited)));
    }
  }
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
    return StatusFromErrno(errno, absl::StrCat("cannot make non-blocking ", Describe(inherited)));
  }
  return absl::OkStatus();
}

}  // namespace

void CloseUnusedInheritedSockets() {
  Registry& registry = TheRegistry();
  std::vector<Inherited> unused;
  {
    const auto lock = Lock(registry);
    unused.swap(registry.unused);
  }
  for (Inherited& inherited : unused) {
    const bool is_socket = IsSocket(inherited.fd.get());
    LOG(WARNING) << "inherited and not used: " << Describe(inherited)
                 << (is_socket ? "; closed here, and whoever connects waits for another program"
                               : "; left open");
    if (!is_socket) (void)inherited.fd.release();
  }
}

namespace internal {

absl::StatusOr<std::optional<InheritedSocket>> TakeInheritedSocket(const SocketAddress& wanted,
                                                                   int backlog) {
  Registry& registry = TheRegistry();
  const auto lock = Lock(registry);
  const auto found =
      std::find_if(registry.unused.begin(), registry.unused.end(),
                   [&](const Inherited& inherited) { return IsFor(inherited, wanted); });
  if (found == registry.unused.end()) return std::nullopt;
  if (absl::Status status = MakeReady(*found, backlog); !status.ok()) return status;
  LOG(INFO) << "inherited " << Describe(*found) << ", is used for " << wanted;
  InheritedSocket taken = {.fd = std::move(found->fd), .address = found->address};
  registry.unused.erase(found);
  return taken;
}

void ReturnInheritedSocket(InheritedSocket socket) {
  Registry& registry = TheRegistry();
  const auto lock = Lock(registry);
  registry.unused.push_back({.fd = std::move(socket.fd), .name = "", .address = socket.address});
}

std::string HintOfInheritedSockets(const SocketAddress& wanted) {
  if (wanted.port() == 0) return "";
  Registry& registry = TheRegistry();
  const auto lock = Lock(registry);
  for (const Inherited& inherited : registry.unused) {
    if (inherited.address.port() != wanted.port() || !IsStream(inherited.fd.get())) continue;
    return absl::StrCat(" (inherited at another address: ", Describe(inherited), ")");
  }
  return "";
}

}  // namespace internal
}  // namespace squall
