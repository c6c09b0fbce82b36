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
