// A handler class with the arguments to make it: what Handler<T>() of handler.h returns.
//
//   squall::HandlerSpec spec = squall::Handler<MainHandler>();
//   squall::Application app{{"/", spec}, {"/index", spec}};
#ifndef SQUALL_WEB_HANDLER_SPEC_H_
#define SQUALL_WEB_HANDLER_SPEC_H_

#include <memory>
#include <utility>

#include "squall/web/handler_class.h"

namespace squall {

class RequestHandler;

namespace internal {

// Makes the handlers of one route.
class HandlerFactory {
 public:
  virtual ~HandlerFactory() = default;
  virtual std::unique_ptr<RequestHandler> Make() const = 0;
  // Called once `handler`, made by Make(), knows its request.
  virtual void Initialize(RequestHandler& handler) const = 0;
};

}  // namespace internal

// Copies share the arguments.
class HandlerSpec {
 public:
  HandlerSpec(const internal::HandlerClass* handler_class,
              std::shared_ptr<const internal::HandlerFactory> factory)
      : handler_class_(handler_class), factory_(std::move(factory)) {}

  // Internal: for the framework.
  const internal::HandlerClass& handler_class() const { return *handler_class_; }
  const internal::HandlerFactory& factory() const { return *factory_; }

 private:
  const internal::HandlerClass* handler_class_;
  std::shared_ptr<const internal::HandlerFactory> factory_;
};

}  // namespace squall

#endif  // SQUALL_WEB_HANDLER_SPEC_H_
