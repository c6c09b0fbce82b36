#include "squall/ioloop/resume_queue.h"

#include <coroutine>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/ioloop/future_fixture.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/task.h"

namespace squall::internal {
namespace {

using testing::ElementsAre;

// Suspends until somebody has its node resumed.
struct NodeAwaiter {
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> awaiting) { node->set_coroutine(awaiting); }
  void await_resume() const {}
  ResumeNode* node;
};

class ResumeQueueTest : public FutureFixture {
 protected:
  void Suspend(std::string key, ResumeNode* node) { loop_.Spawn(Append(key, node, &history_)); }

 private:
  static Task<> Append(std::string key, ResumeNode* node, std::vector<std::string>* history) {
    co_await NodeAwaiter{node};
    history->push_back(key);
  }
};

TEST_F(ResumeQueueTest, ResumesInOrderInTheNextIteration) {
  ResumeNode a, b, c;
  Suspend("a", &a);
  Suspend("b", &b);
  Suspend("c", &c);
  b.ResumeSoon();
  c.ResumeSoon();
  a.ResumeSoon();
  EXPECT_THAT(history_, ElementsAre());
  RunBriefly();
  EXPECT_THAT(history_, ElementsAre("b", "c", "a"));
}

TEST_F(ResumeQueueTest, AgainGoesToTheEnd) {
  ResumeNode a, b;
  Suspend("a", &a);
  Suspend("b", &b);
  a.ResumeSoon();
  b.ResumeSoon();
  a.ResumeSoon();
  RunBriefly();
  EXPECT_THAT(history_, ElementsAre("b", "a"));
}

TEST_F(ResumeQueueTest, DestroyedNodesAreNotResumed) {
  ResumeNode a, c;
  auto b = std::make_unique<ResumeNode>();
  Suspend("a", &a);
  Suspend("b", b.get());
  Suspend("c", &c);
  a.ResumeSoon();
  b->ResumeSoon();
  c.ResumeSoon();
  b.reset();
  RunBriefly();
  EXPECT_THAT(history_, ElementsAre("a", "c"));
}

Task<> DestroyOther(ResumeNode* node, std::unique_ptr<ResumeNode>* other) {
  co_await NodeAwaiter{node};
  other->reset();
}

TEST_F(ResumeQueueTest, ResumedCoroutineMayDestroyTheNextNode) {
  ResumeNode a, c;
  auto b = std::make_unique<ResumeNode>();
  loop_.Spawn(DestroyOther(&a, &b));
  Suspend("b", b.get());
  Suspend("c", &c);
  a.ResumeSoon();
  b->ResumeSoon();
  c.ResumeSoon();
  RunBriefly();
  EXPECT_THAT(history_, ElementsAre("c"));
}

Task<> ResumeAgainAndAgain(ResumeNode* node, int* count) {
  while (true) {
    co_await NodeAwaiter{node};
    ++*count;
    node->ResumeSoon();
  }
}

TEST_F(ResumeQueueTest, WhatIsAddedMeanwhileWaitsForTheNextIteration) {
  ResumeNode node;
  int count = 0;
  loop_.Spawn(ResumeAgainAndAgain(&node, &count));
  node.ResumeSoon();
  RunBriefly();
  EXPECT_EQ(count, 1);
  RunBriefly();
  EXPECT_EQ(count, 2);
}

TEST_F(ResumeQueueTest, WorksAgainAfterALoopEndedWithCoroutinesQueued) {
  ResumeNode a, b;
  Suspend("a", &a);
  a.ResumeSoon();
  IOLoop::ClearCurrent();

  IOLoop& loop = IOLoop::Current();
  auto append = [](ResumeNode* node, std::vector<std::string>* history) -> Task<> {
    co_await NodeAwaiter{node};
    history->push_back("b");
  };
  loop.Spawn(append(&b, &history_));
  b.ResumeSoon();
  loop.AddCallback([&loop] { loop.Stop(); });
  loop.Start();
  EXPECT_THAT(history_, ElementsAre("b"));
}

// A coroutine type of somebody else, which lets exceptions out of resume().
struct Throwing {
  struct promise_type {
    Throwing get_return_object() {
      return {std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() { throw; }
  };
  std::coroutine_handle<promise_type> handle;
};

Throwing ThrowWhenResumed(ResumeNode* node) {
  co_await NodeAwaiter{node};
  throw std::runtime_error("foreign");
}

TEST_F(ResumeQueueTest, ExceptionsOutOfOneDoNotHoldUpTheOthers) {
  LogCapture log;
  ResumeNode a, b;
  const Throwing throwing = ThrowWhenResumed(&a);
  Suspend("b", &b);
  a.ResumeSoon();
  b.ResumeSoon();
  RunBriefly();
  throwing.handle.destroy();
  EXPECT_THAT(history_, ElementsAre("b"));
  EXPECT_THAT(log.messages(), ElementsAre("E Exception in a coroutine: foreign"));
}

}  // namespace
}  // namespace squall::internal
