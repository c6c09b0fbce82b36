#include "squall/process/worker_row.h"

#include <algorithm>
#include <cstring>

namespace squall {
namespace {

// A row is born as zeroes, so a time is kept as its nanoseconds with 0 for "none": CLOCK_MONOTONIC
// does not return 0 in practice.
constexpr uint64_t kNoTime = 0;

}  // namespace

void WorkerRow::BeginRequest(std::string_view method, std::string_view target, MonotonicTime now) {
  constexpr size_t kMethod = sizeof(RequestInFlight::method_data);
  constexpr size_t kTarget = sizeof(RequestInFlight::target_data);
  char text[kTextWords * 8];
  const size_t method_size = std::min(method.size(), kMethod);
  const size_t target_size = std::min(target.size(), kTarget);
  text[0] = static_cast<char>(method_size);
  text[1] = static_cast<char>(target_size);
  std::memcpy(text + 2, method.data(), method_size);
  std::memcpy(text + 2 + method_size, target.data(), target_size);
  const size_t size = 2 + method_size + target_size;
  const size_t words = (size + 7) / 8;
  std::memset(text + size, 0, words * 8 - size);

  request_sequence_.BeginWrite();
  request_since_ns_.store(static_cast<uint64_t>(now.nanos()), std::memory_order_relaxed);
  // Only the words that this request uses: most targets are short.
  for (size_t i = 0; i < words; ++i) {
    uint64_t word;
    std::memcpy(&word, text + i * 8, 8);
    request_text_[i].store(word, std::memory_order_relaxed);
  }
  Bump(in_flight_, 1);
  request_sequence_.EndWrite();
}

MonotonicTime WorkerRow::heartbeat() const {
  const uint64_t nanos = heartbeat_ns_.load(std::memory_order_relaxed);
  return nanos == kNoTime ? MonotonicTime::Infinite()
                          : MonotonicTime::FromNanos(static_cast<int64_t>(nanos));
}

bool WorkerRow::LoadRequest(std::optional<RequestInFlight>* request) const {
  uint64_t in_flight = 0;
  uint64_t since = 0;
  uint64_t words[kTextWords];
  const bool consistent = request_sequence_.Read([&] {
    in_flight = in_flight_.load(std::memory_order_relaxed);
    since = request_since_ns_.load(std::memory_order_relaxed);
    for (size_t i = 0; i < kTextWords; ++i) {
      words[i] = request_text_[i].load(std::memory_order_relaxed);
    }
  });
  if (!consistent) return false;
  request->reset();
  if (in_flight == 0) return true;
  char text[sizeof(words)];
  std::memcpy(text, words, sizeof(words));
  // The sizes come from another process, which may be out of its mind.
  RequestInFlight& copy = request->emplace();
  const size_t method_size =
      std::min<size_t>(static_cast<uint8_t>(text[0]), sizeof(copy.method_data));
  const size_t target_size =
      std::min<size_t>(static_cast<uint8_t>(text[1]), sizeof(copy.target_data));
  copy.since = MonotonicTime::FromNanos(static_cast<int64_t>(since));
  copy.method_size = static_cast<uint8_t>(method_size);
  copy.target_size = static_cast<uint8_t>(target_size);
  std::memcpy(copy.method_data, text + 2, method_size);
  std::memcpy(copy.target_data, text + 2 + method_size, target_size);
  return true;
}

void WorkerRow::Fold() {
  connections_.store(0, std::memory_order_relaxed);
  heartbeat_ns_.store(kNoTime, std::memory_order_relaxed);
  in_flight_.store(0, std::memory_order_relaxed);
  request_sequence_.Repair();
}

}  // namespace squall
