#include "squall/ioloop/epoll_wait_for.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>

#include <atomic>

#include "absl/time/time.h"

namespace squall::internal {
namespace {

std::atomic<bool> has_pwait2{true};

}  // namespace

int EpollWaitFor(int epoll_fd, epoll_event* events, int max_events, absl::Duration timeout) {
  if (timeout == absl::ZeroDuration()) return ::epoll_wait(epoll_fd, events, max_events, 0);
  if (timeout == absl::InfiniteDuration()) return ::epoll_wait(epoll_fd, events, max_events, -1);
  if (has_pwait2.load(std::memory_order_relaxed)) [[likely]] {
    const timespec exact = absl::ToTimespec(timeout);
    const int count = ::epoll_pwait2(epoll_fd, events, max_events, &exact, nullptr);
    // EPERM is what some sandboxes say to system calls that they do not know.
    if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
    has_pwait2.store(false, std::memory_order_relaxed);
  }
  const absl::Duration rounded = absl::Ceil(timeout, absl::Milliseconds(1));
  return ::epoll_wait(epoll_fd, events, max_events,
                      static_cast<int>(absl::ToInt64Milliseconds(rounded)));
}

}  // namespace squall::internal
