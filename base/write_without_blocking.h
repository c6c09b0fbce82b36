// Writes to a descriptor that other processes share, such as stderr, without ever waiting longer
// than one has patience for, and without O_NONBLOCK, which would be set for all who share it.
//
//   if (internal::WriteWithoutBlocking(STDERR_FILENO, line, absl::ZeroDuration()) < line.size()) {
//     ++dropped;
//   }
//
// Internal to squall's log.
#ifndef SQUALL_BASE_WRITE_WITHOUT_BLOCKING_H_
#define SQUALL_BASE_WRITE_WITHOUT_BLOCKING_H_

#include <cstddef>
#include <string_view>

#include "absl/time/time.h"

namespace squall::internal {

// Returns how many octets of `data` were written: all, or less when there was no room for
// `patience` altogether or nobody is left to read. One system call that writes when there is room
// for all. Changes errno. Any thread.
//
// Pipes, terminals and sockets are written to by calls that do not block. Where the system has no
// such call (a pipe of another user, before Linux 6.4), at most PIPE_BUF octets are written after
// poll(2) has said that there is room; a process that fills the pipe in between can block it then.
size_t WriteWithoutBlocking(int fd, std::string_view data, absl::Duration patience);

// What this process writes to `fd` from now on does not block for ever: for a process that is about
// to end and whose last words are written by others. Replaces `fd` in this process alone, by a
// description of its own, or by /dev/null when that cannot be had and there is no room.
void MakeOwnNonBlocking(int fd);

}  // namespace squall::internal

#endif  // SQUALL_BASE_WRITE_WITHOUT_BLOCKING_H_
