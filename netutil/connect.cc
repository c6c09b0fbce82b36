#include "squall/netutil/connect.h"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <coroutine>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "squall/base/clock.h"
#include "squall/base/status.h"
#include "squall/base/string_view.h"
#include "squall/ioloop/handler_registration.h"
#include "squall/ioloop/handshake.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/sleep.h"
#include "squall/netutil/address_search.h"
#include "squall/netutil/connection_race.h"

namespace squall {
namespace {

constexpr absl::Duration kFirstRetryOfFullBacklog = absl::Milliseconds(1);
constexpr absl::Duration kLongestRetryOfFullBacklog = absl::Milliseconds(50);

// Resumes when `fd` is writable or has failed.
class Writable {
 public:
  explicit Writable(int fd) : fd_(fd) {}

  bool await_ready() const { return false; }
  bool await_suspend(std::coroutine_handle<> awaiting) {
    auto added =
        HandlerRegistration::Add(fd_, IOLoop::kWrite, [awaiting](uint32_t) { awaiting.resume(); });
    status_ = added.status();
    if (added.ok()) registration_ = *std::move(added);
    return registration_.active();
  }
  absl::Status await_resume() {
    registration_.Remove();
    return std::move(status_);
  }

 private:
  const int fd_;
  HandlerRegistration registration_;
  absl::Status status_;
};

// An errno in the words of the race: no address, for that stands before it.
absl::Status Failed(int error_number, std::string_view doing = "") {
  return WithMessage(
      StatusFromErrno(error_number, "x"),
      absl::StrCat(ToAbsl(doing), doing.empty() ? "" : ": ", std::strerror(error_number)));
}

absl::Status Prepare(int fd, const SocketAddress& address, const ConnectOptions& options) {
  if (absl::Status applied = ApplyBeforeConnect(options.tcp, fd); !applied.ok()) return applied;
  if (!options.source.has_value()) return absl::OkStatus();
  const SocketAddress& source = *options.source;
  if (source.family() != address.family()) {
    return absl::InvalidArgumentError(
        absl::StrCat("it is of another family than the source address ", source.ToString()));
  }
  // A port is chosen by the connect, where it may be in use towards other addresses.
  const int on = 1;
  if (source.port() == 0) {
    ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  } else {
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  }
  if (::bind(fd, source.data(), source.size()) == 0) return absl::OkStatus();
  return Failed(errno, absl::StrCat("cannot come from ", source.ToString()));
}

// A port that nobody listens on, and that the kernel chose for this end as well (RFC 9293 3.5).
bool IsConnectedToItself(int fd, const SocketAddress& address) {
  if (address.is_unix()) return false;
  const absl::StatusOr<SocketAddress> local = SocketAddress::Local(fd);
  return local.ok() && *local == address;
}

Task<absl::StatusOr<UniqueFd>> ConnectSocket(SocketAddress address, const ConnectOptions* options) {
  UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) co_return Failed(errno, "cannot make a socket");
  if (absl::Status ready = Prepare(fd.get(), address, *options); !ready.ok()) co_return ready;
  absl::Duration retry = kFirstRetryOfFullBacklog;
  while (::connect(fd.get(), address.data(), address.size()) != 0) {
    // EINTR: it goes on, as after EINPROGRESS. EAGAIN: the backlog of a unix socket is full.
    const int error_number = errno;
    if (error_number == EAGAIN && address.is_unix()) {
      co_await Sleep(retry);
      retry = std::min(2 * retry, kLongestRetryOfFullBacklog);
      continue;
    }
    if (error_number != EINPROGRESS && error_number != EINTR) co_return Failed(error_number);
    absl::Status waited = co_await Writable(fd.get());
    if (!waited.ok()) co_return waited;
    int result = 0;
    socklen_t size = sizeof result;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &result, &size);
    if (result != 0) co_return Failed(result);
    break;
  }
  if (IsConnectedToItself(fd.get(), address)) co_return Failed(ECONNREFUSED);
  co_return std::move(fd);
}

absl::Status CheckOptions(const ConnectOptions& options) {
  if (absl::Status tcp = Validate(options.tcp); !tcp.ok()) return tcp;
  if (options.attempt_delay < absl::Milliseconds(10)) {
    return absl::InvalidArgumentError(absl::StrCat("ConnectOptions::attempt_delay is ",
                                                   absl::FormatDuration(options.attempt_delay),
                                                   "; it must be at least 10ms"));
  }
  return absl::OkStatus();
}

