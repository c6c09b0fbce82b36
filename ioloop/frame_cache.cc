#include "squall/ioloop/frame_cache.h"

#include <cstddef>
#include <new>
#include <utility>

namespace squall::internal {

constinit thread_local FrameCache frame_cache{};

namespace {

// Lives in the threads that have a cache.
struct CacheEnd {
  ~CacheEnd() {
    frame_cache.state = FrameCache::State::kEnded;
    for (FrameCache::FreeList& list : frame_cache.lists) {
      list.room = 0;
      while (list.first != nullptr) {
        ::operator delete(std::exchange(list.first, list.first->next));
      }
    }
  }
};

}  // namespace

void FreeFrameWithoutRoom(void* frame, size_t size_class) noexcept {
  if (frame_cache.state != FrameCache::State::kUnused) return ::operator delete(frame);
  thread_local CacheEnd end;
  static_cast<void>(&end);
  frame_cache.state = FrameCache::State::kUsed;
  for (FrameCache::FreeList& list : frame_cache.lists) list.room = FrameCache::kMaxFrames;
  FreeFrame(frame, FrameCache::SizeOf(size_class));
}

}  // namespace squall::internal
