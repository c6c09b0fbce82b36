#include "squall/process/pool_action.h"

namespace squall {

std::string_view ResizeReasonName(ResizeReason reason) {
  switch (reason) {
    case ResizeReason::kNone:
      return "";
    case ResizeReason::kNegativeTarget:
      return "NEGATIVE_TARGET";
    case ResizeReason::kSlotCapacity:
      return "SLOT_CAPACITY";
    case ResizeReason::kStaleGeneration:
      return "STALE_GENERATION";
    case ResizeReason::kRequestIdReused:
      return "REQUEST_ID_REUSED";
    case ResizeReason::kRequestIdTooLong:
      return "REQUEST_ID_TOO_LONG";
    case ResizeReason::kTooManyRequestIds:
      return "TOO_MANY_REQUEST_IDS";
    case ResizeReason::kShuttingDown:
      return "SHUTTING_DOWN";
    case ResizeReason::kNotStarted:
      return "NOT_STARTED";
  }
  return "UNKNOWN";
}

}  // namespace squall
