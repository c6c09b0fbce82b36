// Internal to netutil: several addresses of one host, tried so that a dead one costs little time:
// "happy eyeballs", RFC 8305 §4 and §5.
//
//   ConnectionRace race(InterleavedFamilies(std::move(addresses)), ConnectSocket, delay);
//   absl::StatusOr<UniqueFd> first = co_await race.Run(timeout);
//
// The attempts start one after the other, each when `delay` has passed since the one before, or at
// once when that has failed, and go on side by side. The first that succeeds wins; the others are
// destroyed, and so their sockets closed, before Run() returns. More addresses may come meanwhile.
#ifndef SQUALL_NETUTIL_CONNECTION_RACE_H_
#define SQUALL_NETUTIL_CONNECTION_RACE_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/detached_task.h"
#include "squall/ioloop/event.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/timeout.h"
#include "squall/netutil/address.h"

namespace squall::internal {

// The families alternate, beginning with that of the first; within each the order stays.
std::vector<SocketAddress> InterleavedFamilies(std::vector<SocketAddress> addresses);

class ConnectionRace {
 public:
  // An attempt of one address. Its error says why, without the address.
  using Attempt = std::function<Task<absl::StatusOr<UniqueFd>>(SocketAddress address)>;

  // There is at least one address.
  ConnectionRace(std::vector<SocketAddress> addresses, Attempt attempt, absl::Duration delay);
  ConnectionRace(const ConnectionRace&) = delete;
  ConnectionRace& operator=(const ConnectionRace&) = delete;

  // Once. The error has the code of the attempt that failed last, or DEADLINE_EXCEEDED, and tells
  // for each address what came of it: "127.0.0.1:80: Connection refused; [::1]:80: no answer". Of a
  // single one it tells only why.
  Task<absl::StatusOr<UniqueFd>> Run(absl::Duration timeout);

  // Before or during Run(): it does not give up when all addresses have failed, until NoMore().
  void ExpectMore() { expects_more_ = true; }
  void NoMore();
  // Those that are not there yet stand in line with those that have not started, and the families
  // alternate again.
  void Add(const std::vector<SocketAddress>& addresses);

 private:
  struct Entrant {
    SocketAddress address;
    bool started = false;
    std::optional<absl::Status> failure;
  };

  void StartNext();
  void StartNextAfter(absl::Duration delay);
  void GiveUpIfAllFailed();
  static Task<> RunAttempt(ConnectionRace* race, size_t index);
  void OnEnd(size_t index, absl::StatusOr<UniqueFd> result);
  std::string Account() const;

  const Attempt attempt_;
  const absl::Duration delay_;
  std::vector<Entrant> entrants_;
  size_t next_ = 0;
  size_t failed_ = 0;
  bool expects_more_ = false;
  MonotonicTime last_start_;
  UniqueFd winner_;
  absl::Status last_failure_;
  Event done_;
  Timeout timer_;
  DetachedList attempts_;
};

}  // namespace squall::internal

#endif  // SQUALL_NETUTIL_CONNECTION_RACE_H_
