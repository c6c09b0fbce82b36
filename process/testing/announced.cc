#include "squall/process/testing/announced.h"

#include <unistd.h>

#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "squall/ioloop/ioloop.h"

namespace squall::testing {

Announced ReadWorker(ForkedProgram& program) {
  const std::vector<std::string> parts = absl::StrSplit(program.ReadLine(), ' ');
  Announced worker;
  if (parts.size() == 3 && absl::SimpleAtoi(parts[0], &worker.task_id) &&
      absl::SimpleAtoi(parts[1], &worker.incarnation)) {
    EXPECT_TRUE(absl::SimpleAtoi(parts[2], &worker.pid));
  }
  return worker;
}

std::vector<Announced> ReadWorkers(ForkedProgram& program, int count) {
  std::vector<Announced> workers(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    const Announced worker = ReadWorker(program);
    EXPECT_GE(worker.task_id, 0);
    EXPECT_LT(worker.task_id, count);
    if (worker.task_id >= 0 && worker.task_id < count) {
      workers[static_cast<size_t>(worker.task_id)] = worker;
    }
  }
  return workers;
}

int ServeForever(LineWriter out, int count, ForkOptions options) {
  const absl::StatusOr<int> id = ForkProcesses(count, std::move(options));
  if (!id.ok()) {
    out.Write(id.status().ToString());
    return 99;
  }
  out.Write(absl::StrCat(*id, " ", Worker::Current()->incarnation(), " ", getpid()));
  IOLoop::Current().Start();
  return 0;
}

}  // namespace squall::testing
