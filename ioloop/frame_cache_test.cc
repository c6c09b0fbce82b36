#include "squall/ioloop/frame_cache.h"

#include <cstddef>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace squall::internal {
namespace {

TEST(FrameCacheTest, AFreedFrameIsTheNextOfItsSize) {
#if SQUALL_FRAME_CACHE
  void* const first = AllocateFrame(200);
  FreeFrame(first, 200);
  void* const other_size = AllocateFrame(300);
  EXPECT_NE(other_size, first);
  void* const same_size = AllocateFrame(216);  // 185 to 216 octets are one size
  EXPECT_EQ(same_size, first);
  FreeFrame(same_size, 185);
  EXPECT_EQ(AllocateFrame(217 - 32), first);
  void* const next_size = AllocateFrame(217);
  EXPECT_NE(next_size, first);
  FreeFrame(next_size, 217);
  FreeFrame(first, 200);
  FreeFrame(other_size, 300);
#else
  GTEST_SKIP() << "no cache with AddressSanitizer";
#endif
}

TEST(FrameCacheTest, HoldsABoundedNumberOfEachSize) {
#if SQUALL_FRAME_CACHE
  std::vector<void*> frames;
  for (size_t i = 0; i < 3 * FrameCache::kMaxFrames; ++i) frames.push_back(AllocateFrame(500));
  for (void* frame : frames) FreeFrame(frame, 500);
  const FrameCache::FreeList& list = frame_cache.lists[FrameCache::ClassOf(500)];
  EXPECT_EQ(list.room, 0u);
  size_t held = 0;
  for (const FrameCache::FreeFrame* frame = list.first; frame != nullptr; frame = frame->next) {
    ++held;
  }
  EXPECT_EQ(held, FrameCache::kMaxFrames);
#else
  GTEST_SKIP() << "no cache with AddressSanitizer";
#endif
}

TEST(FrameCacheTest, LargeFramesAreNotKept) {
  void* const frame = AllocateFrame(FrameCache::SizeOf(FrameCache::kClasses - 1) + 1);
  FreeFrame(frame, FrameCache::SizeOf(FrameCache::kClasses - 1) + 1);
  for (const FrameCache::FreeList& list : frame_cache.lists) EXPECT_NE(list.first, frame);
}

TEST(FrameCacheTest, AFrameMayBeFreedInAnotherThread) {
  void* frame = AllocateFrame(128);
  std::thread other([frame] {
    FreeFrame(frame, 128);
    FreeFrame(AllocateFrame(128), 128);
  });  // gives what it holds back when it ends
  other.join();
  frame = AllocateFrame(128);
  EXPECT_NE(frame, nullptr);
  FreeFrame(frame, 128);
}

}  // namespace
}  // namespace squall::internal
