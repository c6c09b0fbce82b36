#include "squall/process/pool_action.h"

namespace squall {

std::string_view RefusalReasonName(RefusalReason reason, absl::StatusCode code) {
  switch (reason) {
    case RefusalReason::kNone:
      return "";
    case RefusalReason::kNegativeTarget:
      return "INVALID_FIELD";
    case RefusalReason::kSlotCapacity:
      return "SLOT_CAPACITY";
    case RefusalReason::kStaleGeneration:
      return "STALE_ETAG";
    case RefusalReason::kRequestIdReused:
      return "REQUEST_ID_REUSED";
    case RefusalReason::kTooManyRequestIds:
      return "TOO_MANY_REQUEST_IDS";
    case RefusalReason::kShuttingDown:
      return "SHUTTING_DOWN";
    case RefusalReason::kNotStarted:
      return "NOT_STARTED";
    case RefusalReason::kBadRestartOption:
      return code == absl::StatusCode::kFailedPrecondition ? "NO_SURGE_SLOTS" : "INVALID_FIELD";
    case RefusalReason::kNoSuchSlot:
      return "NO_SUCH_SLOT";
    case RefusalReason::kWrongIncarnation:
      return "WRONG_INCARNATION";
    case RefusalReason::kNotReady:
      return "WORKER_NOT_READY";
    case RefusalReason::kOperationInProgress:
      return "OPERATION_IN_PROGRESS";
    case RefusalReason::kReloadRefused:
      return "RELOAD_REFUSED";
    case RefusalReason::kNoSuchOperation:
      return "NO_SUCH_OPERATION";
    case RefusalReason::kOperationEnded:
      return "OPERATION_ENDED";
    case RefusalReason::kNotCancellable:
      return "NOT_CANCELLABLE";
    case RefusalReason::kTooManyOperations:
      return "TOO_MANY_OPERATIONS";
    case RefusalReason::kBreakerClosed:
      return "BREAKER_CLOSED";
    case RefusalReason::kNoSuchMode:
      return "INVALID_FIELD";
    case RefusalReason::kBadConfig:
      return "INVALID_FIELD";
  }
  return "UNKNOWN";
}

}  // namespace squall
