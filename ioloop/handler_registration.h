// A handler of an IOLoop that goes with its owner.
//
//   class Connection {
//     absl::Status Start() {
//       absl::StatusOr<squall::HandlerRegistration> added = squall::HandlerRegistration::Add(
//           socket_.get(), squall::IOLoop::kRead, [this](uint32_t) { OnReadable(); });
//       if (!added.ok()) return added.status();
//       reading_ = *std::move(added);
//       return absl::OkStatus();
//     }
//     squall::UniqueFd socket_;
//     squall::HandlerRegistration reading_;  // below the descriptor, so that it goes first
//   };
//
// On the loop's thread. It may outlive its loop, and must not outlive the descriptor.
#ifndef SQUALL_IOLOOP_HANDLER_REGISTRATION_H_
#define SQUALL_IOLOOP_HANDLER_REGISTRATION_H_

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/base/code_location.h"
#include "squall/ioloop/ioloop.h"

namespace squall {

class [[nodiscard]] HandlerRegistration {
 public:
  // With IOLoop::Current(); arguments and errors as of IOLoop::AddHandler.
  static absl::StatusOr<HandlerRegistration> Add(int fd, uint32_t events,
                                                 IOLoop::FdCallback callback,
                                                 CodeLocation where = CodeLocation::Here()) {
    IOLoop& loop = IOLoop::Current();
    absl::Status added = loop.AddHandler(fd, events, std::move(callback), where);
    if (!added.ok()) return added;
    return HandlerRegistration(&loop, fd);
  }

  // Inactive.
  HandlerRegistration() = default;
  HandlerRegistration(HandlerRegistration&& other) noexcept
      : loop_(std::exchange(other.loop_, nullptr)), fd_(other.fd_) {}
  HandlerRegistration& operator=(HandlerRegistration&& other) noexcept {
    if (this == &other) return *this;
    Remove();
    loop_ = std::exchange(other.loop_, nullptr);
    fd_ = other.fd_;
    return *this;
  }
  ~HandlerRegistration() { Remove(); }

  // The callback will not be called any more. Idempotent; safe within the callback.
  void Remove() {
    IOLoop* const loop = std::exchange(loop_, nullptr);
    if (loop != nullptr && IOLoop::IfExists() == loop) loop->RemoveHandler(fd_);
  }
  bool active() const { return loop_ != nullptr; }

 private:
  HandlerRegistration(IOLoop* loop, int fd) : loop_(loop), fd_(fd) {}

  IOLoop* loop_ = nullptr;
  int fd_ = -1;
};

}  // namespace squall

#endif  // SQUALL_IOLOOP_HANDLER_REGISTRATION_H_
