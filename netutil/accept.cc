#include "squall/netutil/accept.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "squall/base/clock.h"
#include "squall/base/logging.h"
#include "squall/base/status.h"

namespace squall {
namespace internal {
namespace {

// Failed connections that one wake-up may take off the queue. Each is cheap, but a flood of them
// must not keep the loop from everything else.
constexpr int kMaxAbortedPerWakeup = 64;
constexpr int kMaxBacklog = 4096;
// An episode of pauses is over when accepting has gone well for this many of them.
constexpr int kQuietPauses = 10;
// kBalanced: a process may be ahead by this part of what the least loaded sibling holds, and by the
// small lead in any case, while more connections wait than siblings. Bursts of 400 end within 10 %
// of even, and are accepted four times as fast as without a lead.
constexpr int64_t kFewestByLead = 16;
constexpr int64_t kSmallLead = 1;

enum class Outcome { kAccepted, kWouldBlock, kAborted, kFailed, kEnded };

Outcome OutcomeOf(int error_number) {
  switch (error_number) {
    case EAGAIN:
      return Outcome::kWouldBlock;
    // The connection failed while it waited, or a firewall refuses it; accept(2): treat the network
    // errors like EAGAIN, for they are those of the new connection.
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
      return Outcome::kAborted;
    // Somebody who shares the socket shut it down, as the last server of a pool does.
    case EINVAL:
      return Outcome::kEnded;
    // EMFILE, ENFILE, ENOBUFS, ENOMEM, and what else epoll would report again at once, for ever.
    default:
      return Outcome::kFailed;
  }
}

}  // namespace

// Every function that calls the user's code holds a reference on `this`, because that code may
// destroy the handle, and looks at state_ before it goes on.
class Acceptor : public std::enable_shared_from_this<Acceptor> {
 public:
  Acceptor(IOLoop& loop, const ListenSocket& socket, AcceptCallback callback, AcceptOptions options)
      : loop_(loop),
        fd_(socket.fd()),
        inherited_(socket.inherited()),
        address_(socket.address()),
        callback_(std::move(callback)),
        options_(std::move(options)),
        policy_(socket.siblings().empty() ? options_.policy : AcceptPolicy::kReusePort),
        stats_(options_.stats != nullptr ? *options_.stats : own_stats_) {
    for (const UniqueFd& sibling : socket.siblings()) {
      siblings_.push_back({.fd = sibling.get(), .events = POLLIN, .revents = 0});
    }
  }

  void Start() {
    if (Register() && exclusive() && options_.idle_retry < absl::InfiniteDuration()) {
      ArmIdleTimer(options_.idle_retry);
    }
  }

  void Stop() {
    Unregister();
    state_ = State::kStopped;
    idle_timer_.Cancel();
    pause_timer_.Cancel();
    yield_timer_.Cancel();
  }

  void AcceptWaiting() {
    if (!LoopLives()) return;
    const std::shared_ptr<Acceptor> keep = shared_from_this();
    AcceptAll(fd_);
  }

  void AcceptLast() {
    if (!LoopLives()) return;
    const std::shared_ptr<Acceptor> keep = shared_from_this();
    // One after the other: what comes to one that was shut down goes to one that was not yet.
    for (const pollfd& sibling : siblings_) {
      if (sibling.fd >= 0) AcceptAllAndRefuse(sibling.fd);
    }
    AcceptAllAndRefuse(fd_);
  }

 private:
  enum class State {
    kAccepting,
    kYielding,  // Woken for the next connection, but not for those that wait already.
    kStandingBack,
    kPaused,
    kStopped
  };
  enum class Trigger { kLevel, kEdge };
  enum class Source { kWakeup, kIdleTimer };

  bool exclusive() const { return policy_ != AcceptPolicy::kShared; }

  void AcceptAllAndRefuse(int fd) {
    AcceptAll(fd);
    // The manager's next start answers those who come from now on. A callback may have stopped the
    // accepting and closed the socket.
    if (!inherited_ && state_ != State::kStopped) ::shutdown(fd, SHUT_RD);
  }

