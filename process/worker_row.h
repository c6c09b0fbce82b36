// What one worker writes into the scoreboard while it serves: counters, its heartbeat, the request
// it is at, how long requests took, how its loop does. Each call costs a few nanoseconds and no
// system call; the times are passed in.
//
//   WorkerRow& row = worker.row();
//   row.Add(WorkerCounter::kAccepted);
//   row.AddConnections(1);
//   row.BeginRequest("GET", "/report?year=2026", begun);
//   row.EndRequest();
//   row.CountResponse(200);
//   row.RecordLatency(begun, now);
//
// Written by the worker's loop thread only (plain load and store, no locked instruction); read by
// any process at any time. Counters and latencies are the row's, over all its workers, and only
// grow: a worker goes on where its predecessor stopped, so that sums over the rows never go back.
// PoolSnapshot has the difference since the worker's start.
#ifndef SQUALL_PROCESS_WORKER_ROW_H_
#define SQUALL_PROCESS_WORKER_ROW_H_

#include <sys/types.h>

#include <array>
#include <atomic>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/ioloop/loop_meter.h"
#include "squall/process/latency_histogram.h"
#include "squall/process/seqlock.h"

namespace squall {

// The order is the layout of the scoreboard: any change of it needs a new
// Scoreboard::kSchemaVersion. What each request counts comes first, in one cache line.
enum class WorkerCounter : uint8_t {
  kRequests,      // Request heads read in full.
  kResponses1xx,  // Responses sent, by the class of their status.
  kResponses2xx,
  kResponses3xx,
  kResponses4xx,
  kResponses5xx,
  kBytesIn,           // Octets read from clients.
  kBytesOut,          // Octets written to clients.
  kAccepted,          // Connections accepted.
  kAcceptWakeups,     // Wake-ups by a listener.
  kAcceptWouldBlock,  // Accepts in vain after a wake-up: a sibling had emptied the listener.
  kAcceptYields,      // Times that it stood back for an idle sibling (AcceptPolicy::kBalanced).
  kAcceptRescues,     // Connections found without a wake-up: somebody had swallowed it.
  kAcceptPauses,      // Times that accepting stopped for lack of descriptors or memory.
  // Counted by the loop itself, see LoopMeter.
  kLoopTurns,      // Its wake-ups.
  kLoopBusyNanos,  // The time in which it did not wait.
};
inline constexpr int kNumWorkerCounters = 16;

// A copy of all counters.
struct WorkerCounters {
  std::array<uint64_t, kNumWorkerCounters> values{};

  uint64_t operator[](WorkerCounter counter) const { return values[static_cast<size_t>(counter)]; }
  uint64_t& operator[](WorkerCounter counter) { return values[static_cast<size_t>(counter)]; }
  WorkerCounters& operator+=(const WorkerCounters& other) {
    for (size_t i = 0; i < values.size(); ++i) values[i] += other.values[i];
    return *this;
  }
  // `earlier` is an earlier copy of the same counters.
  WorkerCounters& operator-=(const WorkerCounters& earlier) {
    for (size_t i = 0; i < values.size(); ++i) values[i] -= earlier.values[i];
    return *this;
  }
};

// Names a process: the how-manieth of which slot. {} names none.
struct ProcessKey {
  int slot = 0;
  uint64_t incarnation = 0;

  friend auto operator<=>(const ProcessKey&, const ProcessKey&) = default;
};

// The process that writes a row.
struct RowWriter {
  ProcessKey process;
  pid_t pid = 0;
  uint64_t generation = 0;     // Of the worker, see SlotView.
  MonotonicTime started_at{};  // When it began to write.
};

// The request a worker is at, as read from its row.
struct RequestInFlight {
  std::string_view method() const { return {method_data, method_size}; }
  // At most 127 octets of the request target, as received: not printable without escaping.
  std::string_view target() const { return {target_data, target_size}; }

  MonotonicTime since;
  uint8_t method_size = 0;
  uint8_t target_size = 0;
  char method_data[15] = {};
  char target_data[127] = {};
};

class alignas(64) WorkerRow {
 public:
  static constexpr size_t kMaxStack = 4096;

  // --- The worker.

  // First of all, so that what this process writes is taken for its own.
  void Enter(const RowWriter& writer) { writer_.Store(writer); }

