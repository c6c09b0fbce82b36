#include "squall/base/unique_fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include "gtest/gtest.h"

namespace squall {
namespace {

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }
int OpenNull() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

TEST(UniqueFdTest, ClosesOnce) {
  const int raw = OpenNull();
  ASSERT_GE(raw, 0);
  {
    UniqueFd fd(raw);
    EXPECT_TRUE(fd.valid());
    EXPECT_EQ(fd.get(), raw);
  }
  EXPECT_FALSE(IsOpen(raw));
}

TEST(UniqueFdTest, MoveLeavesTheSourceEmptyAndClosesTheTarget) {
  UniqueFd a(OpenNull());
  UniqueFd b(OpenNull());
  const int raw_a = a.get();
  const int raw_b = b.get();
  b = std::move(a);
  EXPECT_FALSE(a.valid());  // NOLINT: the moved-from state is specified.
  EXPECT_EQ(b.get(), raw_a);
  EXPECT_FALSE(IsOpen(raw_b));
  UniqueFd c(std::move(b));
  EXPECT_EQ(c.get(), raw_a);
  EXPECT_TRUE(IsOpen(raw_a));
}

TEST(UniqueFdTest, SelfMoveKeepsTheDescriptor) {
  UniqueFd a(OpenNull());
  const int raw = a.get();
  UniqueFd& alias = a;
  a = std::move(alias);
  EXPECT_EQ(a.get(), raw);
  EXPECT_TRUE(IsOpen(raw));
}

TEST(UniqueFdTest, ReleaseAndReset) {
  UniqueFd a(OpenNull());
  const int raw = a.release();
  EXPECT_FALSE(a.valid());
  EXPECT_TRUE(IsOpen(raw));
  a.reset(raw);
  a.reset();
  EXPECT_FALSE(IsOpen(raw));
}

}  // namespace
}  // namespace squall
