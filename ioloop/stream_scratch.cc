#include "squall/ioloop/stream_scratch.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace squall::internal {

constinit thread_local StreamScratch stream_scratch{};

namespace {

constexpr uintptr_t kPage = 4096;

// Lives in the threads that have used it.
struct ScratchEnd {
  ~ScratchEnd() { delete[] std::exchange(stream_scratch.memory, nullptr); }
};

}  // namespace

void AllocateStreamScratch() {
  thread_local ScratchEnd end;
  static_cast<void>(&end);
  stream_scratch.memory = new char[StreamScratch::kSize];
}

std::unique_ptr<char[]> TakeStreamScratch(size_t used) {
  char* const memory = std::exchange(stream_scratch.memory, nullptr);
  // Whole pages behind the octets; the heap's own words are in none of them.
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(memory + used) + kPage - 1) / kPage * kPage;
  const uintptr_t end = reinterpret_cast<uintptr_t>(memory + StreamScratch::kSize) / kPage * kPage;
  // So that a stream that waits long holds no more than it has to.
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  return std::unique_ptr<char[]>(memory);
}

}  // namespace squall::internal
