// What a loop tells about itself while it runs: how often it turns, and how long what it calls takes.
//
//   LoopMeter meter;              // or in shared memory, zeroed at first
//   loop.SetMeter(&meter);
//   ...
//   if (meter.longest_turn() > absl::Milliseconds(100)) LOG(WARNING) << "a handler blocks the loop";
//
// A turn is what the loop does from one look at its descriptors to the next: so long an event may
// wait until the loop sees it. It costs the loop no look at the clock that it would not take anyway.
//
// The loop's thread writes (plain load and store, no locked instruction); any thread, and any
// process that shares the memory, reads.
#ifndef SQUALL_IOLOOP_LOOP_METER_H_
#define SQUALL_IOLOOP_LOOP_METER_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace squall {

class LoopMeter {
 public:
  // --- Any reader.

  // The loop waits for something to do: it would answer at once.
  bool idle() const { return idle_.load(std::memory_order_relaxed) != 0; }
  // Both only grow: the turns that have ended, and the time that they took together, which is the
  // time that the loop did not wait.
  uint64_t turns() const { return turns_.load(std::memory_order_relaxed); }
  uint64_t busy_nanos() const { return busy_ns_.load(std::memory_order_relaxed); }
  // Of the turn that ended last, and of the longest since ForgetLongestTurn. A turn that is going on
  // is in neither.
  absl::Duration last_turn() const {
    return absl::Nanoseconds(last_turn_ns_.load(std::memory_order_relaxed));
  }
  absl::Duration longest_turn() const {
    return absl::Nanoseconds(longest_turn_ns_.load(std::memory_order_relaxed));
  }

  // --- The thread of the loop.

  void ForgetLongestTurn() { longest_turn_ns_.store(0, std::memory_order_relaxed); }

  // --- The loop itself.

  void BeginWait() { idle_.store(1, std::memory_order_relaxed); }
  void EndWait() { idle_.store(0, std::memory_order_relaxed); }
  void EndTurn(int64_t nanos) {
    const auto took = static_cast<uint64_t>(nanos);
    turns_.store(turns() + 1, std::memory_order_relaxed);
    busy_ns_.store(busy_nanos() + took, std::memory_order_relaxed);
    last_turn_ns_.store(took, std::memory_order_relaxed);
    if (took > longest_turn_ns_.load(std::memory_order_relaxed)) {
      longest_turn_ns_.store(took, std::memory_order_relaxed);
    }
  }

  // --- Whoever outlived the loop's process.

  // What was so at the end of that process is no longer; what only grows stays.
  void EndLoop() {
    EndWait();
    last_turn_ns_.store(0, std::memory_order_relaxed);
    ForgetLongestTurn();
  }

 private:
  std::atomic<uint64_t> idle_;
  std::atomic<uint64_t> turns_;
  std::atomic<uint64_t> busy_ns_;
  std::atomic<uint64_t> last_turn_ns_;
  std::atomic<uint64_t> longest_turn_ns_;
};

}  // namespace squall

#endif  // SQUALL_IOLOOP_LOOP_METER_H_
