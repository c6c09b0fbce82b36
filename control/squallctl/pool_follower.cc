#include "squall/control/squallctl/pool_follower.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "absl/time/clock.h"

namespace squall::internal {

namespace v1 = ::squall::control::v1;

PoolFollower::PoolFollower(ControlClient& client, absl::Duration interval)
    : client_(client),
      interval_(interval),
      changed_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      watched_(interval),
      reader_([this] { Follow(); }) {}

PoolFollower::~PoolFollower() { reader_.join(); }

void PoolFollower::Notify() {
  const uint64_t one = 1;
  (void)!write(changed_.get(), &one, sizeof(one));
}

void PoolFollower::Acknowledge() {
  uint64_t count;
  (void)!read(changed_.get(), &count, sizeof(count));
}

bool PoolFollower::known() const {
  std::lock_guard lock(mutex_);
  return watched_.known();
}

WatchedPool::View PoolFollower::At(absl::Time now) {
  std::lock_guard lock(mutex_);
  return watched_.At(now);
}

std::optional<absl::Status> PoolFollower::end() const {
  std::lock_guard lock(mutex_);
  return end_;
}

void PoolFollower::Follow() {
  absl::Status status;
  while (true) {
    // Ends when the connection does. WatchPool finds out whether somebody is there again.
    status = client_.WatchPool(interval_, [&](const v1::WatchPoolResponse& response) {
      std::lock_guard lock(mutex_);
      watched_.Apply(response, absl::Now());
      Notify();
      return true;
    });
    if (!known() || (!status.ok() && status.code() != absl::StatusCode::kUnavailable)) break;
    // Says it in a sentence when nobody is there.
    status = client_.GetPool().status();
    if (!status.ok()) break;
  }
  std::lock_guard lock(mutex_);
  end_ = status;
  Notify();
}

}  // namespace squall::internal
