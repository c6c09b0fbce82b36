#include <fcntl.h>

#include <cstdio>

#include "process/recipe.h"
#include "squall/base/unique_fd.h"

int main() {
  squall::UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  std::printf("%s, %s\n", fd.valid() ? "open" : "not open", kRecipe);
}
