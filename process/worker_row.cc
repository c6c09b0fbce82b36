#include "squall/process/worker_row.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>

namespace squall {
namespace {

// A row is born as zeroes, so a time is kept as its nanoseconds with 0 for "none": CLOCK_MONOTONIC
// does not return 0 in practice.
constexpr uint64_t kNoTime = 0;

// For how long the longest turn of a loop is remembered at least; twice as long at most.
constexpr uint64_t kTurnWindowNanos = 10'000'000'000;

uint64_t ToNanos(absl::Duration duration) {
  return static_cast<uint64_t>(absl::ToInt64Nanoseconds(duration));
}

// The first n (at most 8) octets at `text` as they would stand in memory, by at most two loads.
// Copying a short text octet by octet and reading it back as words defeats the processor's store
// forwarding: 47 ns per request instead of about 20.
uint64_t Word(const char* text, size_t n) {
  uint64_t word = 0;
  if constexpr (std::endian::native == std::endian::little) {
    if (n >= 8) {
      std::memcpy(&word, text, 8);
    } else if (n >= 4) {
      uint32_t low, high;
      std::memcpy(&low, text, 4);
      std::memcpy(&high, text + n - 4, 4);
      word = low | static_cast<uint64_t>(high) << (n - 4) * 8;
    } else {
      for (size_t i = 0; i < n; ++i) {
        word |= static_cast<uint64_t>(static_cast<uint8_t>(text[i])) << i * 8;
      }
    }
  } else {
    std::memcpy(&word, text, std::min<size_t>(n, 8));
  }
  return word;
}

// Only the words that this text uses: most targets are short.
void StoreText(std::string_view text, std::atomic<uint64_t>* words) {
  for (size_t i = 0; i < text.size(); i += 8) {
    words[i / 8].store(Word(text.data() + i, text.size() - i), std::memory_order_relaxed);
  }
}

}  // namespace

void WorkerRow::BeginRequest(std::string_view method, std::string_view target, MonotonicTime now) {
  method = method.substr(0, sizeof(RequestInFlight::method_data));
  target = target.substr(0, sizeof(RequestInFlight::target_data));
  request_sequence_.BeginWrite();
  request_since_ns_.store(static_cast<uint64_t>(now.nanos()), std::memory_order_relaxed);
  request_sizes_.store(method.size() | target.size() << 8, std::memory_order_relaxed);
  StoreText(method, request_method_);
  StoreText(target, request_target_);
  Bump(in_flight_, 1);
  request_sequence_.EndWrite();
}

void WorkerRow::Heartbeat(MonotonicTime now) {
  const auto nanos = static_cast<uint64_t>(now.nanos());
  heartbeat_ns_.store(nanos, std::memory_order_relaxed);
  if (nanos - turn_window_began_ns_.load(std::memory_order_relaxed) < kTurnWindowNanos) return;
  turn_window_began_ns_.store(nanos, std::memory_order_relaxed);
  longest_turn_before_ns_.store(ToNanos(loop_.longest_turn()), std::memory_order_relaxed);
  loop_.ForgetLongestTurn();
}

WorkerCounters WorkerRow::counters() const {
  WorkerCounters copy;
  for (size_t i = 0; i < std::size(counters_); ++i) {
    copy.values[i] = counters_[i].load(std::memory_order_relaxed);
  }
  copy[WorkerCounter::kLoopTurns] = loop_.turns();
  copy[WorkerCounter::kLoopBusyNanos] = loop_.busy_nanos();
  return copy;
}

LatencyHistogram WorkerRow::latency() const {
  LatencyHistogram copy;
  for (size_t i = 0; i < std::size(latency_buckets_); ++i) {
    copy.buckets_[i] = latency_buckets_[i].load(std::memory_order_relaxed);
  }
  copy.sum_ns_ = latency_sum_ns_.load(std::memory_order_relaxed);
  copy.max_ns_ = latency_max_ns_.load(std::memory_order_relaxed);
  return copy;
}

absl::Duration WorkerRow::longest_loop_turn() const {
  return std::max(loop_.longest_turn(),
                  absl::Nanoseconds(longest_turn_before_ns_.load(std::memory_order_relaxed)));
}

MonotonicTime WorkerRow::heartbeat() const {
  const uint64_t nanos = heartbeat_ns_.load(std::memory_order_relaxed);
  return nanos == kNoTime ? MonotonicTime::Infinite()
                          : MonotonicTime::FromNanos(static_cast<int64_t>(nanos));
}

bool WorkerRow::LoadRequest(std::optional<RequestInFlight>* request) const {
  uint64_t in_flight = 0;
  uint64_t since = 0;
  uint64_t sizes = 0;
  uint64_t method[kMethodWords];
  uint64_t target[kTargetWords];
  const bool consistent = request_sequence_.Read([&] {
    in_flight = in_flight_.load(std::memory_order_relaxed);
    since = request_since_ns_.load(std::memory_order_relaxed);
    sizes = request_sizes_.load(std::memory_order_relaxed);
    for (size_t i = 0; i < kMethodWords; ++i) {
      method[i] = request_method_[i].load(std::memory_order_relaxed);
    }
    for (size_t i = 0; i < kTargetWords; ++i) {
      target[i] = request_target_[i].load(std::memory_order_relaxed);
    }
  });
  if (!consistent) return false;
  request->reset();
  if (in_flight == 0) return true;
  RequestInFlight& copy = request->emplace();
  copy.since = MonotonicTime::FromNanos(static_cast<int64_t>(since));
  // The sizes come from another process, which may be out of its mind.
  copy.method_size =
      static_cast<uint8_t>(std::min<uint64_t>(sizes & 0xff, sizeof(copy.method_data)));
  copy.target_size =
      static_cast<uint8_t>(std::min<uint64_t>(sizes >> 8 & 0xff, sizeof(copy.target_data)));
  std::memcpy(copy.method_data, method, copy.method_size);
  std::memcpy(copy.target_data, target, copy.target_size);
  return true;
}

std::string_view WorkerRow::stack() const {
  // The size comes from another process, which was out of its mind.
  return {stack_, std::min<size_t>(stack_size_.load(std::memory_order_acquire), kMaxStack)};
}

void WorkerRow::Fold() {
  // First, so that nobody takes what is half cleared for a live worker's.
  writer_.Store({});
  connections_.store(0, std::memory_order_relaxed);
  heartbeat_ns_.store(kNoTime, std::memory_order_relaxed);
  accepting_.store(0, std::memory_order_relaxed);
  loop_.EndLoop();
  turn_window_began_ns_.store(kNoTime, std::memory_order_relaxed);
  longest_turn_before_ns_.store(0, std::memory_order_relaxed);
  in_flight_.store(0, std::memory_order_relaxed);
  request_sequence_.Repair();
  stack_size_.store(0, std::memory_order_relaxed);
}

}  // namespace squall
