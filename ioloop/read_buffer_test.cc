#include "squall/ioloop/read_buffer.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace squall::internal {
namespace {

TEST(ReadBufferTest, LittleOfMuchGetsASmallPlace) {
  ReadBuffer buffer;
  buffer.Append(std::string(64 << 10, 'a') + "rest");
  buffer.Drop(64 << 10);
  ASSERT_GE(buffer.capacity(), size_t{64 << 10});
  buffer.Shrink();
  EXPECT_LE(buffer.capacity(), 128u);
  EXPECT_EQ(buffer.view(), "rest");
  buffer.Append(" and more");
  EXPECT_EQ(buffer.Take(13), "rest and more");
  EXPECT_TRUE(buffer.empty());
}

TEST(ReadBufferTest, MuchOfMuchStaysWhereItIs) {
  ReadBuffer buffer;
  buffer.Append(std::string(64 << 10, 'a'));
  buffer.Drop(16 << 10);
  const char* const place = buffer.view().data();
  buffer.Shrink();
  EXPECT_EQ(buffer.view().data(), place);
}

TEST(ReadBufferTest, AViewThatIsPinnedStaysValid) {
  ReadBuffer buffer;
  buffer.Append(std::string(64 << 10, 'a') + "rest");
  buffer.Drop(64 << 10);
  const std::string_view pinned = buffer.PinnedView();
  buffer.Shrink();
  buffer.Append(std::string(256 << 10, 'b'));
  EXPECT_EQ(pinned, "rest");
}

}  // namespace
}  // namespace squall::internal