absl::Status CannotConnect(const std::string& target, const absl::Status& why,
                           absl::Duration timeout) {
  const bool late = absl::IsDeadlineExceeded(why) && !ErrnoFromStatus(why).has_value();
  return WithMessage(
      why, absl::StrCat("cannot connect to ", target,
                        late ? absl::StrCat(" within ", absl::FormatDuration(timeout)) : "", ": ",
                        why.message()));
}

absl::Duration LeftUntil(MonotonicTime deadline) {
  return std::max(deadline - Clock::Real().Now(), absl::ZeroDuration());
}

// The handshake of what is to be below the stream; the loser of a race never gets so far.
Task<absl::Status> ShakeHands(Transport* transport, MonotonicTime deadline) {
  absl::Status shaken = co_await Handshake(transport, LeftUntil(deadline));
  if (!absl::IsDeadlineExceeded(shaken) || ErrnoFromStatus(shaken).has_value()) co_return shaken;
  co_return absl::DeadlineExceededError("connected, but the handshake was not done");
}

Task<absl::StatusOr<IOStream>> ConnectToFirst(std::vector<SocketAddress> addresses,
                                              std::string target, MonotonicTime deadline,
                                              internal::AddressSearch* search,
                                              ConnectOptions options) {
  internal::ConnectionRace race(
      std::move(addresses),
      [&options](SocketAddress address) { return ConnectSocket(address, &options); },
      options.attempt_delay);
  // Until the search ends it may call the race, which therefore lives as long as this coroutine.
  if (search != nullptr) search->GoOnInto(&race);
  absl::StatusOr<UniqueFd> socket = co_await race.Run(LeftUntil(deadline));
  if (!socket.ok()) co_return CannotConnect(target, socket.status(), options.timeout);
  if (options.transport == nullptr) co_return IOStream(*std::move(socket), options.stream);
  std::unique_ptr<Transport> transport = options.transport(*std::move(socket));
  if (transport == nullptr) {
    co_return absl::InvalidArgumentError(
        absl::StrCat("cannot connect to ", target,
                     ": ConnectOptions::transport made no transport of the socket"));
  }
  absl::Status shaken = co_await ShakeHands(transport.get(), deadline);
  if (!shaken.ok()) co_return CannotConnect(target, shaken, options.timeout);
  co_return IOStream(std::move(transport), options.stream);
}

Task<absl::StatusOr<IOStream>> ConnectToHost(std::string host, uint16_t port,
                                             ConnectOptions options) {
  if (absl::Status checked = CheckOptions(options); !checked.ok()) co_return checked;
  const MonotonicTime deadline = Clock::Real().Now() + options.timeout;
  Resolver& resolver = options.resolver != nullptr ? *options.resolver : Resolver::OfThisThread();
  int family = options.family;
  if (family == AF_UNSPEC && options.source.has_value()) family = options.source->family();
  internal::AddressSearch search(&resolver, host, port, family);
  absl::StatusOr<std::vector<SocketAddress>> found = co_await search.First(options.timeout);
  if (!found.ok()) co_return found.status();
  std::vector<SocketAddress> addresses = internal::InterleavedFamilies(*std::move(found));
  std::string target = absl::StrCat("\"", absl::CHexEscape(host), "\" port ", port);
  // Of several each is told with its failure.
  if (addresses.size() == 1 && addresses[0].host() != host) {
    absl::StrAppend(&target, " (", addresses[0].host(), ")");
  }
  absl::StatusOr<IOStream> stream = co_await ConnectToFirst(std::move(addresses), std::move(target),
                                                            deadline, &search, std::move(options));
  co_return stream;
}

Task<absl::StatusOr<IOStream>> ConnectToAddress(SocketAddress address, ConnectOptions options) {
  if (absl::Status checked = CheckOptions(options); !checked.ok()) co_return checked;
  const MonotonicTime deadline = Clock::Real().Now() + options.timeout;
  std::vector<SocketAddress> addresses = {address};
  std::string target = address.ToString();
  absl::StatusOr<IOStream> stream = co_await ConnectToFirst(
      std::move(addresses), std::move(target), deadline, /*search=*/nullptr, std::move(options));
  co_return stream;
}

}  // namespace

Task<absl::StatusOr<IOStream>> Connect(std::string host, uint16_t port, ConnectOptions options) {
  return ConnectToHost(std::move(host), port, std::move(options));
}

Task<absl::StatusOr<IOStream>> Connect(SocketAddress address, ConnectOptions options) {
  return ConnectToAddress(address, std::move(options));
}

}  // namespace squall
