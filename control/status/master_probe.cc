#include "squall/control/status/master_probe.h"

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/base/clock.h"
#include "squall/process/control_link.h"

namespace squall::internal {

MasterProbe::~MasterProbe() { *self_ = nullptr; }

Task<absl::Status> MasterProbe::Ask() {
  if (answered_at_ != MonotonicTime() && Clock::RealNow() - answered_at_ < kFresh) {
    co_return answer_;
  }
  if (!asked_) Send();
  const std::shared_ptr<MasterProbe*> self = self_;
  if (absl::Status waited = co_await answered_.Wait(); !waited.ok()) co_return waited;
  if (*self == nullptr) co_return absl::CancelledError("the listener is gone");
  co_return answer_;
}

void MasterProbe::Send() {
  asked_ = true;
  LinkRequest ping;
  ping.command = LinkCommand::kPing;
  commander_.Send(ping, [loop = &loop_, weak = std::weak_ptr<MasterProbe*>(self_)](
                            const absl::StatusOr<LinkReply>& reply) {
    loop->AddCallback([weak, status = reply.status()] {
      const std::shared_ptr<MasterProbe*> self = weak.lock();
      if (self != nullptr && *self != nullptr) (*self)->OnAnswer(status);
    });
  });
}

void MasterProbe::OnAnswer(const absl::Status& status) {
  asked_ = false;
  answered_at_ = Clock::RealNow();
  answer_ = status;
  answered_.Set();
  answered_.Clear();
}

}  // namespace squall::internal
