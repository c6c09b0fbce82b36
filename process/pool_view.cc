#include "squall/process/pool_view.h"

namespace squall {

std::string_view DeathCauseName(DeathCause cause) {
  switch (cause) {
    case DeathCause::kNone:
      return "";
    case DeathCause::kExited:
      return "exited";
    case DeathCause::kSignaled:
      return "signaled";
    case DeathCause::kBootFailure:
      return "boot failure";
    case DeathCause::kBootTimeout:
      return "boot timeout";
    case DeathCause::kHung:
      return "hung";
    case DeathCause::kOutOfMemory:
      return "out of memory";
  }
  return "unknown";
}

std::string_view RowRoleName(RowRole role) {
  switch (role) {
    case RowRole::kHolder:
      return "holder";
    case RowRole::kSuccessor:
      return "successor";
    case RowRole::kLeaving:
      return "leaving";
    case RowRole::kRefill:
      return "refill";
  }
  return "unknown";
}

std::string_view RestartPhaseName(RestartPhase phase) {
  switch (phase) {
    case RestartPhase::kNone:
      return "none";
    case RestartPhase::kRunning:
      return "running";
    case RestartPhase::kRollingBack:
      return "rolling back";
    case RestartPhase::kSucceeded:
      return "succeeded";
    case RestartPhase::kFailed:
      return "failed";
  }
  return "unknown";
}

std::string_view ShutdownModeName(ShutdownMode mode) {
  switch (mode) {
    case ShutdownMode::kNone:
      return "none";
    case ShutdownMode::kGraceful:
      return "graceful";
    case ShutdownMode::kFast:
      return "fast";
    case ShutdownMode::kKill:
      return "kill";
  }
  return "unknown";
}

}  // namespace squall
