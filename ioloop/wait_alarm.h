// Internal to ioloop: ends a loop's waits at a time, without a timeout for each.
//
//   const int64_t timeout = alarm.TimeoutFor(now, deadline);  // nearly always -1: none
//   EpollWaitFor(epoll, events, max_events, timeout);
//   if (FromAlarm(event)) alarm.OnRung();
//
// A timeout makes the kernel set up a timer in each wait and take it down again, which costs a server
// a twentieth of a small message, though next to no wait ends by it. A timerfd(2) stays armed while
// messages come and go. When its deadline was cancelled meanwhile it rings for nothing, once.
#ifndef SQUALL_IOLOOP_WAIT_ALARM_H_
#define SQUALL_IOLOOP_WAIT_ALARM_H_

#include <cstdint>

#include "squall/base/clock.h"
#include "squall/base/unique_fd.h"

namespace squall::internal {

class WaitAlarm {
 public:
  // For waits on `epoll_fd`, which tells `data` when the alarm has rung. Where there is none, for want
  // of descriptors or in a sandbox, each wait has its timeout.
  WaitAlarm(int epoll_fd, uint64_t data);
  WaitAlarm(const WaitAlarm&) = delete;
  WaitAlarm& operator=(const WaitAlarm&) = delete;

  // The timeout in nanoseconds, negative for none, with which a wait that begins at `now` ends at
  // `deadline`, or before it when the alarm rings.
  int64_t TimeoutFor(MonotonicTime now, MonotonicTime deadline) {
    if (deadline <= now) return 0;
    return armed_for_ <= deadline ? -1 : Arm(now, deadline);
  }

  // epoll has told that it rang.
  void OnRung() { armed_for_ = MonotonicTime::Infinite(); }

 private:
  int64_t Arm(MonotonicTime now, MonotonicTime deadline);

  MonotonicTime armed_for_ = MonotonicTime::Infinite();  // Infinite when it is not armed.
  UniqueFd timer_;                                       // Invalid when there is none.
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_WAIT_ALARM_H_
