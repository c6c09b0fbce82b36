#include "squall/ioloop/local_ptr.h"

#include <utility>

#include "gtest/gtest.h"

namespace squall {
namespace {

using internal::LocalPtr;

class Counted {
 public:
  Counted(int* alive, int number) : alive_(alive), number_(number) { ++*alive_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --*alive_; }
  int number() const { return number_; }

 private:
  int* const alive_;
  const int number_;
};

TEST(LocalPtrTest, Null) {
  const LocalPtr<Counted> null;
  EXPECT_FALSE(null);
  LocalPtr<Counted> copy = null;
  EXPECT_FALSE(copy);
  copy = LocalPtr<Counted>();
  EXPECT_FALSE(copy);
}

TEST(LocalPtrTest, TheLastOwnerDestroys) {
  int alive = 0;
  LocalPtr<Counted> first = LocalPtr<Counted>::Make(&alive, 42);
  EXPECT_TRUE(first);
  EXPECT_EQ(first->number(), 42);
  EXPECT_EQ((*first).number(), 42);
  {
    const LocalPtr<Counted> second = first;
    EXPECT_EQ(&*second, &*first);
    first = LocalPtr<Counted>();
    EXPECT_EQ(alive, 1);
    EXPECT_EQ(second->number(), 42);
  }
  EXPECT_EQ(alive, 0);
}

TEST(LocalPtrTest, MovedFromIsNull) {
  int alive = 0;
  LocalPtr<Counted> first = LocalPtr<Counted>::Make(&alive, 1);
  LocalPtr<Counted> second = std::move(first);
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(second->number(), 1);
  first = std::move(second);
  EXPECT_EQ(first->number(), 1);
  EXPECT_EQ(alive, 1);
}

TEST(LocalPtrTest, AValueMakesOwnersOfItself) {
  int alive = 0;
  Counted* value = nullptr;
  {
    LocalPtr<Counted> first = LocalPtr<Counted>::Make(&alive, 1);
    value = &*first;
    const LocalPtr<Counted> second = LocalPtr<Counted>::Of(value);
    EXPECT_EQ(&*second, value);
    first = LocalPtr<Counted>();
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 0);
}

TEST(LocalPtrTest, Assignment) {
  int alive = 0;
  LocalPtr<Counted> first = LocalPtr<Counted>::Make(&alive, 1);
  const LocalPtr<Counted> second = LocalPtr<Counted>::Make(&alive, 2);
  EXPECT_EQ(alive, 2);
  first = second;
  EXPECT_EQ(alive, 1);
  EXPECT_EQ(first->number(), 2);
  LocalPtr<Counted>& same = first;
  first = same;
  EXPECT_EQ(first->number(), 2);
  EXPECT_EQ(alive, 1);
}

}  // namespace
}  // namespace squall
