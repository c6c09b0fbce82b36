// What the autoscaler has decided, and what operators see of it.
//
//   const AutoscalerView view = scoreboard.Read(now).autoscaler;
//   if (view.Decided()) std::cout << "the autoscaler: " << view.reason << '\n';
#ifndef SQUALL_PROCESS_SCALE_DECISION_H_
#define SQUALL_PROCESS_SCALE_DECISION_H_

#include <cstdint>
#include <string>

#include "squall/base/clock.h"

namespace squall {

struct ScaleDecision {
  // The values stand in shared memory.
  enum class Kind : uint8_t {
    kGrow,
    kShrink,
    kAtMaximum,  // More are needed than max_workers. Said once, until the target is below it.
    kHeldOff,    // More are needed, but workers do not start. Said once for each hold-off.
  };

  // Is there something to do?
  bool resizes() const { return !dry_run && (kind == Kind::kGrow || kind == Kind::kShrink); }

  Kind kind = Kind::kGrow;
  int target = 0;      // The present one with kAtMaximum and kHeldOff.
  std::string reason;  // For people, with all inputs.
  bool dry_run = false;
};

// Trivially copyable: the scoreboard holds one. Empty as long as the autoscaler is off.
struct AutoscalerView {
  MonotonicTime looked_at = MonotonicTime::Infinite();  // Infinite(): not yet.
  MonotonicTime next_look = MonotonicTime::Infinite();
  char inputs[160] = {};  // NUL-terminated; what it saw then, for people.

  // The last decision.
  MonotonicTime decided_at = MonotonicTime::Infinite();  // Infinite(): none.
  ScaleDecision::Kind kind = ScaleDecision::Kind::kGrow;
  bool dry_run = false;
  int target = 0;
  char reason[256] = {};  // NUL-terminated.

  bool Looked() const { return !looked_at.is_infinite(); }
  bool Decided() const { return !decided_at.is_infinite(); }
};

}  // namespace squall

#endif  // SQUALL_PROCESS_SCALE_DECISION_H_
