// What one worker writes into the scoreboard while it serves: counters, its heartbeat and the
// request it is at. Each call costs a few nanoseconds and no system call; the times are passed in.
//
//   WorkerRow& row = worker.row();
//   row.Add(WorkerCounter::kAccepted);
//   row.AddConnections(1);
//   row.BeginRequest("GET", "/report?year=2026", loop.Now());
//   row.EndRequest();
//   row.CountResponse(200);
//
// Written by the worker's loop thread only (plain load and store, no locked instruction); read by
// any process at any time. The counters are the slot's, over all its workers, and only grow: a
// worker goes on where its predecessor stopped, so that sums over the rows never go back.
// PoolSnapshot has the difference since the worker's start.
#ifndef SQUALL_PROCESS_WORKER_ROW_H_
#define SQUALL_PROCESS_WORKER_ROW_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "squall/base/clock.h"
#include "squall/process/seqlock.h"

namespace squall {

// The order is the layout of the scoreboard: appending one, or any other change, needs a new
// Scoreboard::kSchemaVersion.
enum class WorkerCounter : uint8_t {
  kAccepted,      // Connections accepted.
  kRequests,      // Request heads read in full.
  kResponses1xx,  // Responses sent, by the class of their status.
  kResponses2xx,
  kResponses3xx,
  kResponses4xx,
  kResponses5xx,
  kBytesIn,           // Octets read from clients.
  kBytesOut,          // Octets written to clients.
  kAcceptWouldBlock,  // Wake-ups by a listener that a sibling had emptied.
};
inline constexpr int kNumWorkerCounters = 10;

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
  // --- The worker.

  void Add(WorkerCounter counter, uint64_t n = 1) { Bump(counters_[Index(counter)], n); }
  // By the class of `status`; a status outside 100 … 599 is not counted.
  void CountResponse(int status) {
    if (status < 100 || status > 599) return;
    Bump(counters_[Index(WorkerCounter::kResponses1xx) + status / 100 - 1], 1);
  }
  // Open connections: +1 when one is accepted, −1 when it is closed.
  void AddConnections(int64_t delta) { Bump(connections_, static_cast<uint64_t>(delta)); }
  // "My loop runs", at least once a second.
  void Heartbeat(MonotonicTime now) {
    heartbeat_ns_.store(static_cast<uint64_t>(now.nanos()), std::memory_order_relaxed);
  }
  // "I take new connections": with listeners, and until the drain.
  void SetAccepting(bool accepting) {
    accepting_.store(accepting ? 1 : 0, std::memory_order_relaxed);
  }
  // For IOLoop::SetIdleFlag.
  std::atomic<uint64_t>* idle_flag() { return &idle_; }
  // The worker turned to this request. The row shows the one begun last; method and target are cut
  // to 15 and 127 octets.
  void BeginRequest(std::string_view method, std::string_view target, MonotonicTime now);
  // The end of one request that was begun. With the last one the row shows none.
  void EndRequest() {
    const uint64_t open = in_flight_.load(std::memory_order_relaxed);
    if (open > 0) in_flight_.store(open - 1, std::memory_order_relaxed);
  }

  // --- Any reader.

  uint64_t counter(WorkerCounter counter) const {
    return counters_[Index(counter)].load(std::memory_order_relaxed);
  }
  WorkerCounters counters() const {
    WorkerCounters copy;
    for (size_t i = 0; i < copy.values.size(); ++i) {
      copy.values[i] = counters_[i].load(std::memory_order_relaxed);
    }
    return copy;
  }
  int64_t connections() const {
    return static_cast<int64_t>(connections_.load(std::memory_order_relaxed));
  }
  bool accepting() const { return accepting_.load(std::memory_order_relaxed) != 0; }
  // The worker's loop waits for something to do.
  bool idle() const { return idle_.load(std::memory_order_relaxed) != 0; }
  // Requests begun and not ended.
  uint64_t in_flight() const { return in_flight_.load(std::memory_order_relaxed); }
  // The time of the last Heartbeat; Infinite() when there was none.
  MonotonicTime heartbeat() const;
  // The request begun last of those in flight; unset when there is none. False when it could not be
  // read in one piece: the worker is, or died, in the middle of writing it.
  [[nodiscard]] bool LoadRequest(std::optional<RequestInFlight>* request) const;

  // --- The master, while no process writes this row.

  // Clears what belonged to the dead worker alone: connections, heartbeat, request. Counters stay.
  void Fold();

 private:
  static constexpr size_t kMethodWords = 2;   // 15 octets
  static constexpr size_t kTargetWords = 16;  // 127 octets

  static size_t Index(WorkerCounter counter) { return static_cast<size_t>(counter); }
  static void Bump(std::atomic<uint64_t>& value, uint64_t n) {
    value.store(value.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }

  std::atomic<uint64_t> counters_[kNumWorkerCounters];
  std::atomic<uint64_t> connections_;
  std::atomic<uint64_t> heartbeat_ns_;
  std::atomic<uint64_t> in_flight_;
  std::atomic<uint64_t> accepting_;
  std::atomic<uint64_t> idle_;
  alignas(64) internal::Sequence request_sequence_;
  std::atomic<uint64_t> request_since_ns_;
  std::atomic<uint64_t> request_sizes_;  // Of method and target, one octet each.
  std::atomic<uint64_t> request_method_[kMethodWords];
  std::atomic<uint64_t> request_target_[kTargetWords];
};

}  // namespace squall

#endif  // SQUALL_PROCESS_WORKER_ROW_H_
