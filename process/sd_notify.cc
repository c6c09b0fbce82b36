#include "squall/process/sd_notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/base/logging.h"
#include "squall/base/string_view.h"

namespace squall {
namespace {

constexpr size_t kMaxStatus = 512;
constexpr absl::Duration kRetryInterval = absl::Milliseconds(100);

// The value of a variable, which is gone then; nothing when it is unset or empty.
std::optional<std::string> Take(const char* name) {
  const char* value = std::getenv(name);
  const std::string copy = value == nullptr ? "" : value;
  unsetenv(name);
  if (copy.empty()) return std::nullopt;
  return copy;
}

// $NOTIFY_SOCKET as in sun_path; "" when there is none.
std::string TakeAddress() {
  std::optional<std::string> address = Take("NOTIFY_SOCKET");
  if (!address.has_value()) return "";
  // systemd also knows AF_VSOCK ("vsock:2:9000"), for virtual machines as services.
  if (address->front() != '/' && address->front() != '@') {
    LOG(WARNING) << "NOTIFY_SOCKET=" << *address
                 << " is neither a path nor an abstract socket (@); "
                 << "systemd is not notified";
    return "";
  }
  if (address->size() >= sizeof(sockaddr_un::sun_path)) {
    LOG(WARNING) << "NOTIFY_SOCKET=" << *address << " is too long; systemd is not notified";
    return "";
  }
  if (address->front() == '@') address->front() = '\0';
  return *std::move(address);
}

// The watchdog's period when this process is the one that has to answer.
std::optional<absl::Duration> TakeWatchdog() {
  const std::optional<std::string> period = Take("WATCHDOG_USEC");
  const std::optional<std::string> whose = Take("WATCHDOG_PID");
  if (!period.has_value()) return std::nullopt;
  int64_t pid = getpid(), microseconds = 0;
  if (whose.has_value() && !absl::SimpleAtoi(*whose, &pid)) {
    LOG(WARNING) << "WATCHDOG_PID=" << *whose << " is no number; systemd's watchdog is not told";
    return std::nullopt;
  }
  if (pid != getpid()) return std::nullopt;
  if (!absl::SimpleAtoi(*period, &microseconds) || microseconds <= 0) {
    LOG(WARNING) << "WATCHDOG_USEC=" << *period
                 << " is no positive number; systemd's watchdog is not told";
    return std::nullopt;
  }
  return absl::Microseconds(microseconds);
}

int64_t Microseconds(absl::Duration duration) {
  return std::max<int64_t>(0, absl::ToInt64Microseconds(duration));
}

}  // namespace

SystemdNotifier SystemdNotifier::FromEnvironment(Clock& clock) {
  std::string address = TakeAddress();
  std::optional<absl::Duration> watchdog = TakeWatchdog();
  return SystemdNotifier(std::move(address), watchdog, clock);
}

SystemdNotifier::SystemdNotifier(std::string address, std::optional<absl::Duration> watchdog,
                                 Clock& clock)
    : clock_(&clock), owner_(getpid()), address_(std::move(address)) {
  if (address_.empty()) return;
  socket_.reset(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket_.valid()) {
    PLOG(WARNING) << "socket for systemd, which is not notified";
    return;
  }
  if (!watchdog.has_value()) return;
  watchdog_interval_ = *watchdog / 2;
  next_watchdog_ = clock_->Now() + *watchdog_interval_;
}

void SystemdNotifier::Ready() { Send("READY=1"); }

void SystemdNotifier::Reloading() {
  Send(absl::StrCat("RELOADING=1\nMONOTONIC_USEC=", clock_->Now().nanos() / 1000));
}

void SystemdNotifier::Stopping() { Send("STOPPING=1"); }

void SystemdNotifier::Status(std::string_view text) {
  size_t size = std::min(text.size(), kMaxStatus);
  // Not in the middle of a character of UTF-8.
  while (size > 0 && size < text.size() && (static_cast<uint8_t>(text[size]) & 0xC0) == 0x80)
    --size;
  std::string line = absl::StrCat("STATUS=", ToAbsl(text.substr(0, size)));
  // A line feed would begin another assignment.
  std::replace_if(line.begin(), line.end(), absl::ascii_iscntrl, ' ');
  Send(std::move(line));
}

void SystemdNotifier::ExtendTimeout(absl::Duration by) {
  Send(absl::StrCat("EXTEND_TIMEOUT_USEC=", Microseconds(by)));
}

void SystemdNotifier::MainPid(pid_t pid) { Send(absl::StrCat("MAINPID=", pid)); }

MonotonicTime SystemdNotifier::next_deadline() const {
  return std::min(next_watchdog_, next_attempt_);
}

void SystemdNotifier::Tick() {
  const MonotonicTime now = clock_->Now();
  if (next_attempt_ <= now) SendUnsent();
  if (next_watchdog_ > now) return;
  // Not kept when there is no room: it is said again soon anyway.
  const bool sent = TrySend("WATCHDOG=1") == Sent::kYes;
  next_watchdog_ =
      now + (sent ? *watchdog_interval_ : std::min(kRetryInterval, *watchdog_interval_));
}

void SystemdNotifier::Send(std::string message) {
  if (!active()) return;
  // In the order in which they were said.
  SendUnsent();
  if (unsent_.empty() && TrySend(message) == Sent::kYes) return;
  // Of each variable the last word counts, which also bounds what is kept.
  const std::string variable = message.substr(0, message.find('=') + 1);
  std::erase_if(unsent_, [&](const std::string& old) { return absl::StartsWith(old, variable); });
  unsent_.push_back(std::move(message));
  next_attempt_ = clock_->Now() + kRetryInterval;
}

void SystemdNotifier::SendUnsent() {
  while (!unsent_.empty()) {
    if (TrySend(unsent_.front()) == Sent::kLater) {
      next_attempt_ = clock_->Now() + kRetryInterval;
      return;
    }
    unsent_.pop_front();
  }
  next_attempt_ = MonotonicTime::Infinite();
}

SystemdNotifier::Sent SystemdNotifier::TrySend(std::string_view message) {
  if (getpid() != owner_) return Sent::kYes;
  sockaddr_un to = {};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  // The length counts: an abstract name is not terminated.
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  ssize_t sent;
  do {
    sent = sendto(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                  reinterpret_cast<const sockaddr*>(&to), size);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return Sent::kYes;
  if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) return Sent::kLater;
  // Nobody is there; to say so each time would fill the log.
  if (!failure_logged_) PLOG(WARNING) << "systemd could not be notified of " << message;
  failure_logged_ = true;
  return Sent::kYes;
}

}  // namespace squall