  // Without effect on the last two counters, which are the loop's.
  void Add(WorkerCounter counter, uint64_t n = 1) { Bump(counters_[Index(counter)], n); }
  // By the class of `status`; a status outside 100 … 599 is not counted.
  void CountResponse(int status) {
    if (status < 100 || status > 599) return;
    Bump(counters_[Index(WorkerCounter::kResponses1xx) + status / 100 - 1], 1);
  }
  // Open connections: +1 when one is accepted, −1 when its last answer is sent or it is closed.
  void AddConnections(int64_t delta) { Bump(connections_, static_cast<uint64_t>(delta)); }
  // "My loop runs", at least once a second.
  void Heartbeat(MonotonicTime now);
  // "I take new connections": with listeners, and until the drain.
  void SetAccepting(bool accepting) {
    accepting_.store(accepting ? 1 : 0, std::memory_order_relaxed);
  }
  // For IOLoop::SetMeter.
  LoopMeter* loop_meter() { return &loop_; }
  // The worker turned to this request. The row shows the one begun last; method and target are cut
  // to 15 and 127 octets.
  void BeginRequest(std::string_view method, std::string_view target, MonotonicTime now);
  // The end of one request that was begun. With the last one the row shows none.
  void EndRequest() {
    const uint64_t open = in_flight_.load(std::memory_order_relaxed);
    if (open > 0) in_flight_.store(open - 1, std::memory_order_relaxed);
  }
  // A request whose head was complete at `begun` was answered, to the last octet, by `now`.
  void RecordLatency(MonotonicTime begun, MonotonicTime now) {
    const uint64_t nanos =
        now > begun ? static_cast<uint64_t>(now.nanos() - begun.nanos()) : uint64_t{0};
    const int bucket = LatencyHistogram::BucketOf(nanos / 1000);
    Bump(latency_buckets_[static_cast<size_t>(bucket)], 1);
    Bump(latency_sum_ns_, nanos);
    if (nanos > latency_max_ns_.load(std::memory_order_relaxed)) {
      latency_max_ns_.store(nanos, std::memory_order_relaxed);
    }
  }

  // For the stack of this process in words, to be found by the master when it is dead. A signal
  // handler writes into the area, and then, or piece by piece, stores with release how many octets
  // of it are good.
  std::span<char> stack_area() { return stack_; }
  std::atomic<uint32_t>* stack_size() { return &stack_size_; }

  // --- Any reader.

  uint64_t counter(WorkerCounter counter) const { return counters()[counter]; }
  WorkerCounters counters() const;
  LatencyHistogram latency() const;
  int64_t connections() const {
    return static_cast<int64_t>(connections_.load(std::memory_order_relaxed));
  }
  bool accepting() const { return accepting_.load(std::memory_order_relaxed) != 0; }
  // The worker's loop waits for something to do.
  bool idle() const { return loop_.idle(); }
  // Of the turns of its loop that have ended; the longest of the last 10 to 20 s.
  absl::Duration last_loop_turn() const { return loop_.last_turn(); }
  absl::Duration longest_loop_turn() const;
  // Requests begun and not ended.
  uint64_t in_flight() const { return in_flight_.load(std::memory_order_relaxed); }
  // The time of the last Heartbeat; Infinite() when there was none.
  MonotonicTime heartbeat() const;
  // The process that wrote what this row has; its key is {} when there was none since Fold. False
  // when it died while it said so.
  [[nodiscard]] bool LoadWriter(RowWriter* writer) const { return writer_.Load(writer); }
  // The request begun last of those in flight; unset when there is none. False when it could not be
  // read in one piece: the worker is, or died, in the middle of writing it.
  [[nodiscard]] bool LoadRequest(std::optional<RequestInFlight>* request) const;

  // --- The master, while no process writes this row.

  // What the worker left as its stack, octets of any kind; often nothing.
  std::string_view stack() const;
  // Clears what belonged to the dead worker alone: all but counters and latencies.
  void Fold();

 private:
  static constexpr size_t kMethodWords = 2;   // 15 octets
  static constexpr size_t kTargetWords = 16;  // 127 octets

  static size_t Index(WorkerCounter counter) { return static_cast<size_t>(counter); }
  static void Bump(std::atomic<uint64_t>& value, uint64_t n) {
    value.store(value.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }

  // What siblings look at with each accept, in one cache line.
  std::atomic<uint64_t> connections_;
  std::atomic<uint64_t> heartbeat_ns_;
  std::atomic<uint64_t> accepting_;
  LoopMeter loop_;
  static_assert(3 * sizeof(uint64_t) + sizeof(LoopMeter) == 64);

  alignas(64) std::atomic<uint64_t> counters_[kNumWorkerCounters];

  alignas(64) internal::Sequence request_sequence_;
  std::atomic<uint64_t> in_flight_;
  std::atomic<uint64_t> request_since_ns_;
  std::atomic<uint64_t> request_sizes_;  // Of method and target, one octet each.
  std::atomic<uint64_t> request_method_[kMethodWords];
  std::atomic<uint64_t> request_target_[kTargetWords];

  alignas(64) std::atomic<uint64_t> latency_sum_ns_;
  std::atomic<uint64_t> latency_max_ns_;  // Over all workers of the row.
  std::atomic<uint64_t> latency_buckets_[LatencyHistogram::kNumBuckets];

  // The longest turn of the loop in the window before the one that loop_ has now.
  std::atomic<uint64_t> turn_window_began_ns_;
  std::atomic<uint64_t> longest_turn_before_ns_;
  internal::Seqlock<RowWriter> writer_;
  std::atomic<uint32_t> stack_size_;
  char stack_[kMaxStack];
};

}  // namespace squall

#endif  // SQUALL_PROCESS_WORKER_ROW_H_
