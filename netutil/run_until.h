// Internal to netutil's tests: this thread's loop runs until something has come true, and a test for
// which it never does fails instead of hanging.
//
//   RunUntil([&] { return stats.accepted == 3; });
#ifndef SQUALL_NETUTIL_RUN_UNTIL_H_
#define SQUALL_NETUTIL_RUN_UNTIL_H_

#include <functional>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/ioloop/ioloop.h"

namespace squall::internal {

// `condition` is looked at every millisecond, for 30 seconds at most.
inline void RunUntil(const std::function<bool()>& condition) {
  IOLoop& loop = IOLoop::Current();
  bool late = false;
  const Timeout deadline = loop.CallLater(absl::Seconds(30), [&] {
    late = true;
    loop.Stop();
  });
  Timeout poll;
  std::function<void()> check = [&] {
    if (condition()) return loop.Stop();
    poll = loop.CallLater(absl::Milliseconds(1), [&] { check(); });
  };
  check();
  loop.Start();
  EXPECT_FALSE(late);
}

}  // namespace squall::internal

#endif  // SQUALL_NETUTIL_RUN_UNTIL_H_
