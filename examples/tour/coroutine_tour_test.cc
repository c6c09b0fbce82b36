// docs/ioloop.md, "Coroutines": tasks, side by side, with limits, and stopped from outside.
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/ioloop/gather.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/race.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/with_stop.h"
#include "squall/ioloop/with_timeout.h"

namespace {

squall::Task<absl::StatusOr<std::string>> Fetch(std::string name) {
  co_await squall::Sleep(absl::Milliseconds(1));  // this coroutine waits, the loop does not
  if (name.empty()) co_return absl::InvalidArgumentError("a page needs a name");
  co_return absl::StrCat("<", name, ">");
}

squall::Task<absl::StatusOr<size_t>> Measure(std::string name) {
  absl::StatusOr<std::string> page = co_await Fetch(std::move(name));
  if (!page.ok()) co_return page.status();
  co_return page->size();
}

TEST(CoroutineTour, RunSync) {
  absl::StatusOr<size_t> size = squall::IOLoop::Current().RunSync(Measure("index"));

  ASSERT_TRUE(size.ok()) << size.status();
  EXPECT_EQ(*size, 7u);
  size = squall::IOLoop::Current().RunSync(Measure(""));
  EXPECT_EQ(size.status(), absl::InvalidArgumentError("a page needs a name"));
}

squall::Task<std::string> Both() {
  auto [head, body] = co_await squall::Gather(Fetch("head"), Fetch("body"));
  co_return absl::StrCat(head.value_or("?"), body.value_or("?"));
}

squall::Task<size_t> FetchAll(std::vector<std::string> names) {
  std::vector<squall::Task<absl::StatusOr<std::string>>> fetches;
  for (std::string& name : names) fetches.push_back(Fetch(std::move(name)));
  std::vector<absl::StatusOr<std::string>> pages = co_await squall::Gather(std::move(fetches));
  co_return pages.size();
}

TEST(CoroutineTour, SideBySide) {
  squall::IOLoop& loop = squall::IOLoop::Current();
  EXPECT_EQ(*loop.RunSync(Both()), "<head><body>");
  EXPECT_EQ(*loop.RunSync(FetchAll({"a", "b", "c"})), 3u);
}

squall::Task<> Forever() {
  while (true) co_await squall::Sleep(absl::Hours(1));
}

squall::Task<bool> FetchedFirst() {
  std::variant<absl::StatusOr<std::string>, std::monostate> first =
      co_await squall::Race(Fetch("page"), Forever());  // the loser is destroyed where it stands
  co_return first.index() == 0;
}

squall::Task<absl::Status> Patient() {
  absl::Status waited = co_await squall::WithTimeout(absl::Milliseconds(5), Forever());
  co_return waited;  // DEADLINE_EXCEEDED
}

squall::Task<absl::Status> Stoppable(std::stop_token stop) {
  absl::Status served = co_await squall::WithStop(stop, Forever());
  co_return served;  // CANCELLED once anybody, in any thread, calls request_stop()
}

TEST(CoroutineTour, Limits) {
  squall::IOLoop& loop = squall::IOLoop::Current();
  EXPECT_TRUE(*loop.RunSync(FetchedFirst()));
  EXPECT_TRUE(absl::IsDeadlineExceeded(loop.RunSync(Patient())));

  std::stop_source stop;
  std::thread other([&stop] { stop.request_stop(); });
  EXPECT_TRUE(absl::IsCancelled(loop.RunSync(Stoppable(stop.get_token()))));
  other.join();
}

TEST(CoroutineTour, Spawn) {
  squall::IOLoop& loop = squall::IOLoop::Current();
  loop.Spawn(Forever());  // runs on its own; is destroyed with the loop, if it still waits then
  squall::IOLoop::ClearCurrent();
}

}  // namespace
