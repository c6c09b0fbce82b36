// For tests: waits for what the server's thread does.
//
//   std::atomic<int> closed{0};  // raised by the delegate
//   client.Reset();
//   AwaitCount(closed, 1);
#ifndef SQUALL_HTTPSERVER_AWAIT_COUNT_H_
#define SQUALL_HTTPSERVER_AWAIT_COUNT_H_

#include <atomic>
#include <chrono>
#include <thread>

#include "gtest/gtest.h"

namespace squall {

// Until `counter` is at least `value`; the test fails after 20 s. Any thread but the server's.
inline void AwaitCount(const std::atomic<int>& counter, int value) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (counter < value) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_AWAIT_COUNT_H_
