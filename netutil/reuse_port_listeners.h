// Listening sockets of a pool with one for each worker slot (SO_REUSEPORT), all held by the master:
// AcceptPolicy::kReusePort.
//
//   auto listeners = squall::ReusePortListeners::Bind(8090, /*slots=*/8).value();
//   squall::ForkOptions options{.max_workers = 8};
//   options.on_serving = [&](absl::Span<const int> slots) {
//     if (auto status = listeners.SetServing(slots); !status.ok()) LOG(ERROR) << status;
//   };
//   const int task_id = squall::ForkProcesses(4, std::move(options)).value();
//   squall::HttpServer server(app);
//   server.AddSockets(std::move(listeners).TakeSlot(task_id));
//
// The kernel gives each connection to one slot, chosen at random among those that serve, so that no
// worker sees a wake-up in vain and nothing is counted or compared. In return the spread is that of
// a dice (400 connections over 4 workers: about 100 ± 9), and a connection that comes to a worker in
// a blocking handler waits until a sibling looks at its queue (AcceptOptions::idle_retry, 100 ms).
//
// No connection is lost with a worker: the sockets outlive it in the master and in its siblings,
// who take what it leaves behind unless its replacement is there first. Nothing is closed while the
// pool lives, and the kernel is told by a classic BPF program (SO_ATTACH_REUSEPORT_CBPF, socket(7))
// to leave out the slots that nobody serves. It needs no privilege.
#ifndef SQUALL_NETUTIL_REUSE_PORT_LISTENERS_H_
#define SQUALL_NETUTIL_REUSE_PORT_LISTENERS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "squall/base/unique_fd.h"
#include "squall/netutil/address.h"
#include "squall/netutil/sockets.h"

namespace squall {

class ReusePortListeners {
 public:
  static constexpr int kMaxSlots = 1024;

  // Binds and listens on all addresses that BindSockets() would bind, with one socket for each of
  // `slots` slots, and has slot 0 serve. Before the fork; blocks as BindSockets() does.
  //
  // Errors as BindSockets(), also when another pool has the port, whoever runs it;
  // INVALID_ARGUMENT for a number of slots outside 1 … kMaxSlots; FAILED_PRECONDITION for an
  // address whose socket is inherited (LISTEN_FDS), which would stay alone when the pool ends; what
  // setsockopt(2) says when the kernel has no such program for reuseport groups (Linux before 4.5).
  static absl::StatusOr<ReusePortListeners> Bind(uint16_t port, int slots,
                                                 const BindOptions& options = {});

  ReusePortListeners(ReusePortListeners&&) = default;
  ReusePortListeners& operator=(ReusePortListeners&&) = default;

  // Where it listens, with the real port.
  std::vector<SocketAddress> addresses() const;
  int slots() const;
  // A socket of each slot and address, for a look at their backlogs; not owned.
  std::vector<int> fds() const;

  // In the master: new connections go to the sockets of these slots from now on, in no order and
  // each once. One system call per address, which does not block. With no slot all stays as it
  // is: connections wait where they came to for the next worker.
  // INVALID_ARGUMENT for a slot that there is not; else what setsockopt(2) says.
  absl::Status SetServing(absl::Span<const int> serving);

  // In the worker of `slot`: its sockets, one per address, each with those of the other slots as
  // ListenSocket::siblings().
  std::vector<ListenSocket> TakeSlot(int slot) &&;

 private:
  // The sockets of one address by slot; the kernel numbers them in the order of their listen(2).
  struct Group {
    SocketAddress address;
    std::vector<UniqueFd> sockets;
  };

  ReusePortListeners() = default;

  std::vector<Group> groups_;
};

}  // namespace squall

#endif  // SQUALL_NETUTIL_REUSE_PORT_LISTENERS_H_