  void AcceptAll(int fd) {
    // As many as a backlog may hold by /proc/sys/net/core/somaxconn: new ones come while this runs.
    for (int i = 0; i < kMaxBacklog && state_ != State::kStopped; ++i) {
      switch (AcceptOne(fd, Source::kWakeup)) {
        case Outcome::kAccepted:
        case Outcome::kAborted:
          break;
        case Outcome::kWouldBlock:
        case Outcome::kFailed:
        case Outcome::kEnded:
          return;
      }
    }
  }

  // Has the loop watch the socket. False when it could not, and accepting pauses.
  bool Register(Trigger trigger = Trigger::kLevel) {
    const uint32_t events = IOLoop::kRead | (exclusive() ? uint32_t{EPOLLEXCLUSIVE} : 0u) |
                            (trigger == Trigger::kEdge ? uint32_t{EPOLLET} : 0u);
    ++stats_.epoll_ctls;
    const absl::Status added = loop_.AddHandler(fd_, events, [this](uint32_t) { OnWakeup(); });
    if (!added.ok()) {
      const int error_number = ErrnoFromStatus(added).value_or(0);
      CHECK(error_number == ENOMEM || error_number == ENOSPC)
          << "cannot accept on " << address_ << ": " << added;
      Pause(error_number);
      return false;
    }
    state_ = State::kAccepting;
    return true;
  }

  void Unregister() {
    if (state_ != State::kAccepting && state_ != State::kYielding) return;
    ++stats_.epoll_ctls;
    if (LoopLives()) loop_.RemoveHandler(fd_);
  }

  // The handle may outlive it.
  bool LoopLives() const { return IOLoop::IfExists() == &loop_; }

  void ArmIdleTimer(absl::Duration delay) {
    idle_timer_ = loop_.CallLater(delay, [this] { OnIdleTimer(); });
  }

  void OnWakeup() {
    if (std::exchange(echo_, false)) return;
    woken_ = true;
    ++stats_.wakeups;
    if (state_ == State::kYielding) EndYield();
    const std::shared_ptr<Acceptor> keep = shared_from_this();
    if (AcceptSome(Source::kWakeup) > 0) LetSiblingsGoFirst();
  }

  // Whoever is woken accepts at least once, however much it holds: its wake-up was the only one.
  void LetSiblingsGoFirst() {
    if (state_ != State::kAccepting || policy_ != AcceptPolicy::kBalanced) return;
    if (!options_.standing) return;
    const AcceptStanding standing = options_.standing();
    const bool even = IsEven(standing);
    if (standing.contenders == 0 && even) return;
    const int waiting = Waiting();
    if (waiting == 0) {
      // The kernel wakes those that wait in the order in which they came.
      if (standing.contenders > 0) MoveToTheEnd();
    } else if (!even) {
      ++stats_.yielded;
      Unregister();
      state_ = State::kStandingBack;
      WaitForSiblings(options_.yield);
    } else if (waiting <= standing.contenders) {
      // Each contender was woken for one of those that wait.
      ++stats_.yielded;
      Yield();
    }
  }

  static bool IsEven(const AcceptStanding& standing) {
    const int64_t fewest = standing.held - standing.lead;
    return standing.lead <= std::max(kSmallLead, fewest / kFewestByLead);
  }

  void MoveToTheEnd() {
    Unregister();
    Register();
  }

  // The registration reports what waits already, once. Should a sibling take it before the loop
  // looks, the next connection is taken for it, and has to wait for the end of the yield.
  void Yield() {
    Unregister();
    if (!Register(Trigger::kEdge)) return;
    state_ = State::kYielding;
    echo_ = true;
    WaitForSiblings(options_.yield);
  }

  void WaitForSiblings(absl::Duration delay) {
    yield_timer_ = loop_.CallLater(delay, [this, delay] {
      if (2 * delay <= LongestYield()) return WaitForSiblings(2 * delay);
      EndYield();
    });
  }

  void EndYield() {
    yield_timer_.Cancel();
    echo_ = false;
    MoveToTheEnd();
  }

