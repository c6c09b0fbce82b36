// Reads the pool once for everybody who waits for it to change. Watchers and waiting calls
// subscribe; whoever owns the hub calls Refresh() when the master says that something changed, and
// about five times a second while anyone is subscribed, for counters tell nobody that they move.
//
//   SnapshotHub hub(reader, [&] { StartTicking(); });
//   hub.Subscribe(waiter);    // waiter->OnSnapshot(…) from the next Refresh() on
//
// All functions may be called from any thread.
#ifndef SQUALL_CONTROL_SNAPSHOT_HUB_H_
#define SQUALL_CONTROL_SNAPSHOT_HUB_H_

#include <memory>
#include <mutex>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "squall/control/pool_backend.h"

namespace squall::internal {

class SnapshotHub {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    // Called without the hub's lock; may unsubscribe. A call may still be running, or come once
    // more, while Unsubscribe returns.
    virtual void OnSnapshot(const PoolSnapshot& snapshot) = 0;
  };

  // `on_first` runs whenever the first listener comes, in its thread, without the lock held. The
  // reader is not owned.
  SnapshotHub(PoolReader& reader, absl::AnyInvocable<void()> on_first)
      : reader_(reader), on_first_(std::move(on_first)) {}

  void Subscribe(std::shared_ptr<Listener> listener);
  void Unsubscribe(const Listener* listener);
  bool has_listeners() const;

  // Reads and tells every listener. Refreshes do not overlap, so that nobody sees an older snapshot
  // after a newer one.
  void Refresh();

 private:
  PoolReader& reader_;
  absl::AnyInvocable<void()> on_first_;
  std::mutex refresh_mutex_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Listener>> listeners_;  // guarded by mutex_
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SNAPSHOT_HUB_H_
