#include "squall/tests/integration/wall_clock.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>

namespace squall::testing {
namespace {

// Shared with whoever writes the file, and inherited by the processes that are forked. The pages of
// a mapping stay valid when the file is removed.
const std::atomic<int64_t>* MapOffset() {
  static constexpr std::atomic<int64_t> kNone{0};
  const char* const path = std::getenv("SQUALL_WALL_CLOCK");
  if (path == nullptr) return &kNone;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  void* const page = mmap(nullptr, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (page == MAP_FAILED) abort();
  return static_cast<const std::atomic<int64_t>*>(page);
}

}  // namespace

int64_t WallClockOffset() {
  static const std::atomic<int64_t>* const offset = MapOffset();
  return offset->load(std::memory_order_relaxed);
}

}  // namespace squall::testing

// These stand before the C library's for the whole program, for the linker takes the first.

extern "C" int clock_gettime(clockid_t clock, timespec* now) noexcept {
  const long result = syscall(SYS_clock_gettime, clock, now);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    now->tv_sec += squall::testing::WallClockOffset();
  }
  return static_cast<int>(result);
}

extern "C" int gettimeofday(timeval* now, void*) noexcept {
  timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  *now = {.tv_sec = time.tv_sec, .tv_usec = time.tv_nsec / 1000};
  return 0;
}

extern "C" time_t time(time_t* also) noexcept {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (also != nullptr) *also = now.tv_sec;
  return now.tv_sec;
}
