#include "squall/process/broadcast.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "squall/process/master.h"

namespace squall {

absl::StatusOr<int> Broadcast(std::string_view message) {
  internal::Master* const master = internal::Master::Current();
  if (master == nullptr) {
    return absl::FailedPreconditionError(
        "Broadcast was called in a process that is no master; only the master has workers to tell");
  }
  if (message.size() > kMaxBroadcast) {
    return absl::InvalidArgumentError(absl::StrCat("a broadcast has at most ", kMaxBroadcast,
                                                   " bytes, this one has ", message.size()));
  }
  return master->Broadcast(message);
}

}  // namespace squall
