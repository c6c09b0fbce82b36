// Handler<T>(): names the class that answers a route.
//
//   struct ItemHandler : squall::RequestHandler {
//     explicit ItemHandler(Store* store) : store_(store) {}
//     void Get(int id) { Write(store_->Text(id)); }           // GET and HEAD
//     absl::Status Delete(int id) { return store_->Erase(id); }  // NotFound becomes 404
//     squall::Task<absl::Status> Post(int id);                // a coroutine
//
//    private:
//     Store* store_;  // not owned, outlives the application
//   };
//
//   squall::Application app{
//       {"/item/([0-9]+)", squall::Handler<ItemHandler>(&store)},
//   };
//
// T is a public subclass of RequestHandler. For each request one T is made; the arguments given to
// Handler<T>() are kept as copies and go to T's constructor when it takes them, else to a member
// function Initialize(args...), which may already use request() and SetHeader().
//
// Verbs are the public, not overloaded member functions Get, Head, Post, Put, Patch, Delete and
// Options, found at compile time. Each returns void, absl::Status, squall::Task<> or
// squall::Task<absl::Status>, and takes one parameter per group of the route's pattern:
// std::string_view, std::string, an integer type, a std::optional<> of these, or all groups as one
// squall::PathArgs. HEAD is answered by Get() when there is no Head(). Every other method is
// answered 405 with an Allow field that lists the verbs.
//
// Optional members, the functions found the same way and with the same return types:
// - Prepare() runs before the verb; if it finishes the answer, the verb is skipped.
// - DataReceived(std::string_view) takes the request's body in pieces as it comes. Prepare() runs
//   before the first piece then, the verb after the last, and request().body() is empty. As a
//   coroutine it takes a std::string; the next piece waits until it is done.
// - static constexpr bool kRawBody = true: the body is never read as a form, whatever its
//   Content-Type says; without it a broken form is answered 400.
// - static constexpr bool kIgnoresBody = true: the answer is the same whatever the body, so that it
//   need not be waited for. A small one is read and dropped, and the connection is kept; behind a
//   larger one, and instead of `100 Continue`, the answer comes at once and the connection closes.
//   request().body() is empty and a form has no arguments, not even the token against forgery. A verb
//   that the handler does not have is answered in the same way.
#ifndef SQUALL_WEB_HANDLER_H_
#define SQUALL_WEB_HANDLER_H_

#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "squall/web/handler_class.h"
#include "squall/web/handler_spec.h"
#include "squall/web/request_handler.h"

namespace squall {

namespace internal {

template <class T, class... Args>
class TypedHandlerFactory final : public HandlerFactory {
 public:
  explicit TypedHandlerFactory(Args... args) : args_(std::move(args)...) {}

  std::unique_ptr<RequestHandler> Make() const override {
    if constexpr (kByConstructor && sizeof...(Args) > 0) {
      return std::apply([](const Args&... args) { return std::make_unique<T>(args...); }, args_);
    } else {
      return std::make_unique<T>();
    }
  }

  void Initialize(RequestHandler& handler) const override {
    if constexpr (kByInitialize) {
      std::apply([&](const Args&... args) { static_cast<T&>(handler).Initialize(args...); }, args_);
    } else {
      (void)handler;
    }
  }

 private:
  static constexpr bool kByConstructor = std::is_constructible_v<T, const Args&...>;
  static constexpr bool kByInitialize =
      (sizeof...(Args) == 0 || !kByConstructor) && requires(T & handler, const Args&... args) {
    handler.Initialize(args...);
  };
  static_assert(kByConstructor || (std::is_default_constructible_v<T> && kByInitialize),
                "the arguments of Handler<T>(...) fit neither a constructor of T nor "
                "T::Initialize(...)");

  std::tuple<Args...> args_;
};

}  // namespace internal

// `args` are decayed and copied, as by std::thread: give a pointer for what is to be shared.
template <class T, class... Args>
HandlerSpec Handler(Args&&... args) {
  static_assert(std::is_base_of_v<RequestHandler, T>,
                "Handler<T>(): T must derive publicly from squall::RequestHandler");
  static_assert(
      alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__,
      "Handler<T>(): handlers come from memory that is aligned as malloc's; put a member that "
      "needs more behind a pointer");
  return HandlerSpec(&internal::kHandlerClass<T>,
                     std::make_shared<internal::TypedHandlerFactory<T, std::decay_t<Args>...>>(
                         std::forward<Args>(args)...));
}

}  // namespace squall

#endif  // SQUALL_WEB_HANDLER_H_
