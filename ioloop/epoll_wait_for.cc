#include "squall/ioloop/epoll_wait_for.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>

#include <atomic>
#include <cstdint>

namespace squall::internal {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kSecond = 1'000'000'000;

std::atomic<bool> has_pwait2{true};

}  // namespace

[[gnu::hot]] int EpollWaitFor(int epoll_fd, epoll_event* events, int max_events,
                              int64_t timeout_ns) {
  if (timeout_ns <= 0) return ::epoll_wait(epoll_fd, events, max_events, timeout_ns < 0 ? -1 : 0);
  if (has_pwait2.load(std::memory_order_relaxed)) {
    const timespec exact = {.tv_sec = timeout_ns / kSecond, .tv_nsec = timeout_ns % kSecond};
    const int count = ::epoll_pwait2(epoll_fd, events, max_events, &exact, nullptr);
    // EPERM is what some sandboxes say to system calls that they do not know.
    if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
    has_pwait2.store(false, std::memory_order_relaxed);
  }
  return ::epoll_wait(epoll_fd, events, max_events,
                      static_cast<int>((timeout_ns - 1) / kMillisecond + 1));
}

}  // namespace squall::internal
