#include "examples/chat/bus.h"

#include <errno.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/base/logging.h"
#include "squall/base/status.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"

namespace {

constexpr size_t kMaxMessage = 4096;
constexpr int kMaxWaiting = 1 << 20;
// Then it is the members' turn.
constexpr int kMaxMessagesInARow = 16;

// The next message, of `size` octets in `buffer`; false when there is none.
bool Receive(int fd, char (&buffer)[kMaxMessage], std::string_view* message) {
  const ssize_t size = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (size < 0) return false;
  *message = std::string_view(buffer, static_cast<size_t>(size));
  return true;
}

}  // namespace

absl::StatusOr<Bus> Bus::Create(int size) {
  std::vector<Pair> pairs;
  for (int i = 0; i < size; ++i) {
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
      return squall::StatusFromErrno(errno, "socketpair for the bus");
    }
    pairs.push_back({squall::UniqueFd(fds[0]), squall::UniqueFd(fds[1])});
    // For a worker that is busy for a moment; the system's default is a few hundred lines.
    const int octets = kMaxWaiting;
    ::setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &octets, sizeof octets);
  }
  return Bus(std::move(pairs));
}

void Bus::Join(int task_id, Handler handler) {
  task_id_ = task_id;
  const int fd = pairs_[task_id].read.get();
  char buffer[kMaxMessage];
  std::string_view message;
  // What a predecessor did not read any more.
  while (Receive(fd, buffer, &message)) {
  }
  const absl::Status added = squall::IOLoop::Current().AddHandler(
      fd, squall::IOLoop::kRead, [fd, handler = std::move(handler)](uint32_t) mutable {
        char buffer[kMaxMessage];
        std::string_view message;
        for (int i = 0; i < kMaxMessagesInARow && Receive(fd, buffer, &message); ++i) {
          handler(message);
        }
      });
  CHECK(added.ok()) << added;
}

void Bus::Publish(std::string_view message) {
  for (int id = 0; id < static_cast<int>(pairs_.size()); ++id) {
    if (id == task_id_) continue;
    // EAGAIN: it does not read.
    ::send(pairs_[id].write.get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}
