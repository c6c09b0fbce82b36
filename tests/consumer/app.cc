// A program of another workspace: an event loop of squall's beside a process/ package of its own.
#include <cstdio>

#include "absl/time/time.h"
#include "process/recipe.h"
#include "squall/ioloop/ioloop.h"

int main() {
  squall::IOLoop& loop = squall::IOLoop::Current();
  const auto timeout = loop.CallLater(absl::Milliseconds(1), [&loop] {
    std::printf("%s\n", kRecipe);
    loop.Stop();
  });
  loop.Start();
}
