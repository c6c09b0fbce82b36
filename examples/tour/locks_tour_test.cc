// docs/ioloop.md, "Locks and queues".
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/ioloop/event.h"
#include "squall/ioloop/gather.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/queue.h"
#include "squall/ioloop/semaphore.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"

namespace {

struct Pipeline {
  squall::Queue<int> numbers{2};  // Put waits while two are in it
  int sum = 0;
};

squall::Task<absl::Status> Produce(Pipeline* pipeline) {
  for (int i = 1; i <= 10; ++i) {
    absl::Status put = co_await pipeline->numbers.Put(i);
    if (!put.ok()) co_return put;
  }
  absl::Status all_done = co_await pipeline->numbers.Join(absl::Seconds(10));
  co_return all_done;
}

squall::Task<> Consume(Pipeline* pipeline) {
  while (true) {
    absl::StatusOr<int> number = co_await pipeline->numbers.Get();
    if (!number.ok()) co_return;  // the queue is gone
    pipeline->sum += *number;
    pipeline->numbers.TaskDone().IgnoreError();
  }
}

TEST(LocksTour, Queue) {
  squall::IOLoop& loop = squall::IOLoop::Current();
  Pipeline pipeline;
  loop.Spawn(Consume(&pipeline));
  EXPECT_TRUE(loop.RunSync(Produce(&pipeline)).ok());
  EXPECT_EQ(pipeline.sum, 55);
  squall::IOLoop::ClearCurrent();
}

struct Limited {
  squall::Semaphore two{2};
  int now = 0;
  int most = 0;
};

squall::Task<absl::Status> Work(Limited* limited) {
  absl::StatusOr<squall::SemaphorePermit> permit = co_await limited->two.Acquire();
  if (!permit.ok()) co_return permit.status();
  limited->most = std::max(limited->most, ++limited->now);
  co_await squall::Sleep(absl::Milliseconds(1));
  --limited->now;
  co_return absl::OkStatus();
}  // the permit's destructor gives it to the next

TEST(LocksTour, Semaphore) {
  Limited limited;
  std::vector<squall::Task<absl::Status>> works;
  for (int i = 0; i < 6; ++i) works.push_back(Work(&limited));
  EXPECT_TRUE(squall::IOLoop::Current().RunSync(squall::Gather(std::move(works))).ok());
  EXPECT_EQ(limited.most, 2);
}

squall::Task<std::string> Await(squall::Event* ready) {
  absl::Status in_time = co_await ready->Wait(absl::Seconds(10));
  co_return in_time.ok() ? "ready" : "late";
}

TEST(LocksTour, Event) {
  squall::IOLoop& loop = squall::IOLoop::Current();
  squall::Event ready;
  squall::Timeout later = loop.CallLater(absl::Milliseconds(1), [&ready] { ready.Set(); });
  EXPECT_EQ(*loop.RunSync(Await(&ready)), "ready");
}

}  // namespace