  // A tie ends it: if all stood back until the others took one more, nobody ever would. With more
  // waiting than there are siblings, one that is not scheduled must not hold up all of them.
  absl::Duration LongestYield() {
    const AcceptStanding standing = options_.standing();
    if (standing.lead <= 0) return absl::ZeroDuration();
    const int waiting = Waiting();
    if (waiting == 0) return absl::ZeroDuration();
    const bool long_one = state_ == State::kStandingBack && waiting <= standing.contenders;
    return long_one ? options_.max_yield : options_.max_yield / 8;
  }

  // Connections that wait to be accepted; where only poll(2) tells, one stands for any number.
  int Waiting() const {
    tcp_info info;
    socklen_t size = offsetof(tcp_info, tcpi_unacked) + sizeof info.tcpi_unacked;
    // Of a listening socket tcpi_unacked is the length of its queue (tcp_get_info in Linux).
    if (::getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &info, &size) == 0) {
      return static_cast<int>(info.tcpi_unacked);
    }
    pollfd poll = {.fd = fd_, .events = POLLIN, .revents = 0};
    return ::poll(&poll, 1, 0) > 0 ? 1 : 0;
  }

  void OnIdleTimer() {
    const std::shared_ptr<Acceptor> keep = shared_from_this();
    ArmIdleTimer(options_.idle_retry);
    int rescued = AcceptFromSiblings();
    // Whoever is woken goes on until nothing waits, for epoll reports a waiting connection each
    // time.
    if (!std::exchange(woken_, false) && state_ == State::kAccepting) {
      ++stats_.idle_tries;
      rescued += AcceptSome(Source::kIdleTimer);
    }
    // Where one connection was stranded there may be more.
    if (rescued > 0 && state_ == State::kAccepting) ArmIdleTimer(absl::ZeroDuration());
  }

  // At most one from each: where a connection waits the process is dead, blocked, or about to
  // accept it. Returns how many.
  int AcceptFromSiblings() {
    if (siblings_.empty() || ::poll(siblings_.data(), siblings_.size(), 0) <= 0) return 0;
    int accepted = 0;
    for (pollfd& sibling : siblings_) {
      if (sibling.revents == 0 || state_ != State::kAccepting) continue;
      switch (AcceptOne(sibling.fd, Source::kIdleTimer)) {
        case Outcome::kAccepted:
          ++accepted;
          break;
        case Outcome::kEnded:
          sibling.fd = -1;  // poll(2) passes over it
          break;
        case Outcome::kWouldBlock:
        case Outcome::kAborted:
        case Outcome::kFailed:
          break;
      }
    }
    return accepted;
  }

  // Returns how many connections it accepted.
  int AcceptSome(Source source) {
    const std::shared_ptr<Acceptor> keep = shared_from_this();
    int accepted = 0;
    int aborted = 0;
    while (state_ == State::kAccepting && accepted < options_.budget &&
           aborted < kMaxAbortedPerWakeup) {
      switch (AcceptOne(fd_, source)) {
        case Outcome::kAccepted:
          ++accepted;
          break;
        case Outcome::kAborted:
          ++aborted;
          break;
        case Outcome::kWouldBlock:
        case Outcome::kFailed:
        case Outcome::kEnded:
          return accepted;
      }
    }
    return accepted;
  }

