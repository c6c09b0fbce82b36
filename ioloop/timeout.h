// A pending timer: the handle that IOLoop::CallLater and CallAt return.
//
//   class Connection {
//     // Arming it again cancels what was armed.
//     void Arm() { idle_ = loop_.CallLater(absl::Seconds(75), [this] { Close(); }); }
//     squall::Timeout idle_;  // dies with the connection, so `this` above is never stale
//   };
//   loop.CallLater(absl::Seconds(1), Report).Detach();  // fire and forget
//
// To be used on the loop's thread. It may outlive its loop, then it is inactive.
#ifndef SQUALL_IOLOOP_TIMEOUT_H_
#define SQUALL_IOLOOP_TIMEOUT_H_

#include <utility>

namespace squall {

namespace internal {
struct TimerNode;
class TimerQueue;
}  // namespace internal

class [[nodiscard]] Timeout {
 public:
  // Inactive.
  Timeout() = default;
  Timeout(Timeout&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  Timeout& operator=(Timeout&& other) noexcept {
    if (this != &other) {
      internal::TimerNode* const node = std::exchange(other.node_, nullptr);
      Cancel();
      node_ = node;
    }
    return *this;
  }
  Timeout(const Timeout&) = delete;
  Timeout& operator=(const Timeout&) = delete;
  // Cancels.
  ~Timeout() { Cancel(); }

  // The callback will not run, also when it is due already; it is destroyed at once. Harmless after
  // it ran and from within it. O(1).
  void Cancel();

  // Lets the timer run without this handle, until it fires or the loop ends.
  void Detach();

  // Whether the callback is still to run. False from within it.
  bool active() const;

 private:
  friend class internal::TimerQueue;
  explicit Timeout(internal::TimerNode* node) : node_(node) {}

  internal::TimerNode* node_ = nullptr;
};

}  // namespace squall

#endif  // SQUALL_IOLOOP_TIMEOUT_H_
