#include "squall/ioloop/handshake.h"

#include <errno.h>

#include <coroutine>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "squall/base/status.h"
#include "squall/ioloop/handler_registration.h"
#include "squall/ioloop/with_timeout.h"

namespace squall {
namespace {

// Suspends until epoll reports `events`, or an error, on a descriptor.
class EventAwaiter {
 public:
  EventAwaiter(int fd, uint32_t events) : fd_(fd), events_(events) {}

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiter) {
    auto added = HandlerRegistration::Add(fd_, events_, [this, waiter](uint32_t) {
      registration_.Remove();
      waiter.resume();
    });
    status_ = added.status();
    if (added.ok()) registration_ = *std::move(added);
    return registration_.active();
  }
  absl::Status await_resume() { return std::move(status_); }

 private:
  const int fd_;
  const uint32_t events_;
  HandlerRegistration registration_;
  absl::Status status_;
};

Task<absl::Status> Shake(Transport* transport) {
  while (transport->Handshake() != 0) {
    const int error = errno;
    if (error != EAGAIN && error != EWOULDBLOCK) {
      co_return transport->ErrorStatus(error, "shaking hands");
    }
    absl::Status waited = co_await EventAwaiter(transport->fd(), transport->read_events());
    if (!waited.ok()) co_return waited;
  }
  co_return absl::OkStatus();
}

}  // namespace

Task<absl::Status> Handshake(Transport* transport, absl::Duration timeout) {
  absl::Status shaken = co_await WithTimeout(timeout, Shake(transport));
  // ETIMEDOUT of the socket is a deadline, too, but the kernel's.
  if (absl::IsDeadlineExceeded(shaken) && !ErrnoFromStatus(shaken)) {
    co_return absl::DeadlineExceededError(
        absl::StrCat("the handshake was not done after ", absl::FormatDuration(timeout)));
  }
  co_return shaken;
}

}  // namespace squall
