// Internal: who keeps a handler alive, and who runs it.
#ifndef SQUALL_WEB_HANDLER_REF_H_
#define SQUALL_WEB_HANDLER_REF_H_

#include <string>
#include <utility>

namespace squall {

class RequestHandler;

namespace internal {

// What a handler asks of whoever runs it.
class HandlerHost {
 public:
  // The answer is complete, or will never be.
  virtual void AnswerSettled() = 0;
  // For the Allow field.
  virtual std::string AllowedMethods() const = 0;
  // HEAD is answered by Head(), which need not make the body that Get() would.
  virtual bool HasOwnHead() const = 0;

 protected:
  ~HandlerHost() = default;
};

// Counts as one user of the handler; the last one deletes it.
class HandlerRef {
 public:
  HandlerRef() = default;
  explicit HandlerRef(RequestHandler* handler);
  HandlerRef(const HandlerRef& other) : HandlerRef(other.handler_) {}
  HandlerRef(HandlerRef&& other) noexcept;
  HandlerRef& operator=(HandlerRef other) noexcept;
  ~HandlerRef();

  RequestHandler* operator->() const { return handler_; }
  RequestHandler& operator*() const { return *handler_; }
  explicit operator bool() const { return handler_ != nullptr; }

 private:
  RequestHandler* handler_ = nullptr;
};

}  // namespace internal
}  // namespace squall

#endif  // SQUALL_WEB_HANDLER_REF_H_
