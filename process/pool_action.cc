#include "squall/process/pool_action.h"

namespace squall {

std::string_view RefusalReasonName(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::kNone:
      return "";
    case RefusalReason::kNegativeTarget:
      return "NEGATIVE_TARGET";
    case RefusalReason::kSlotCapacity:
      return "SLOT_CAPACITY";
    case RefusalReason::kStaleGeneration:
      return "STALE_GENERATION";
    case RefusalReason::kRequestIdReused:
      return "REQUEST_ID_REUSED";
    case RefusalReason::kRequestIdTooLong:
      return "REQUEST_ID_TOO_LONG";
    case RefusalReason::kTooManyRequestIds:
      return "TOO_MANY_REQUEST_IDS";
    case RefusalReason::kShuttingDown:
      return "SHUTTING_DOWN";
    case RefusalReason::kNotStarted:
      return "NOT_STARTED";
    case RefusalReason::kBadRestartOption:
      return "BAD_RESTART_OPTION";
  }
  return "UNKNOWN";
}

}  // namespace squall
