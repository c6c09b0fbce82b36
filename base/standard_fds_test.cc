#include "squall/base/standard_fds.h"

#include <fcntl.h>
#include <unistd.h>

#include <initializer_list>

#include "gtest/gtest.h"

namespace squall {
namespace {

// In a process of its own: closes `closed`, and exits with the number of the next descriptor.
void ExitWithNextFd(std::initializer_list<int> closed) {
  for (const int fd : closed) ::close(fd);
  OpenStandardFds();
  ::_exit(::open("/dev/zero", O_RDONLY));
}

TEST(OpenStandardFds, NothingElseBecomesAStandardDescriptor) {
  const int next = ::open("/dev/zero", O_RDONLY);
  ASSERT_GE(next, 3);
  ::close(next);
  EXPECT_EXIT(ExitWithNextFd({}), ::testing::ExitedWithCode(next), "");
  EXPECT_EXIT(ExitWithNextFd({0}), ::testing::ExitedWithCode(next), "");
  EXPECT_EXIT(ExitWithNextFd({2}), ::testing::ExitedWithCode(next), "");
  EXPECT_EXIT(ExitWithNextFd({0, 1, 2}), ::testing::ExitedWithCode(next), "");
}

}  // namespace
}  // namespace squall
