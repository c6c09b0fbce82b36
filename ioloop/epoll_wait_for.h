// Internal to ioloop: epoll_wait with a timeout to the nanosecond.
#ifndef SQUALL_IOLOOP_EPOLL_WAIT_FOR_H_
#define SQUALL_IOLOOP_EPOLL_WAIT_FOR_H_

#include <sys/epoll.h>

#include "absl/time/time.h"

namespace squall::internal {

// As epoll_wait(2), which an infinite `timeout` makes wait for ever. epoll_pwait2(2), which came with
// Linux 5.11; where it is missing, the timeout is rounded up to a millisecond: too early would be a
// turn of the loop for nothing.
int EpollWaitFor(int epoll_fd, epoll_event* events, int max_events, absl::Duration timeout);

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_EPOLL_WAIT_FOR_H_
