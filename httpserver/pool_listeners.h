// Internal: where a pool listens that Serve() starts. Its workers share one socket for each address,
// or each has a socket of its own (AcceptPolicy::kReusePort); a unix socket is always shared.
//
//   ASSIGN_OR_RETURN(PoolListeners listeners, PoolListeners::Bind(options));   // Before the fork.
//   options.fork.listeners = listeners.tcp_fds();
//   server.AddSockets(std::move(listeners).TakeSlot(task_id));                  // In a worker.
#ifndef SQUALL_HTTPSERVER_POOL_LISTENERS_H_
#define SQUALL_HTTPSERVER_POOL_LISTENERS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "squall/httpserver/serve_options.h"
#include "squall/netutil/address.h"
#include "squall/netutil/reuse_port_listeners.h"
#include "squall/netutil/sockets.h"

namespace squall::internal {

class PoolListeners {
 public:
  // Binds every address of `options`, which are valid. Blocks, and has the errors of Bind() and
  // ReusePortListeners::Bind().
  static absl::StatusOr<PoolListeners> Bind(const ServeOptions& options);

  PoolListeners(PoolListeners&&) = default;
  PoolListeners& operator=(PoolListeners&&) = default;

  // In the order of ServeOptions::listen.
  const std::vector<SocketAddress>& addresses() const { return addresses_; }
  // Of each socket whose backlog can be looked at; not owned.
  std::vector<int> tcp_fds() const;
  // Whether workers have sockets of their own, and SetServing() does anything.
  bool has_slots() const { return !by_slot_.empty(); }

  // In the master: only workers in these slots get connections to sockets of their own. An error is
  // logged; connections then wait where they came to until a worker looks for them.
  void SetServing(absl::Span<const int> slots);

  // In the worker of `slot`: what it accepts from.
  std::vector<ListenSocket> TakeSlot(int slot) &&;

 private:
  PoolListeners() = default;

  std::vector<SocketAddress> addresses_;
  std::vector<ListenSocket> shared_;
  std::vector<ReusePortListeners> by_slot_;  // One for each element of ServeOptions::listen.
};

}  // namespace squall::internal

#endif  // SQUALL_HTTPSERVER_POOL_LISTENERS_H_
