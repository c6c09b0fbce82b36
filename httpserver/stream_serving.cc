#include "squall/httpserver/stream_serving.h"

#include <utility>

namespace squall::internal {

StreamServing::Connection::Connection(std::shared_ptr<StreamServing> serving)
    : serving_(std::move(serving)) {
  ++serving_->connections_;
  serving_->stats_.ConnectionOpened();
}

StreamServing::Connection::~Connection() {
  --serving_->connections_;
  serving_->stats_.ConnectionLeft();
  serving_->MaybeFinishDrain();
}

bool StreamServing::JoinWorker(WorkerStats::DrainHandler on_drain) {
  on_drain_ = std::move(on_drain);
  const WorkerStats::Joined joined = stats_.Attach(
      [this](const DrainRequest& request, absl::AnyInvocable<void()> done) {
        if (on_drain_ != nullptr) {
          on_drain_(request, std::move(done));
        } else {
          Drain(std::move(done));
        }
      },
      accept_stats_);
  return joined != WorkerStats::Joined::kDrainingWorker;
}

void StreamServing::Drain(absl::AnyInvocable<void()> done) {
  if (done != nullptr) drain_done_.push_back(std::move(done));
  drain_.request_stop();
  MaybeFinishDrain();
}

void StreamServing::MaybeFinishDrain() {
  if (!drained() || drain_done_.empty()) return;
  // The tasks of a loop end with it.
  IOLoop* const loop = IOLoop::IfExists();
  if (loop == nullptr) return;
  loop->AddCallback([self = shared_from_this()] {
    // One that was expected may have come; its end asks again.
    if (!self->drained()) return;
    for (absl::AnyInvocable<void()>& done : std::exchange(self->drain_done_, {})) done();
  });
}

}  // namespace squall::internal
