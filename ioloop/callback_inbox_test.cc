#include "squall/ioloop/callback_inbox.h"

#include <poll.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "squall/base/code_location.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/loop_fixture.h"

namespace squall {
namespace {

using internal::AddedCallback;
using internal::CallbackInbox;

void PutNothing(CallbackInbox& inbox) {
  inbox.Put([] {}, CodeLocation::Here());
}

bool IsReadable(int fd) {
  pollfd wait = {.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&wait, 1, 0) == 1;
}

TEST(CallbackInboxTest, ALoopThatDoesNotWaitIsNotWoken) {
  // Not on the stack: AddressSanitizer's does not align to a line of the cache.
  const auto owner = std::make_unique<CallbackInbox>();
  CallbackInbox& inbox = *owner;
  PutNothing(inbox);
  EXPECT_FALSE(IsReadable(inbox.fd()));
  EXPECT_FALSE(inbox.BeginWait()) << "there is something";
  inbox.EndWait();
  PutNothing(inbox);
  EXPECT_FALSE(IsReadable(inbox.fd()));
  std::vector<AddedCallback> callbacks;
  inbox.TakeTo(callbacks);
  EXPECT_EQ(callbacks.size(), 2u);
}

TEST(CallbackInboxTest, ALoopThatWaitsIsWokenOnce) {
  // Not on the stack: AddressSanitizer's does not align to a line of the cache.
  const auto owner = std::make_unique<CallbackInbox>();
  CallbackInbox& inbox = *owner;
  ASSERT_TRUE(inbox.BeginWait());
  PutNothing(inbox);
  EXPECT_TRUE(IsReadable(inbox.fd()));
  inbox.OnReadable();
  PutNothing(inbox);
  EXPECT_FALSE(IsReadable(inbox.fd())) << "one write is enough until it waits again";
  std::vector<AddedCallback> callbacks;
  inbox.TakeTo(callbacks);
  EXPECT_EQ(callbacks.size(), 2u);
  EXPECT_TRUE(inbox.BeginWait());
}

// One after the other: the next is added when the last has run, and by then the loop may be about to wait.
class Chain {
 public:
  // In the loop.
  void OnRan() {
    std::lock_guard<std::mutex> lock(mutex_);
    ++ran_;
    changed_.notify_one();
  }
  // In another thread; false if the loop sleeps over it.
  bool WaitUntilRan(int count) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return ran_ == count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int ran_ = 0;
};

class WakeUpTest : public internal::LoopFixture {};

// The loop has nothing else to wake for.
TEST_F(WakeUpTest, NoneIsLostBetweenTheLastLookAndTheWait) {
  constexpr int kRounds = 2000;
  std::array<Chain, 2> chains;
  int left = chains.size() * kRounds;
  std::vector<std::thread> threads;
  for (Chain& chain : chains) {
    threads.emplace_back([this, &chain, &left] {
      for (int i = 1; i <= kRounds; ++i) {
        loop_.AddCallback([this, &chain, &left] {
          if (--left == 0) loop_.Stop();
          chain.OnRan();
        });
        if (!chain.WaitUntilRan(i)) return;
      }
    });
  }
  Start();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(left, 0);
}

// Comes back to the loop when it is destroyed, as a stream does.
struct UserOfTheLoop {
  ~UserOfTheLoop() {
    if (loop == nullptr) return;
    loop->RemoveHandler(0);
    loop->AddCallback([] {});
    *destroyed = true;
  }
  IOLoop* loop;
  bool* destroyed;
};

TEST_F(WakeUpTest, WhatIsLeftGoesWhileTheLoopIsWhole) {
  bool destroyed = false;
  auto user = std::make_unique<UserOfTheLoop>(&loop_, &destroyed);
  std::thread([this, &user] { loop_.AddCallback([user = std::move(user)] {}); }).join();
  IOLoop::ClearCurrent();
  EXPECT_TRUE(destroyed);
}

}  // namespace
}  // namespace squall
