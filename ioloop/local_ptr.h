// Internal to ioloop: a shared_ptr for one thread, which counts without atomic instructions.
//
//   internal::LocalPtr<State> state = internal::LocalPtr<State>::Make();
//   internal::LocalPtr<State> same = internal::LocalPtr<State>::Of(&*state);
#ifndef SQUALL_IOLOOP_LOCAL_PTR_H_
#define SQUALL_IOLOOP_LOCAL_PTR_H_

#include <utility>

namespace squall::internal {

template <typename T>
class LocalPtr {
 public:
  // Null.
  LocalPtr() = default;
  template <typename... Args>
  static LocalPtr Make(Args&&... args) {
    return LocalPtr(new Shared(std::forward<Args>(args)...));
  }
  // One more owner of a value that Make() made.
  static LocalPtr Of(T* value) {
    LocalPtr owner(static_cast<Shared*>(value));
    ++owner.shared_->owners;
    return owner;
  }
  // The ownership alone, for who can keep no more than a pointer to an incomplete type. Adopt() gives
  // an owner back.
  T* Release() { return std::exchange(shared_, nullptr); }
  static LocalPtr Adopt(T* value) { return LocalPtr(static_cast<Shared*>(value)); }
  LocalPtr(const LocalPtr& other) : shared_(other.shared_) {
    if (shared_ != nullptr) ++shared_->owners;
  }
  LocalPtr(LocalPtr&& other) noexcept : shared_(std::exchange(other.shared_, nullptr)) {}
  LocalPtr& operator=(LocalPtr other) noexcept {
    std::swap(shared_, other.shared_);
    return *this;
  }
  ~LocalPtr() {
    if (shared_ != nullptr && --shared_->owners == 0) delete shared_;
  }

  explicit operator bool() const { return shared_ != nullptr; }
  T& operator*() const { return *shared_; }
  T* operator->() const { return shared_; }

 private:
  struct Shared final : T {
    template <typename... Args>
    explicit Shared(Args&&... args) : T(std::forward<Args>(args)...) {}
    int owners = 1;
  };

  explicit LocalPtr(Shared* shared) : shared_(shared) {}

  Shared* shared_ = nullptr;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_LOCAL_PTR_H_
