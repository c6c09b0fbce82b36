#include "squall/ioloop/wait_alarm.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cstdint>

#include "squall/base/clock.h"
#include "squall/base/unique_fd.h"

namespace squall::internal {
namespace {

// What ends sooner is awaited with a timeout: a loop that does little but sleep for a millisecond at a
// time is then spared a system call each time.
constexpr int64_t kWorthArmingNanos = 2'000'000;

// Waiting longer than an hour at a time gains nothing and keeps the arithmetic far from overflow.
constexpr int64_t kLongestWaitNanos = int64_t{3600} * 1'000'000'000;

}  // namespace

WaitAlarm::WaitAlarm(int epoll_fd, uint64_t data)
    : timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
  epoll_event event = {};
  // Edge-triggered, it tells of each ring once and need not be read.
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = data;
  if (timer_.valid() && ::epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_.get(), &event) != 0) {
    timer_.reset();
  }
}

int64_t WaitAlarm::Arm(MonotonicTime now, MonotonicTime deadline) {
  const int64_t nanos = std::min(deadline.nanos() - now.nanos(), kLongestWaitNanos);
  if (nanos < kWorthArmingNanos || !timer_.valid()) return nanos;
  const int64_t when = now.nanos() + nanos;
  itimerspec spec = {};
  spec.it_value = {.tv_sec = when / 1'000'000'000, .tv_nsec = when % 1'000'000'000};
  // Setting it anew also takes back a ring that nobody has heard.
  if (::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &spec, nullptr) != 0) return nanos;
  armed_for_ = MonotonicTime::FromNanos(when);
  return -1;
}

}  // namespace squall::internal
