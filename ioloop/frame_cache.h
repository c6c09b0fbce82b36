// Internal to ioloop: the memory of coroutine frames, kept by each thread for the next frame of the
// same size.
//
//   class MyPromise : public internal::CachedFrame { ... };
//
// Frames are rounded up to 24, 56, 88 ... bytes, which with the 8 of malloc are multiples of 32;
// those above 1 KiB, and what a thread holds beyond 256 of a size (4.1 MiB in all at the very most),
// go to operator delete as they came from operator new, and a thread that ends gives back what it
// holds. A frame may be freed in another thread than
// the one that made it, and after its loop or its thread's cache has ended. With AddressSanitizer
// there is no cache, so that it finds the use of a frame that is gone; coroutine_benchmark.cc
// measures the gain.
#ifndef SQUALL_IOLOOP_FRAME_CACHE_H_
#define SQUALL_IOLOOP_FRAME_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define SQUALL_FRAME_CACHE 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SQUALL_FRAME_CACHE 0
#endif
#endif
#ifndef SQUALL_FRAME_CACHE
#define SQUALL_FRAME_CACHE 1
#endif

namespace squall::internal {

// Constant initialisation and no destructor: frames may be freed as late as at the end of a thread.
struct FrameCache {
  static constexpr size_t kStep = 32;
  static constexpr size_t kMallocHeader = 8;
  static constexpr size_t kClasses = 32;
  static constexpr uint32_t kMaxFrames = 256;

  static constexpr size_t ClassOf(size_t size) { return (size + kMallocHeader - 1) / kStep; }
  static constexpr size_t SizeOf(size_t size_class) {
    return (size_class + 1) * kStep - kMallocHeader;
  }

  struct FreeFrame {
    FreeFrame* next;
  };
  struct FreeList {
    FreeFrame* first;
    uint32_t room;  // 0 before the first use, and after the end of the thread.
  };

  FreeList lists[kClasses];
  enum class State : uint8_t { kUnused, kUsed, kEnded } state;
};

extern constinit thread_local FrameCache frame_cache;

// When the list has no room: the first use in this thread makes some.
void FreeFrameWithoutRoom(void* frame, size_t size_class) noexcept;

inline void* AllocateFrame(size_t size) {
#if SQUALL_FRAME_CACHE
  const size_t size_class = FrameCache::ClassOf(size);
  if (size_class >= FrameCache::kClasses) return ::operator new(size);
  FrameCache::FreeList& list = frame_cache.lists[size_class];
  if (list.first == nullptr) return ::operator new(FrameCache::SizeOf(size_class));
  FrameCache::FreeFrame* const frame = list.first;
  list.first = frame->next;
  ++list.room;
  return frame;
#else
  return ::operator new(size);
#endif
}

inline void FreeFrame(void* frame, size_t size) noexcept {
#if SQUALL_FRAME_CACHE
  const size_t size_class = FrameCache::ClassOf(size);
  if (size_class >= FrameCache::kClasses) return ::operator delete(frame);
  FrameCache::FreeList& list = frame_cache.lists[size_class];
  if (list.room == 0) return FreeFrameWithoutRoom(frame, size_class);
  --list.room;
  list.first = new (frame) FrameCache::FreeFrame{list.first};
#else
  ::operator delete(frame);
#endif
}

// A base of promise types.
struct CachedFrame {
  static void* operator new(size_t size) { return AllocateFrame(size); }
  static void operator delete(void* frame, size_t size) noexcept { FreeFrame(frame, size); }
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_FRAME_CACHE_H_
