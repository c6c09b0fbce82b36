// Internal: what the framework finds out about a handler class at compile time. Handler<T>() in
// handler.h is the public way to it.
//
// For each verb that T has: a plain function that calls it with the path's groups converted to its
// parameter types, and how many groups it takes. The verbs are ordinary member functions; nothing
// is virtual, and a synchronous verb never touches a coroutine frame.
#ifndef SQUALL_WEB_HANDLER_CLASS_H_
#define SQUALL_WEB_HANDLER_CLASS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "squall/ioloop/task.h"
#include "squall/web/path_args.h"

namespace squall {

class RequestHandler;

namespace internal {

enum class Verb : uint8_t { kGet, kHead, kPost, kPut, kPatch, kDelete, kOptions };
inline constexpr size_t kVerbs = 7;
inline constexpr std::string_view kVerbNames[kVerbs] = {"GET",   "HEAD",   "POST",   "PUT",
                                                        "PATCH", "DELETE", "OPTIONS"};
// The verb of a request method; nullopt for a method that no handler can have.
std::optional<Verb> VerbFromMethod(std::string_view method);

// What a verb, Prepare() or DataReceived() returned: nothing, a status, or something to await.
using Outcome = std::variant<std::monostate, absl::Status, Task<>, Task<absl::Status>>;

// Takes any number of groups.
inline constexpr int kAnyPathArgs = -1;

struct VerbEntry {
  Outcome (*run)(RequestHandler&, const PathArgs&) = nullptr;  // null: T does not have it
  int path_args = 0;
};

// One constant object per handler class.
struct HandlerClass {
  const std::type_info* type = nullptr;
  std::array<VerbEntry, kVerbs> verbs;
  Outcome (*prepare)(RequestHandler&) = nullptr;
  Outcome (*data_received)(RequestHandler&, std::string_view) = nullptr;  // set: streamed bodies
  bool any_method = false;     // Prepare() answers, whatever the method
  bool raw_body = false;       // a form is not parsed
  bool ignores_body = false;   // the answer is the same whatever the body
  bool own_xsrf_check = true;  // CheckXsrfCookie() is not RequestHandler's, or cannot be looked at
};

template <class M>
struct MemberTraits;
template <class R, class C, class... A>
struct MemberTraits<R (C::*)(A...)> {
  using Result = R;
  using Values = std::tuple<std::remove_cvref_t<A>...>;
  static constexpr size_t kArity = sizeof...(A);
  static constexpr bool kHasReferences = (std::is_reference_v<A> || ... || false);
};
template <class R, class C, class... A>
struct MemberTraits<R (C::*)(A...) const> : MemberTraits<R (C::*)(A...)> {};
template <class R, class C, class... A>
struct MemberTraits<R (C::*)(A...) noexcept> : MemberTraits<R (C::*)(A...)> {};
template <class R, class C, class... A>
struct MemberTraits<R (C::*)(A...) const noexcept> : MemberTraits<R (C::*)(A...)> {};

template <class R>
inline constexpr bool kIsTask = std::is_same_v<R, Task<>> || std::is_same_v<R, Task<absl::Status>>;

// Calls `call` and wraps what it returns.
template <class R, class F>
Outcome MakeOutcome(F&& call) {
  if constexpr (std::is_void_v<R>) {
    std::forward<F>(call)();
    return std::monostate();
  } else {
    static_assert(std::is_same_v<R, absl::Status> || kIsTask<R>,
                  "a handler's method returns void, absl::Status, squall::Task<> or "
                  "squall::Task<absl::Status>");
    return Outcome(std::in_place_type<R>, std::forward<F>(call)());
  }
}

template <class T, auto kMember>
struct VerbCaller {
  using Traits = MemberTraits<decltype(kMember)>;
  using Values = typename Traits::Values;
  using Result = typename Traits::Result;

  static_assert(!(kIsTask<Result> && Traits::kHasReferences),
                "a coroutine must not take reference parameters: they dangle after its first "
                "co_await; take std::string_view or values");

  static constexpr bool kTakesAll = std::is_same_v<Values, std::tuple<PathArgs>>;

  static Outcome Run(RequestHandler& base, const PathArgs& groups) {
    T& handler = static_cast<T&>(base);
    if constexpr (kTakesAll) {
      return MakeOutcome<Result>([&]() -> Result { return (handler.*kMember)(groups); });
    } else {
      return Call(handler, groups, std::make_index_sequence<Traits::kArity>());
    }
  }

  static constexpr VerbEntry Entry() {
    return {&Run, kTakesAll ? kAnyPathArgs : static_cast<int>(Traits::kArity)};
  }

