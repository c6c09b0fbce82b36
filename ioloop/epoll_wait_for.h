// Internal to ioloop: epoll_wait with a timeout to the nanosecond.
#ifndef SQUALL_IOLOOP_EPOLL_WAIT_FOR_H_
#define SQUALL_IOLOOP_EPOLL_WAIT_FOR_H_

#include <sys/epoll.h>

#include <cstdint>

namespace squall::internal {

// As epoll_wait(2), with nanoseconds; a negative `timeout_ns` waits for ever. A number, because turning
// an absl::Duration into a timespec takes longer than the rest.
//
// Where there is no epoll_pwait2(2) (before Linux 5.11) the timeout is rounded up to a millisecond. Up,
// for too early would be a turn of the loop for nothing.
int EpollWaitFor(int epoll_fd, epoll_event* events, int max_events, int64_t timeout_ns);

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_EPOLL_WAIT_FOR_H_
