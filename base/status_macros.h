// Early return for absl::Status and absl::StatusOr. For .cc files only: no public header includes
// it.
//
//   absl::Status Copy(int from, int to) {
//     ASSIGN_OR_RETURN(std::string bytes, ReadAll(from));
//     RETURN_IF_ERROR(WriteAll(to, bytes));
//     return absl::OkStatus();
//   }
//
// Not for coroutines, which need co_return.
#ifndef SQUALL_BASE_STATUS_MACROS_H_
#define SQUALL_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns the status of `expr` from the enclosing function unless it is OK.
#define RETURN_IF_ERROR(expr)                                                                 \
  do {                                                                                        \
    if (absl::Status squall_status_macro_status = (expr); !squall_status_macro_status.ok()) { \
      return squall_status_macro_status;                                                      \
    }                                                                                         \
  } while (false)

#define SQUALL_STATUS_MACROS_CONCAT_INNER(x, y) x##y
#define SQUALL_STATUS_MACROS_CONCAT(x, y) SQUALL_STATUS_MACROS_CONCAT_INNER(x, y)

#define SQUALL_ASSIGN_OR_RETURN_IMPL(statusor, lhs, expr)  \
  auto statusor = (expr);                                  \
  if (!statusor.ok()) return std::move(statusor).status(); \
  lhs = *std::move(statusor)

// Assigns the value of the StatusOr `expr` to `lhs`, which may declare a variable, or returns its
// status. With a comma in the type of `lhs`, declare it as `auto`.
#define ASSIGN_OR_RETURN(lhs, expr)                                                            \
  SQUALL_ASSIGN_OR_RETURN_IMPL(SQUALL_STATUS_MACROS_CONCAT(squall_status_or_value_, __LINE__), \
                               lhs, expr)

#endif  // SQUALL_BASE_STATUS_MACROS_H_
