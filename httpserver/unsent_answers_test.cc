#include "squall/httpserver/unsent_answers.h"

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "squall/base/clock.h"

namespace squall::internal {
namespace {

std::vector<int64_t> Sent(UnsentAnswers& unsent, uint64_t octets) {
  std::vector<int64_t> begun;
  EXPECT_EQ(unsent.AnySent(octets), [&] {
    UnsentAnswers copy = unsent;
    bool any = false;
    copy.TakeSent(octets, [&](MonotonicTime) { any = true; });
    return any;
  }());
  unsent.TakeSent(octets, [&](MonotonicTime time) { begun.push_back(time.nanos()); });
  return begun;
}

TEST(UnsentAnswersTest, AnswersAreSentWhenTheirLastOctetIs) {
  UnsentAnswers unsent;
  EXPECT_EQ(Sent(unsent, 1000), (std::vector<int64_t>{}));
  unsent.Add(100, MonotonicTime::FromNanos(1));
  unsent.Add(150, MonotonicTime::FromNanos(2));
  unsent.Add(150, MonotonicTime::FromNanos(3));
  unsent.Add(200, MonotonicTime::FromNanos(4));
  EXPECT_EQ(Sent(unsent, 99), (std::vector<int64_t>{}));
  EXPECT_EQ(Sent(unsent, 100), (std::vector<int64_t>{1}));
  EXPECT_EQ(Sent(unsent, 199), (std::vector<int64_t>{2, 3}));
  unsent.Add(300, MonotonicTime::FromNanos(5));
  EXPECT_EQ(Sent(unsent, 1000), (std::vector<int64_t>{4, 5}));
  EXPECT_EQ(Sent(unsent, 2000), (std::vector<int64_t>{}));
}

}  // namespace
}  // namespace squall::internal
