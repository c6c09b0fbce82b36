// Names of hosts to addresses, without blocking the loop, with a cache and a deadline.
//
//   squall::Resolver resolver;
//   absl::StatusOr<std::vector<squall::SocketAddress>> addresses =
//       co_await resolver.Resolve("example.com", 443);
//   if (!addresses.ok()) co_return addresses.status();  // such as: cannot resolve host name ...
//
// getaddrinfo(3) runs in threads of an Executor, so /etc/hosts, nsswitch.conf and resolv.conf count
// as for every other program; c-ares would know neither nss modules nor what a system resolver says. Those threads are the resolvers' own: a name service that hangs holds up no other work.
// Literal addresses never leave the loop, questions for the same name at the same time share one
// look-up, and answers are kept for a while. A look-up whose askers have gone on goes on and fills
// the cache.
//
// Belongs to one thread with a loop. Its tasks may outlive it. May be made before a fork.
//
// Source: tornado.netutil.Resolver, ThreadedResolver, OverrideResolver.
#ifndef SQUALL_NETUTIL_RESOLVER_H_
#define SQUALL_NETUTIL_RESOLVER_H_

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "squall/ioloop/executor.h"
#include "squall/ioloop/task.h"
#include "squall/netutil/address.h"

namespace squall {

namespace internal {
class ResolverState;
}  // namespace internal

// Asks for another host in the place of one. What is not set fits everything.
struct HostOverride {
  std::string host;
  std::optional<uint16_t> port = std::nullopt;
  int family = AF_UNSPEC;
  std::string to_host;  // a name or an address
  std::optional<uint16_t> to_port = std::nullopt;
};

struct ResolverOptions {
  // Without a timeout of its own a question ends after this time.
  absl::Duration timeout = absl::Seconds(20);
  // How long an answer is used; getaddrinfo does not tell what the name service says of that. Zero:
  // not at all.
  absl::Duration ttl = absl::Seconds(30);
  // The same for a failure. A name service that is down is not asked by each request.
  absl::Duration failure_ttl = absl::Seconds(3);
  // Names in the cache, of each family asked for; the one not used for longest goes first. 0: none.
  size_t max_cached = 1024;
  // Of several that fit, the one that says more: port and family, port, family, host alone. Names
  // are compared without case. What stands in its place is not looked up here again.
  std::vector<HostOverride> overrides = {};
  // In place of getaddrinfo, for tests and other name services. Called in threads of the executor;
  // may block. The ports of what it returns do not matter.
  using LookupFunction = std::function<absl::StatusOr<std::vector<SocketAddress>>(
      const std::string& host, int family)>;
  LookupFunction lookup = nullptr;
  // Not owned; must outlive the resolver's look-ups. Null: one that all resolvers of the process
  // share, with at most 16 threads.
  Executor* executor = nullptr;
};

struct ResolverStats {
  uint64_t lookups = 0;  // handed to the executor
  uint64_t cached = 0;   // questions answered out of the cache
  uint64_t shared = 0;   // questions that waited for the look-up of another one
  uint64_t failed = 0;   // look-ups
};

class Resolver {
 public:
  explicit Resolver(ResolverOptions options = {});
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  ~Resolver();

  // The addresses of `host`, with this port, in the order in which they should be tried (RFC 6724);
  // never none. `family` is AF_UNSPEC for both, AF_INET or AF_INET6. DEADLINE_EXCEEDED after
  // `timeout`, by default that of the options; NOT_FOUND for a name that does not exist, or has no
  // address of this family; UNAVAILABLE when the name service does not answer; INVALID_ARGUMENT for
  // what cannot be a name; RESOURCE_EXHAUSTED when too many look-ups wait. Each names the host. A
  // look-up that has begun by the end of `timeout` goes on and fills the cache; one that has not is
  // given up when nobody waits for it any more.
  Task<absl::StatusOr<std::vector<SocketAddress>>> Resolve(
      std::string host, uint16_t port, int family = AF_UNSPEC,
      std::optional<absl::Duration> timeout = std::nullopt);

  // Forgets all answers, for instance when the network has changed.
  void ClearCache();
  size_t cached_names() const;
  ResolverStats stats() const;

  // This thread's, of default options.
  static Resolver& OfThisThread();

 private:
  const std::shared_ptr<internal::ResolverState> state_;
};

}  // namespace squall

#endif  // SQUALL_NETUTIL_RESOLVER_H_
