// Internal to ioloop: the line that no exception of user code crosses.
#ifndef SQUALL_IOLOOP_INVOKE_H_
#define SQUALL_IOLOOP_INVOKE_H_

#include <string_view>
#include <utility>

namespace squall::internal {

// Logs the exception that is being handled as one ERROR line: "Exception in a timer: what()".
void LogCurrentException(std::string_view where) noexcept;

// Calls `callable(args...)`; what it throws is logged and forgotten, as Tornado's loop does.
template <typename Callable, typename... Args>
void InvokeLogged(std::string_view where, Callable& callable, Args&&... args) noexcept {
  try {
    callable(std::forward<Args>(args)...);
  } catch (...) {
    LogCurrentException(where);
  }
}

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_INVOKE_H_
