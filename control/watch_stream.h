// One WatchPool stream. It keeps at most one message in gRPC's hands and one snapshot of its own:
// a reader that is slow gets the newest state when it comes round, never a queue of old ones.
#ifndef SQUALL_CONTROL_WATCH_STREAM_H_
#define SQUALL_CONTROL_WATCH_STREAM_H_

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "squall/base/clock.h"
#include "squall/control/control_core.h"
#include "squall/control/snapshot_hub.h"
#include "squall/control/v1/control.pb.h"

namespace squall::internal {

class WatchStream final : public grpc::ServerWriteReactor<control::v1::WatchPoolResponse>,
                          public SnapshotHub::Listener {
 public:
  // The caller has counted the stream in core.watches and caller.use; it counts itself out.
  static grpc::ServerWriteReactor<control::v1::WatchPoolResponse>* Start(ControlCore& core,
                                                                         const Caller& caller,
                                                                         absl::Duration interval);

  void OnSnapshot(const PoolSnapshot& snapshot) override;

 private:
  // What the client was told of a slot: `state` changes are sent at once, the rest with the
  // counters.
  struct SentWorker {
    std::string state;
    std::string all;
  };

  WatchStream(ControlCore& core, const Caller& caller, absl::Duration interval)
      : core_(core), caller_(caller), interval_(interval) {}

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  // True when message_ has to be sent. With mutex_ held.
  bool Compose(const PoolSnapshot& snapshot);
  bool ComposeSnapshot(const PoolSnapshot& snapshot);
  void FinishOnce(const grpc::Status& status);

  ControlCore& core_;
  const Caller caller_;
  const absl::Duration interval_;

  std::mutex mutex_;  // guards all that follows but self_
  bool writing_ = false;
  bool finished_ = false;
  bool sent_snapshot_ = false;
  std::optional<PoolSnapshot> newest_;  // came while a write was under way
  control::v1::WatchPoolResponse message_;
  std::string sent_pool_;
  std::string sent_pool_state_;
  std::map<int, SentWorker> sent_workers_;
  MonotonicTime last_counters_;
  MonotonicTime last_message_;

  std::shared_ptr<WatchStream> self_;  // gRPC's reference, dropped in OnDone
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_WATCH_STREAM_H_
