// A program of another workspace: two workers with an event loop each, beside a process/ package of
// its own. Each says what it is and ends; the master follows them.
#include <cstdio>

#include "absl/time/time.h"
#include "process/recipe.h"
#include "squall/ioloop/ioloop.h"
#include "squall/process/fork.h"

int main() {
  const int task = squall::ForkProcesses(2).value();
  squall::IOLoop& loop = squall::IOLoop::Current();
  const auto timeout = loop.CallLater(absl::Milliseconds(1), [&loop, task] {
    std::printf("worker %d: %s\n", task, kRecipe);
    std::fflush(stdout);
    loop.Stop();
  });
  loop.Start();
}
