// A test fixture around this thread's loop: Start() runs it until somebody stops it, and a test that
// nobody stops fails instead of hanging.
//
// For ioloop's own tests.
#ifndef SQUALL_IOLOOP_LOOP_FIXTURE_H_
#define SQUALL_IOLOOP_LOOP_FIXTURE_H_

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/ioloop/ioloop.h"

namespace squall::internal {

class LoopFixture : public testing::Test {
 protected:
  ~LoopFixture() override { IOLoop::ClearCurrent(); }

  void Start() {
    bool gave_up = false;
    const Timeout deadline = loop_.CallLater(absl::Seconds(20), [this, &gave_up] {
      gave_up = true;
      loop_.Stop();
    });
    loop_.Start();
    EXPECT_FALSE(gave_up);
  }

  IOLoop& loop_ = IOLoop::Current();
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_LOOP_FIXTURE_H_
