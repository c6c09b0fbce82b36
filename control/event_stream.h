// One WatchEvents stream. Nothing is queued for it: it has a place in the log, and one message in
// gRPC's hands. A reader that leaves that message lying for too long is cut, and told where to go
// on.
#ifndef SQUALL_CONTROL_EVENT_STREAM_H_
#define SQUALL_CONTROL_EVENT_STREAM_H_

#include <memory>
#include <mutex>
#include <string>

#include "grpcpp/grpcpp.h"
#include "squall/base/clock.h"
#include "squall/control/control_core.h"
#include "squall/control/event_to_proto.h"
#include "squall/control/snapshot_hub.h"
#include "squall/control/v1/control.pb.h"

namespace squall::internal {

class EventStream final : public grpc::ServerWriteReactor<control::v1::WatchEventsResponse>,
                          public SnapshotHub::Listener {
 public:
  // The caller has counted the stream in core.watches; the stream counts itself out.
  static grpc::ServerWriteReactor<control::v1::WatchEventsResponse>* Start(
      ControlCore& core, const Caller& caller, const control::v1::WatchEventsRequest& request);

  // Its word that there may be something new; the events come from the log.
  void OnSnapshot(const PoolSnapshot& snapshot) override;

 private:
  EventStream(ControlCore& core, const Caller& caller,
              const control::v1::WatchEventsRequest& request)
      : core_(core), caller_(caller), filter_(request.kinds()) {}

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void Begin(const control::v1::WatchEventsRequest& request);
  // Sends what is next, if the last message is taken and there is something.
  void SendNext();
  void FinishOnce(const grpc::Status& status);

  ControlCore& core_;
  const Caller caller_;
  const EventFilter filter_;
  std::string instance_id_;

  std::mutex mutex_;  // guards all that follows but self_
  bool writing_ = false;
  bool finished_ = false;
  EventCursor cursor_;
  control::v1::WatchEventsResponse message_;
  MonotonicTime last_message_;

  std::shared_ptr<EventStream> self_;  // gRPC's reference, dropped in OnDone
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_EVENT_STREAM_H_