  Outcome AcceptOne(int fd, Source source) {
    sockaddr_storage peer;
    socklen_t size = sizeof peer;
    auto* const peer_address = reinterpret_cast<sockaddr*>(&peer);
    UniqueFd connection(::accept4(fd, peer_address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (connection.valid()) {
      GoesWell();
      ++stats_.accepted;
      if (source == Source::kIdleTimer) ++stats_.rescued;
      callback_(std::move(connection), SocketAddress::FromSockaddr(peer_address, size));
      return Outcome::kAccepted;
    }
    const int error_number = errno;
    const Outcome outcome = OutcomeOf(error_number);
    if (outcome == Outcome::kWouldBlock) {
      GoesWell();
      if (source == Source::kWakeup) ++stats_.would_block;
    }
    if (outcome == Outcome::kAborted && error_number != EINTR) ++stats_.aborted;
    if (outcome == Outcome::kFailed) Pause(error_number);
    if (outcome == Outcome::kEnded && fd == fd_) {
      VLOG(1) << address_ << " was shut down; nobody accepts there any more";
      Stop();
    }
    return outcome;
  }

  void GoesWell() {
    if (!std::exchange(failing_, false)) return;
    well_since_ = loop_.Now();
  }

  // An exclusive registration cannot be modified (epoll_ctl(2)), so it is removed and added again.
  void Pause(int error_number) {
    Unregister();
    state_ = State::kPaused;
    idle_timer_.Cancel();
    yield_timer_.Cancel();
    pause_timer_ = loop_.CallLater(options_.pause, [this] { Start(); });
    ++stats_.paused;
    const bool first_of_episode =
        !failing_ &&
        (!well_since_.has_value() || loop_.Now() > *well_since_ + kQuietPauses * options_.pause);
    failing_ = true;
    if (!first_of_episode) return;
    LOG(WARNING) << "cannot accept on " << address_ << ": " << std::strerror(error_number)
                 << "; trying again every " << options_.pause;
    if (!options_.on_error) return;
    const std::shared_ptr<Acceptor> keep = shared_from_this();
    options_.on_error({.error_number = error_number, .pause = options_.pause, .address = address_});
  }

  IOLoop& loop_;
  const int fd_;
  const bool inherited_;
  const SocketAddress address_;
  AcceptCallback callback_;
  AcceptOptions options_;
  const AcceptPolicy policy_;
  std::vector<pollfd> siblings_;
  AcceptStats own_stats_;
  AcceptStats& stats_;
  State state_ = State::kPaused;
  bool echo_ = false;   // The next wake-up is for what waited when it registered.
  bool woken_ = false;  // Since the idle timer fired last.
  // Whether the last accept failed, and since when it has gone well after a failure.
  bool failing_ = false;
  std::optional<MonotonicTime> well_since_;
  Timeout idle_timer_;
  Timeout pause_timer_;
  Timeout yield_timer_;
};

}  // namespace internal

AcceptHandle::AcceptHandle() = default;
AcceptHandle::AcceptHandle(AcceptHandle&&) noexcept = default;
AcceptHandle::AcceptHandle(std::shared_ptr<internal::Acceptor> acceptor)
    : acceptor_(std::move(acceptor)) {}

AcceptHandle& AcceptHandle::operator=(AcceptHandle&& other) noexcept {
  if (this == &other) return *this;
  Stop();
  acceptor_ = std::move(other.acceptor_);
  return *this;
}

AcceptHandle::~AcceptHandle() { Stop(); }

void AcceptHandle::Stop() {
  // The acceptor may be in the middle of the callback that calls this, and then outlives the
  // handle.
  if (const std::shared_ptr<internal::Acceptor> acceptor = std::exchange(acceptor_, nullptr)) {
    acceptor->Stop();
  }
}

void AcceptHandle::AcceptWaiting() {
  if (const std::shared_ptr<internal::Acceptor> acceptor = acceptor_) acceptor->AcceptWaiting();
}

void AcceptHandle::AcceptLast() {
  if (const std::shared_ptr<internal::Acceptor> acceptor = acceptor_) acceptor->AcceptLast();
}

AcceptHandle AddAcceptHandler(IOLoop& loop, const ListenSocket& socket, AcceptCallback callback,
                              AcceptOptions options) {
  CHECK_GE(options.budget, 1) << "AcceptOptions::budget";
  CHECK(options.idle_retry > absl::ZeroDuration()) << "AcceptOptions::idle_retry";
  CHECK(options.yield > absl::ZeroDuration()) << "AcceptOptions::yield";
  CHECK(options.pause > absl::ZeroDuration()) << "AcceptOptions::pause";
  int listening = 0;
  socklen_t size = sizeof listening;
  CHECK(::getsockopt(socket.fd(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening)
      << "descriptor " << socket.fd() << " (" << socket.address() << ") is not a listening socket";
  auto acceptor =
      std::make_shared<internal::Acceptor>(loop, socket, std::move(callback), std::move(options));
  acceptor->Start();
  return AcceptHandle(std::move(acceptor));
}

}  // namespace squall
