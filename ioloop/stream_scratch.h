// Internal to ioloop: where recv puts octets before they are kept.
#ifndef SQUALL_IOLOOP_STREAM_SCRATCH_H_
#define SQUALL_IOLOOP_STREAM_SCRATCH_H_

#include <cstddef>
#include <memory>

namespace squall::internal {

class StreamState;

// One for each thread, so that a stream holds no more than its unread octets. Octets that a reader has
// looked at stay here until they are read or somebody else needs the place.
//
// Constant initialisation and no destructor: streams may be destroyed as late as at the end of a
// thread.
struct StreamScratch {
  static constexpr size_t kSize = 64 << 10;

  char* memory;         // Null before the first use, and when a stream has taken it.
  StreamState* keeper;  // The stream whose unread octets are here, if any.
};

extern constinit thread_local StreamScratch stream_scratch;

// Gives the thread memory, which has none.
void AllocateStreamScratch();

// Takes it away from the thread, with the first `used` octets; the rest may be lost.
std::unique_ptr<char[]> TakeStreamScratch(size_t used);

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_STREAM_SCRATCH_H_
