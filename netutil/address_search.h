// Internal to netutil: the addresses of a host as they come, so that a question to the name service
// that is never answered holds back no answer to another one (RFC 8305 §3).
//
//   AddressSearch search(&resolver, "example.com", 443, AF_UNSPEC);
//   absl::StatusOr<std::vector<SocketAddress>> first = co_await search.First(timeout);
//   if (!first.ok()) co_return first.status();
//   ConnectionRace race(InterleavedFamilies(*std::move(first)), ConnectSocket, delay);
//   search.GoOnInto(&race);
//
// It asks for both families at once, as getaddrinfo does: one question, which knows /etc/hosts and
// the order of RFC 6724 with gai.conf(5). But getaddrinfo waits for both answers, and where somebody
// drops the queries for IPv6 addresses that is 5 seconds or more. So after kResolutionDelay it asks
// for each family by itself, too, and the first answer with addresses is used; the others add to it.
// The RFC asks for each from the beginning, and has an IPv4 answer wait for as long.
//
// One loop's thread.
#ifndef SQUALL_NETUTIL_ADDRESS_SEARCH_H_
#define SQUALL_NETUTIL_ADDRESS_SEARCH_H_

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/ioloop/detached_task.h"
#include "squall/ioloop/event.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/timeout.h"
#include "squall/netutil/address.h"
#include "squall/netutil/connection_race.h"
#include "squall/netutil/resolver.h"

namespace squall::internal {

class AddressSearch {
 public:
  // RFC 8305 §8, "Resolution Delay".
  static constexpr absl::Duration kResolutionDelay = absl::Milliseconds(50);

  // Of one family, AF_INET or AF_INET6, it is a single question. `resolver` is not owned and must
  // outlive this.
  AddressSearch(Resolver* resolver, std::string host, uint16_t port, int family);
  AddressSearch(const AddressSearch&) = delete;
  AddressSearch& operator=(const AddressSearch&) = delete;

  // Once. The first answer that has addresses, or when none has in time, the error of the question
  // for the whole, as Resolver::Resolve gives it.
  Task<absl::StatusOr<std::vector<SocketAddress>>> First(absl::Duration timeout);

  // Once, after First() was OK: hands to `race` what comes from now on, and tells it when nothing
  // more will. Not owned; must not run any more when this is destroyed.
  void GoOnInto(ConnectionRace* race);

 private:
  absl::Duration Left() const;
  void Ask(int family, absl::Duration timeout);
  static Task<> RunQuestion(AddressSearch* search, int family, absl::Duration timeout);
  void OnAnswer(int family, absl::StatusOr<std::vector<SocketAddress>> answer);
  void Keep(std::vector<SocketAddress> addresses);

  Resolver* const resolver_;
  const std::string host_;
  const uint16_t port_;
  const int family_;
  MonotonicTime deadline_;
  int open_questions_ = 0;
  bool complete_ = false;  // nothing more can come
  std::vector<SocketAddress> found_;
  absl::Status error_;
  ConnectionRace* race_ = nullptr;
  Event done_;
  Timeout delay_;
  DetachedList questions_;
};

}  // namespace squall::internal

#endif  // SQUALL_NETUTIL_ADDRESS_SEARCH_H_
