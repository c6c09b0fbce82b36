#include "squall/netutil/proxy_protocol.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/base/string_view.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/proxy_header_layout.h"

namespace squall {
namespace {

// Looked at in one go; longer headers take several.
constexpr size_t kPeekSize = 1024;
constexpr absl::Duration kBetweenLogLines = absl::Seconds(1);

ssize_t Receive(int fd, char* data, size_t size, int flags) {
  ssize_t result;
  do {
    result = ::recv(fd, data, size, flags | MSG_DONTWAIT);
  } while (result < 0 && errno == EINTR);
  return result;
}

// Octets that were peeked at; a unix socket may give them in pieces.
bool Consume(int fd, char* buffer, size_t size) {
  while (size > 0) {
    const ssize_t taken = Receive(fd, buffer, size, 0);
    if (taken <= 0) return false;
    size -= static_cast<size_t>(taken);
  }
  return true;
}

}  // namespace

absl::Status Validate(const ProxyProtocolOptions& options) {
  const absl::StatusOr<TrustedNetworks> trusted = TrustedNetworks::Parse(options.trusted);
  if (!trusted.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("proxy_protocol.trusted: ", trusted.status().message()));
  }
  if (trusted->empty()) {
    return absl::InvalidArgumentError(
        "proxy_protocol.trusted is empty; it must name the proxies that may say who a client is, "
        "such as 127.0.0.1 or 10.0.0.0/8");
  }
  if (options.timeout <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("proxy_protocol.timeout must be positive (inf: no timeout), not ",
                     absl::FormatDuration(options.timeout)));
  }
  if (options.max_header_size < internal::kProxyV1MaxLine ||
      options.max_header_size > kMaxProxyHeaderSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("proxy_protocol.max_header_size must be ", internal::kProxyV1MaxLine, " to ",
                     kMaxProxyHeaderSize, ", not ", options.max_header_size));
  }
  return absl::OkStatus();
}

ProxyProtocolReceiver::ProxyProtocolReceiver(ProxyProtocolOptions options, Callback callback,
                                             CountCallback on_waiting)
    : options_(std::move(options)),
      callback_(std::move(callback)),
      on_waiting_(std::move(on_waiting)) {
  const absl::Status valid = Validate(options_);
  CHECK(valid.ok()) << valid.message();
  trusted_ = TrustedNetworks::Parse(options_.trusted).value();
}

ProxyProtocolReceiver::~ProxyProtocolReceiver() {
  on_waiting_ = nullptr;
  CloseWaiting();
}

void ProxyProtocolReceiver::Receive(UniqueFd connection, SocketAddress peer) {
  if (!trusted_.Contains(peer)) {
    ++stats_.untrusted;
    if (options_.untrusted == UntrustedSource::kServe) {
      callback_(std::move(connection), peer, ProxyHeader());
    } else {
      LogClosing(peer, "it comes from none of the proxies that proxy_protocol.trusted names");
    }
    return;
  }
  Waiting waiting = {
      .connection = std::move(connection), .peer = peer, .received = {}, .timer = {}};
  ProxyHeader header;
  switch (Read(waiting, &header)) {
    case Progress::kWaits:
      Await(std::move(waiting));
      return;
    case Progress::kComplete:
      callback_(std::move(waiting.connection), peer, std::move(header));
      return;
    case Progress::kFailed:
      return;
  }
}

