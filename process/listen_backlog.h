// How many connections wait in the accept queues of listening sockets, and how many may.
//
//   const std::optional<ListenBacklog> backlog = ReadListenBacklog(listener_fds);
//   if (backlog.has_value() && backlog->longest > 10) Grow();
//
// One getsockopt(2) per socket, which never blocks. Any process that holds the sockets, any thread.
#ifndef SQUALL_PROCESS_LISTEN_BACKLOG_H_
#define SQUALL_PROCESS_LISTEN_BACKLOG_H_

#include <cstdint>
#include <optional>

#include "absl/types/span.h"

namespace squall {

struct ListenBacklog {
  int64_t length = 0;   // Connections that wait now, over all sockets.
  int64_t longest = 0;  // Connections that wait at the socket with the most.
  int64_t limit = 0;    // Connections that may wait, over all sockets: the backlogs of listen(2).
};

// Of the TCP sockets among `listeners`. nullopt when there is none: the kernel does not tell how
// many connections wait at a unix socket, nor is anything known of a socket that does not listen.
// From TCP_INFO (tcp(7)), where tcpi_unacked is the length and tcpi_sacked the limit of a listening
// socket's queue.
std::optional<ListenBacklog> ReadListenBacklog(absl::Span<const int> listeners);

}  // namespace squall

#endif  // SQUALL_PROCESS_LISTEN_BACKLOG_H_
