// Handing descriptors to another process over a unix socket (SCM_RIGHTS, unix(7)).
//
//   absl::Status sent = squall::SendFds(link, {listener.fd()}, "listener");
//
//   absl::StatusOr<squall::ReceivedFds> received = squall::ReceiveFds(link);   // the other process
//   if (received.ok() && !received->data.empty()) Serve(std::move(received->fds[0]));
//
// Any thread and process; one call is one system call. The socket may be blocking or not,
// SOCK_STREAM or SOCK_SEQPACKET. On a stream, what two calls sent may arrive in one ReceiveFds if
// the first carried no descriptors; SOCK_SEQPACKET keeps messages apart.
#ifndef SQUALL_NETUTIL_FD_PASSING_H_
#define SQUALL_NETUTIL_FD_PASSING_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "squall/base/unique_fd.h"

namespace squall {

// Descriptors in one message, a limit of the kernel (SCM_MAX_FD).
inline constexpr size_t kMaxPassedFds = 253;
// Bytes in one message. The kernel sends as much in one piece or not at all.
inline constexpr size_t kMaxPassedData = 4096;

// Sends `data` and duplicates of `fds`, which stay the caller's. All or nothing. `data` has 1 to
// kMaxPassedData bytes, for without a byte there is no message. InvalidArgument for too little or
// too much; otherwise the errno's code: Unavailable (EAGAIN) when a non-blocking socket is full;
// EPIPE comes without a signal.
absl::Status SendFds(int socket, absl::Span<const int> fds, std::string_view data);

struct ReceivedFds {
  std::string data;  // Empty: the other end is closed.
  std::vector<UniqueFd> fds;
};

// Takes one message of at most `max_fds` descriptors, which arrive close-on-exec. A message that
// carries more than that, or more than this process has room for, or is longer than kMaxPassedData,
// is ResourceExhausted; what came of it is closed. Otherwise the errno's code: Unavailable (EAGAIN)
// when nothing is there.
absl::StatusOr<ReceivedFds> ReceiveFds(int socket, size_t max_fds = kMaxPassedFds);

}  // namespace squall

#endif  // SQUALL_NETUTIL_FD_PASSING_H_