ProxyProtocolReceiver::Progress ProxyProtocolReceiver::Read(Waiting& waiting, ProxyHeader* header) {
  const int fd = waiting.connection.get();
  char buffer[kPeekSize];
  while (true) {
    // What is peeked at and is no whole header belongs to it entirely, and is taken; of the octets
    // behind a header none is.
    const ssize_t peeked = squall::Receive(fd, buffer, sizeof buffer, MSG_PEEK);
    if (peeked < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return Progress::kWaits;
    if (peeked <= 0) {
      if (waiting.received.empty()) {
        ++stats_.silent;
      } else {
        ++stats_.malformed;
        LogClosing(waiting.peer, absl::StrCat("it ended after ", waiting.received.size(),
                                              " octets of a PROXY protocol header"));
      }
      return Progress::kFailed;
    }
    const size_t before = waiting.received.size();
    std::string_view octets(buffer, static_cast<size_t>(peeked));
    if (before > 0) octets = waiting.received.append(octets);
    const absl::StatusOr<size_t> size = ParseProxyHeader(octets, options_.max_header_size, header);
    if (!size.ok()) {
      ++stats_.malformed;
      LogClosing(waiting.peer, ToStd(size.status().message()));
      return Progress::kFailed;
    }
    if (*size == 0 && before == 0) waiting.received = octets;
    const size_t belonging = (*size > 0 ? *size : octets.size()) - before;
    if (!Consume(fd, buffer, belonging)) {
      ++stats_.malformed;
      LogClosing(waiting.peer,
                 absl::StrCat("reading its PROXY protocol header failed: ", std::strerror(errno)));
      return Progress::kFailed;
    }
    if (*size > 0) {
      ++stats_.received;
      return Progress::kComplete;
    }
  }
}

void ProxyProtocolReceiver::Await(Waiting waiting) {
  IOLoop& loop = IOLoop::Current();
  const int fd = waiting.connection.get();
  const auto position = waiting_.insert(waiting_.end(), std::move(waiting));
  const absl::Status added =
      loop.AddHandler(fd, IOLoop::kRead, [this, position](uint32_t) { OnReadable(position); });
  if (!added.ok()) {
    LogClosing(position->peer, ToStd(added.message()));
    waiting_.erase(position);
    return;
  }
  if (options_.timeout < absl::InfiniteDuration()) {
    position->timer = loop.CallLater(options_.timeout, [this, position] {
      const Waiting late = Take(position);
      ++stats_.timed_out;
      LogClosing(late.peer, absl::StrCat("its PROXY protocol header did not come within ",
                                         absl::FormatDuration(options_.timeout), ", only ",
                                         late.received.size(), " octets did"));
      if (on_waiting_ != nullptr) on_waiting_(waiting_.size());
    });
  }
  if (on_waiting_ != nullptr) on_waiting_(waiting_.size());
}

void ProxyProtocolReceiver::OnReadable(WaitingList::iterator position) {
  ProxyHeader header;
  const Progress progress = Read(*position, &header);
  if (progress == Progress::kWaits) return;
  Waiting done = Take(position);
  if (on_waiting_ != nullptr) on_waiting_(waiting_.size());
  // The last thing here: whoever is called may destroy this object.
  if (progress == Progress::kComplete) {
    callback_(std::move(done.connection), done.peer, std::move(header));
  }
}

ProxyProtocolReceiver::Waiting ProxyProtocolReceiver::Take(WaitingList::iterator position) {
  Waiting result = std::move(*position);
  waiting_.erase(position);
  if (IOLoop* const loop = IOLoop::IfExists()) loop->RemoveHandler(result.connection.get());
  return result;
}

void ProxyProtocolReceiver::CloseWaiting() {
  if (waiting_.empty()) return;
  while (!waiting_.empty()) Take(waiting_.begin());
  if (on_waiting_ != nullptr) on_waiting_(0);
}

void ProxyProtocolReceiver::LogClosing(const SocketAddress& peer, std::string_view why) {
  const MonotonicTime now = Clock::Real().Now();
  if (now < next_log_line_) {
    ++unlogged_;
    return;
  }
  next_log_line_ = now + kBetweenLogLines;
  const uint64_t others = std::exchange(unlogged_, 0);
  LOG(WARNING) << "Closing the connection of " << peer << ": " << why
               << (others > 0 ? absl::StrCat(" (and ", others, " others before it)") : "");
}

}  // namespace squall
