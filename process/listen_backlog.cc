#include "squall/process/listen_backlog.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

namespace squall {

std::optional<ListenBacklog> ReadListenBacklog(absl::Span<const int> listeners) {
  std::optional<ListenBacklog> sum;
  for (const int fd : listeners) {
    tcp_info info{};
    socklen_t size = sizeof(info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || info.tcpi_state != TCP_LISTEN) {
      continue;
    }
    if (!sum.has_value()) sum.emplace();
    sum->length += info.tcpi_unacked;
    sum->longest = std::max<int64_t>(sum->longest, info.tcpi_unacked);
    sum->limit += info.tcpi_sacked;
  }
  return sum;
}

}  // namespace squall
