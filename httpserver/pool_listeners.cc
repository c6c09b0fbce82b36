#include "squall/httpserver/pool_listeners.h"

#include <iterator>
#include <utility>

#include "squall/base/logging.h"
#include "squall/base/status_macros.h"
#include "squall/netutil/listen_address.h"

namespace squall::internal {

absl::StatusOr<PoolListeners> PoolListeners::Bind(const ServeOptions& options) {
  PoolListeners listeners;
  for (const std::string& text : options.listen) {
    ASSIGN_OR_RETURN(const ListenAddress address, ListenAddress::Parse(text));
    if (options.http.accept_policy == AcceptPolicy::kReusePort && !address.is_unix()) {
      ASSIGN_OR_RETURN(
          ReusePortListeners bound,
          ReusePortListeners::Bind(address.port, MaxWorkers(WorkerCount(options), options.fork),
                                   {.address = address.host, .backlog = options.backlog}));
      for (const SocketAddress& each : bound.addresses()) listeners.addresses_.push_back(each);
      listeners.by_slot_.push_back(std::move(bound));
    } else {
      ASSIGN_OR_RETURN(
          std::vector<ListenSocket> bound,
          squall::Bind(address, {.backlog = options.backlog, .unix_mode = options.unix_mode}));
      for (const ListenSocket& each : bound) listeners.addresses_.push_back(each.address());
      std::move(bound.begin(), bound.end(), std::back_inserter(listeners.shared_));
    }
  }
  return listeners;
}

std::vector<int> PoolListeners::tcp_fds() const {
  std::vector<int> fds;
  for (const ListenSocket& socket : shared_) {
    if (!socket.address().is_unix()) fds.push_back(socket.fd());
  }
  for (const ReusePortListeners& sockets : by_slot_) {
    for (const int fd : sockets.fds()) fds.push_back(fd);
  }
  return fds;
}

void PoolListeners::SetServing(absl::Span<const int> slots) {
  for (ReusePortListeners& sockets : by_slot_) {
    if (absl::Status set = sockets.SetServing(slots); !set.ok()) LOG(ERROR) << set.message();
  }
}

std::vector<ListenSocket> PoolListeners::TakeSlot(int slot) && {
  std::vector<ListenSocket> taken = std::move(shared_);
  for (ReusePortListeners& sockets : by_slot_) {
    std::vector<ListenSocket> own = std::move(sockets).TakeSlot(slot);
    std::move(own.begin(), own.end(), std::back_inserter(taken));
  }
  return taken;
}

}  // namespace squall::internal
