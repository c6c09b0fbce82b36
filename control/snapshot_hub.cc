#include "squall/control/snapshot_hub.h"

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "squall/control/pool_backend.h"

namespace squall::internal {

void SnapshotHub::Subscribe(std::shared_ptr<Listener> listener) {
  bool first;
  {
    std::lock_guard lock(mutex_);
    first = listeners_.empty();
    listeners_.push_back(std::move(listener));
  }
  if (first && on_first_ != nullptr) on_first_();
}

void SnapshotHub::Unsubscribe(const Listener* listener) {
  std::shared_ptr<Listener> last_reference;  // Released after the lock.
  std::lock_guard lock(mutex_);
  for (std::shared_ptr<Listener>& candidate : listeners_) {
    if (candidate.get() != listener) continue;
    last_reference = std::move(candidate);
    candidate = std::move(listeners_.back());
    listeners_.pop_back();
    return;
  }
}

bool SnapshotHub::has_listeners() const {
  std::lock_guard lock(mutex_);
  return !listeners_.empty();
}

void SnapshotHub::Refresh() {
  std::lock_guard refresh_lock(refresh_mutex_);
  std::vector<std::shared_ptr<Listener>> listeners;
  {
    std::lock_guard lock(mutex_);
    listeners = listeners_;
  }
  if (listeners.empty()) return;
  const PoolSnapshot snapshot = reader_.Read();
  for (const std::shared_ptr<Listener>& listener : listeners) listener->OnSnapshot(snapshot);
}

}  // namespace squall::internal
