// Internal to ioloop: where recv puts octets before they are kept.
#ifndef SQUALL_IOLOOP_STREAM_SCRATCH_H_
#define SQUALL_IOLOOP_STREAM_SCRATCH_H_

#include <cstddef>
#include <memory>

namespace squall::internal {

inline constexpr size_t kStreamScratchSize = 64 << 10;

// One for each thread, so that a stream holds no more than its unread octets.
inline char* StreamScratch() {
  thread_local const std::unique_ptr<char[]> scratch(new char[kStreamScratchSize]);
  return scratch.get();
}

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_STREAM_SCRATCH_H_
