// Accepting connections on an IOLoop, fairly beside other processes that share the listening
// socket.
//
//   squall::AcceptHandle handle = squall::AddAcceptHandler(
//       squall::IOLoop::Current(), sockets[0],
//       [](squall::UniqueFd connection, squall::SocketAddress peer) {
//         LOG(INFO) << "connection from " << peer;
//       });
//   squall::IOLoop::Current().Start();
//
// Everything here belongs to the thread of its loop.
#ifndef SQUALL_NETUTIL_ACCEPT_H_
#define SQUALL_NETUTIL_ACCEPT_H_

#include <cstdint>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/accept_standing.h"
#include "squall/netutil/address.h"
#include "squall/netutil/sockets.h"

namespace squall {

enum class AcceptPolicy {
  // Each connection wakes every process that waits for one; one of them gets it. As Tornado does
  // it.
  kShared,
  // Each connection wakes one process (EPOLLEXCLUSIVE, epoll_ctl(2)). If that one blocks before it
  // accepts, the others hear nothing of the connection; AcceptOptions::idle_retry is for this.
  kExclusive,
  // kExclusive, and after each accept a process lets siblings that hold no more connections than
  // itself have the next ones: it goes to the end of the kernel's queue of those to be woken, leaves
  // them what waits already, and stands back while it is well ahead. Without it one process takes
  // nearly all connections, and may serve two that arrive together one after the other. A sibling
  // that is at a request is never waited for. AcceptOptions::standing says who holds what.
  kBalanced,
  // Each process has a socket of its own, and the kernel chooses one of them at random for each
  // connection. What waits on a sibling's because that is blocked or dead is taken by the one that
  // looks next, see AcceptOptions::idle_retry. The sockets of ReusePortListeners are always
  // accepted from like this, whatever policy is asked for; for others it is kExclusive.
  kReusePort,
};

// Accepting stopped for `pause` because accept failed in a way that would fail again at once.
struct AcceptError {
  int error_number = 0;  // EMFILE, ENFILE, ENOBUFS, ENOMEM; others mean a broken socket.
  absl::Duration pause = absl::ZeroDuration();
  SocketAddress address = {};  // The listening socket's.
};

// What a handler has done since it was added. Only ever counts up.
struct AcceptStats {
  uint64_t wakeups = 0;      // epoll said that there is a connection.
  uint64_t accepted = 0;     // Connections handed to the callback.
  uint64_t would_block = 0;  // Accepts in vain: another process was faster.
  uint64_t aborted = 0;      // Connections that failed before they were accepted.
  uint64_t paused = 0;       // Times that accepting stopped for AcceptOptions::pause.
  uint64_t idle_tries = 0;   // Accepts by the idle timer; not part of would_block.
  uint64_t rescued = 0;      // Connections that the idle timer found; part of accepted.
  uint64_t yielded = 0;      // kBalanced: times that what waited was left to siblings.
  uint64_t epoll_ctls = 0;   // Calls of epoll_ctl for the listening socket.
};

// Gets each connection: non-blocking, close-on-exec, with no other option set. It may destroy the
// AcceptHandle; nothing is accepted after that. An exception ends the wake-up and is logged by the
// loop.
using AcceptCallback = absl::AnyInvocable<void(UniqueFd connection, SocketAddress peer)>;

struct AcceptOptions {
  AcceptPolicy policy = AcceptPolicy::kExclusive;
  // Connections accepted per wake-up, at least 1. With 1 a process takes no connection that would
  // wait behind its own blocking handler while a sibling is idle; Tornado takes 128.
  int budget = 1;
  // Not with kShared: a process that was not woken for this long looks for itself whether a
  // connection waits, so that none depends on a process that swallowed its wake-up. It costs one
  // accept4 (1.6 µs) and one turn of the loop each time. With kReusePort it looks at the siblings'
  // sockets too, woken or not. absl::InfiniteDuration() turns it off.
  absl::Duration idle_retry = absl::Milliseconds(100);
  // kBalanced: how this process stands among its siblings. Asked after each accept, so cheap. Null:
  // there are none.
  absl::AnyInvocable<AcceptStanding()> standing = nullptr;
  // kBalanced: how long it leaves to siblings what waits, at least, and at most at a time while it
  // stays ahead: an idle sibling on a busy machine may take its time to be scheduled. The first time
  // doubles up to the second, or to an eighth of it while it is hardly ahead, or more connections
  // wait than there are siblings.
  absl::Duration yield = absl::Milliseconds(1);
  absl::Duration max_yield = absl::Milliseconds(32);
  // How long to stop accepting when descriptors or memory have run out.
  absl::Duration pause = absl::Milliseconds(100);
  // Called once per episode of pauses; an episode is over when accepting has gone well for ten
  // pauses. It may destroy the AcceptHandle. One line is logged in any case.
  absl::AnyInvocable<void(const AcceptError&)> on_error = nullptr;
  // Not owned, may be null; must outlive the handle.
  AcceptStats* stats = nullptr;
};

namespace internal {
class Acceptor;
}

// Accepts for as long as it and its loop live. Move-only; must not outlive the socket.
class AcceptHandle {
 public:
  AcceptHandle();
  AcceptHandle(AcceptHandle&&) noexcept;
  AcceptHandle& operator=(AcceptHandle&&) noexcept;
  AcceptHandle(const AcceptHandle&) = delete;
  AcceptHandle& operator=(const AcceptHandle&) = delete;
  ~AcceptHandle();

  // Stops accepting, at once and for good. The socket stays open. Idempotent; safe inside the
  // callback.
  void Stop();
  // Accepts what waits on the socket now, whatever the budget, policy or pause.
  void AcceptWaiting();
  // For the last process that accepts, before Stop(): AcceptWaiting() on the socket and on its
  // siblings(), each of which refuses new connections in every process from then on (shutdown(2)).
  // Closing alone would reset what comes while somebody still holds a copy.
  void AcceptLast();
  // False when empty, moved from or stopped.
  bool active() const { return acceptor_ != nullptr; }

 private:
  friend AcceptHandle AddAcceptHandler(IOLoop&, const ListenSocket&, AcceptCallback, AcceptOptions);
  explicit AcceptHandle(std::shared_ptr<internal::Acceptor> acceptor);

  std::shared_ptr<internal::Acceptor> acceptor_;
};

// Calls `callback` for each connection on `socket` while the returned handle lives. Mirrors
// tornado.netutil.add_accept_handler, with accept4's errors handled as accept(2) advises:
// - EAGAIN: another process has it; wait for the next.
// - EINTR, and what belongs to the one connection (ECONNABORTED, EPROTO, EPERM, network errors): go
//   on.
// - EMFILE, ENFILE, ENOBUFS, ENOMEM: stop for options.pause, then try again; never spins.
//   Connections wait in the backlog, where a sibling process may take them. What else may come is
//   treated likewise.
// - EINVAL, the socket was shut down: stop for good, without a word.
// There is no error to return: if epoll has no memory for the registration, it is tried again after
// a pause. CHECK-fails if `socket` is not listening or has a handler on this loop already.
[[nodiscard]] AcceptHandle AddAcceptHandler(IOLoop& loop, const ListenSocket& socket,
                                            AcceptCallback callback, AcceptOptions options = {});

}  // namespace squall

#endif  // SQUALL_NETUTIL_ACCEPT_H_