 private:
  template <size_t... I>
  static Outcome Call(T& handler, const PathArgs& groups, std::index_sequence<I...>) {
    (void)groups;
    auto values = std::make_tuple(PathArgTo<std::tuple_element_t<I, Values>>(groups[I])...);
    if (!(std::get<I>(values).has_value() && ... && true)) {
      return absl::NotFoundError("a part of the path does not fit the handler's parameter");
    }
    return MakeOutcome<Result>(
        [&]() -> Result { return (handler.*kMember)(*std::move(std::get<I>(values))...); });
  }
};

// A verb counts when it is public and not overloaded; both mistakes are found by the second test,
// which only asks for the name: deriving from T and from a class with the same name makes the name
// ambiguous exactly when T has it in any form.
#define SQUALL_INTERNAL_DETECT_MEMBER(Name)                                                 \
  struct Name##Decoy {                                                                      \
    int Name;                                                                               \
  };                                                                                        \
  template <class T>                                                                        \
  struct Name##Probe : T, Name##Decoy {};                                                   \
  template <class T>                                                                        \
  constexpr bool Name##NameExists() {                                                       \
    if constexpr (std::is_final_v<T> || requires { typename T::Name; }) {                   \
      return false;                                                                         \
    } else {                                                                                \
      return !requires { &Name##Probe<T>::Name; };                                          \
    }                                                                                       \
  }                                                                                         \
  template <class T>                                                                        \
  constexpr bool Has##Name() {                                                              \
    constexpr bool kUsable = requires { &T::Name; };                                        \
    static_assert(kUsable || !Name##NameExists<T>(),                                        \
                  #Name " of a handler must be public, not overloaded and not a template"); \
    return kUsable;                                                                         \
  }

SQUALL_INTERNAL_DETECT_MEMBER(Get)
SQUALL_INTERNAL_DETECT_MEMBER(Head)
SQUALL_INTERNAL_DETECT_MEMBER(Post)
SQUALL_INTERNAL_DETECT_MEMBER(Put)
SQUALL_INTERNAL_DETECT_MEMBER(Patch)
SQUALL_INTERNAL_DETECT_MEMBER(Delete)
SQUALL_INTERNAL_DETECT_MEMBER(Options)
SQUALL_INTERNAL_DETECT_MEMBER(Prepare)
SQUALL_INTERNAL_DETECT_MEMBER(DataReceived)
#undef SQUALL_INTERNAL_DETECT_MEMBER

template <class T>
Outcome RunPrepare(RequestHandler& base) {
  using Traits = MemberTraits<decltype(&T::Prepare)>;
  static_assert(Traits::kArity == 0, "Prepare() takes no parameters");
  T& handler = static_cast<T&>(base);
  return MakeOutcome<typename Traits::Result>(
      [&]() -> typename Traits::Result { return handler.Prepare(); });
}

template <class T>
Outcome RunDataReceived(RequestHandler& base, std::string_view data) {
  using Traits = MemberTraits<decltype(&T::DataReceived)>;
  static_assert(std::is_same_v<typename Traits::Values, std::tuple<std::string_view>> ||
                    std::is_same_v<typename Traits::Values, std::tuple<std::string>>,
                "DataReceived() takes one std::string_view, or a std::string by value");
  using Value = std::tuple_element_t<0, typename Traits::Values>;
  static_assert(!kIsTask<typename Traits::Result> || std::is_same_v<Value, std::string>,
                "a DataReceived() that is a coroutine takes a std::string by value: the octets are "
                "gone after its first co_await");
  T& handler = static_cast<T&>(base);
  return MakeOutcome<typename Traits::Result>(
      [&]() -> typename Traits::Result { return handler.DataReceived(Value(data)); });
}

template <class T>
constexpr HandlerClass DescribeHandler() {
  HandlerClass result;
  result.type = &typeid(T);
  auto& verbs = result.verbs;
  if constexpr (HasGet<T>()) verbs[0] = VerbCaller<T, &T::Get>::Entry();
  // RFC 9110 9.3.2: HEAD is GET without the content, so whoever has Get() has both.
  if constexpr (HasHead<T>()) {
    verbs[1] = VerbCaller<T, &T::Head>::Entry();
  } else {
    verbs[1] = verbs[0];
  }
  if constexpr (HasPost<T>()) verbs[2] = VerbCaller<T, &T::Post>::Entry();
  if constexpr (HasPut<T>()) verbs[3] = VerbCaller<T, &T::Put>::Entry();
  if constexpr (HasPatch<T>()) verbs[4] = VerbCaller<T, &T::Patch>::Entry();
  if constexpr (HasDelete<T>()) verbs[5] = VerbCaller<T, &T::Delete>::Entry();
  if constexpr (HasOptions<T>()) verbs[6] = VerbCaller<T, &T::Options>::Entry();
  if constexpr (HasPrepare<T>()) result.prepare = &RunPrepare<T>;
  if constexpr (HasDataReceived<T>()) result.data_received = &RunDataReceived<T>;
  if constexpr (requires { T::kAnswersAnyMethod; }) result.any_method = T::kAnswersAnyMethod;
  if constexpr (requires { T::kRawBody; }) result.raw_body = T::kRawBody;
  if constexpr (requires { T::kIgnoresBody; }) result.ignores_body = T::kIgnoresBody;
  // An inherited member is of the class that has it.
  if constexpr (requires { &T::CheckXsrfCookie; }) {
    result.own_xsrf_check =
        !std::is_same_v<decltype(&T::CheckXsrfCookie), bool (RequestHandler::*)()>;
  }
  return result;
}

template <class T>
inline constexpr HandlerClass kHandlerClass = DescribeHandler<T>();

// "GET, HEAD, POST" for the Allow field of a 405 (RFC 9110 10.2.1); empty for no verbs.
std::string AllowedMethods(const HandlerClass& handler_class);

}  // namespace internal
}  // namespace squall

#endif  // SQUALL_WEB_HANDLER_CLASS_H_
