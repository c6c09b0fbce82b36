// docs/ioloop.md, "Work that blocks": executors.
#include <unistd.h>

#include <cstddef>
#include <fstream>
#include <iterator>
#include <stop_token>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/ioloop/executor.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/with_timeout.h"

namespace {

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

squall::Task<absl::StatusOr<size_t>> Size(std::string path) {
  auto read = [path = std::move(path)] { return ReadFile(path); };  // blocks a thread, not the loop
  absl::StatusOr<std::string> text = co_await squall::RunInExecutor(std::move(read));
  if (!text.ok()) co_return text.status();
  co_return text->size();
}

TEST(ExecutorTour, Blocking) {
  EXPECT_FALSE(squall::IOLoop::Current().RunSync(Size("/there/is/no/such/file")).ok());
  EXPECT_GT(squall::IOLoop::Current().RunSync(Size("/proc/self/status")).value(), 0u);
  squall::IOLoop::ClearCurrent();
}

bool Step() { return ::getpid() > 0; }

squall::Task<absl::Status> Search(squall::Executor* executor) {
  auto search = [](std::stop_token stop) {
    while (!stop.stop_requested() && Step()) continue;  // at the deadline it is asked to stop
  };
  absl::Status found =
      co_await squall::WithTimeout(absl::Milliseconds(20), executor->Run(std::move(search)));
  co_return found;  // DEADLINE_EXCEEDED
}

TEST(ExecutorTour, Options) {
  squall::Executor images({.name = "images", .max_threads = 2, .max_queued = 100});
  EXPECT_TRUE(absl::IsDeadlineExceeded(squall::IOLoop::Current().RunSync(Search(&images))));
  squall::IOLoop::ClearCurrent();
}

}  // namespace
