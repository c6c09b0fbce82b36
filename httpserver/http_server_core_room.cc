// More connections than max_connections: which of them the others can do without.
#include <sys/resource.h>

#include <algorithm>
#include <cstddef>
#include <limits>

#include "squall/base/logging.h"
#include "squall/httpserver/http1_connection.h"
#include "squall/httpserver/http_server_core.h"

namespace squall::internal {
namespace {

// Descriptors for what is no connection, listeners, files, the handlers' own: this part of all, and
// so many at the least. Where that would be half of them the limit of descriptors is all there is.
constexpr size_t kOtherPart = 8;
constexpr size_t kOtherLeast = 64;
// Connections looked at for one that is to be closed: a bound on what an accept costs when all are
// at work.
constexpr size_t kLooks = 256;
// Of one that is chosen the next request may just have come.
constexpr int kTries = 8;
// While full, how often to look whether one has become idle.
constexpr absl::Duration kLookAgain = absl::Milliseconds(50);
// One line of log for each time that a server is full, or becomes so again and again.
constexpr absl::Duration kQuiet = absl::Seconds(10);

}  // namespace

size_t HttpServerCore::Capacity() {
  if (capacity_ > 0) return capacity_;
  capacity_ = options_.max_connections;
  if (capacity_ > 0) return capacity_;
  rlimit limit;
  PCHECK(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  const auto descriptors = static_cast<size_t>(limit.rlim_cur);
  capacity_ = descriptors <= 2 * kOtherLeast
                  ? std::numeric_limits<size_t>::max() / 2
                  : descriptors - std::max(descriptors / kOtherPart, kOtherLeast);
  return capacity_;
}

void HttpServerCore::MakeRoom(size_t more) {
  // Those that a drain takes from the backlogs are the last ones, and would be lost.
  if (draining_) return;
  capacity_ = 0;  // The limit of descriptors may have been raised.
  for (int tries = kTries; OverCapacity(more); --tries) {
    if (tries == 0 || !GiveUpOne()) return SetFull(true);
  }
  SetFull(false);
}

// Of the next ones in the order of the accepts, that which has waited for its client for the longest.
// False: those looked at are all at work.
bool HttpServerCore::GiveUpOne() {
  Http1Connection* longest = nullptr;
  Http1Connection::Wait longest_wait;
  for (size_t i = std::min(kLooks, connections_.size()); i > 0; --i) {
    if (hand_ == connections_.end()) hand_ = connections_.begin();
    Http1Connection* const connection = (hand_++)->get();
    const Http1Connection::Wait wait = connection->WaitsForClient();
    if (wait >= longest_wait) continue;
    longest = connection;
    longest_wait = wait;
  }
  if (longest == nullptr) return false;
  longest->GiveUp();
  return true;
}

void HttpServerCore::SetFull(bool full) {
  if (full) room_ = loop().CallLater(kLookAgain, [this] { MakeRoom(0); });
  if (full_ == full) return;
  full_ = full;
  if (!full) room_.Cancel();
  stats_.SetAccepting(!full && !draining_);
  const MonotonicTime now = loop().Now();
  if (full && now >= full_said_) {
    LOG(WARNING) << "All " << Capacity()
                 << " connections that this process may have are at work; new ones have to wait";
  }
  full_said_ = now + kQuiet;
  if (on_full_ != nullptr) on_full_(full);
}

}  // namespace squall::internal
