// A pool that is watched in the background, for a loop that has other things to wait for, too.
//
//   PoolFollower follower(client, absl::Seconds(1));
//   while (!follower.end().has_value()) {
//     pollfd wait = {follower.fd(), POLLIN, 0};
//     poll(&wait, 1, 1000);
//     follower.Acknowledge();
//     if (follower.known()) Show(follower.At(absl::Now()));
//   }
#ifndef SQUALL_CONTROL_SQUALLCTL_POOL_FOLLOWER_H_
#define SQUALL_CONTROL_SQUALLCTL_POOL_FOLLOWER_H_

#include <mutex>
#include <optional>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/base/unique_fd.h"
#include "squall/control/client.h"
#include "squall/control/squallctl/watched_pool.h"

namespace squall::internal {

class PoolFollower {
 public:
  // Starts a thread. `client` must outlive the object. Counters and rates are renewed each
  // `interval`. A control process that is restarted is waited for.
  PoolFollower(ControlClient& client, absl::Duration interval);
  // Waits until the server is gone: a program that ends before exits with _exit(2).
  ~PoolFollower();

  PoolFollower(const PoolFollower&) = delete;
  PoolFollower& operator=(const PoolFollower&) = delete;

  // Readable when something changed since Acknowledge(), and from the end on.
  int fd() const { return changed_.get(); }
  void Acknowledge();

  // False before the first snapshot; then At() has nothing to tell.
  bool known() const;
  WatchedPool::View At(absl::Time now);
  // Why the pool can be followed no longer; nullopt: it can.
  std::optional<absl::Status> end() const;

 private:
  void Follow();
  void Notify();

  ControlClient& client_;
  const absl::Duration interval_;
  UniqueFd changed_;  // eventfd(2)
  mutable std::mutex mutex_;
  WatchedPool watched_;              // guarded by mutex_
  std::optional<absl::Status> end_;  // guarded by mutex_
  std::thread reader_;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_POOL_FOLLOWER_H_
