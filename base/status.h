// absl::Status from errno, and errno back from it.
//
//   if (::listen(fd, 128) != 0) return squall::StatusFromErrno(errno, "listen on 127.0.0.1:80");
//   // UNKNOWN or better code, "listen on 127.0.0.1:80: Address already in use"
//
//   if (squall::ErrnoFromStatus(status) == EADDRINUSE) TryTheNextPort();
//
// Any thread, any process.
#ifndef SQUALL_BASE_STATUS_H_
#define SQUALL_BASE_STATUS_H_

#include <optional>
#include <string_view>

#include "absl/status/status.h"

namespace squall {

// "what: strerror(error_number)" with the code that absl::ErrnoToStatusCode gives. The number
// itself travels along as a payload. `error_number` 0 is a mistake of the caller and becomes
// INTERNAL, never OK.
absl::Status StatusFromErrno(int error_number, std::string_view what);

// The number given to StatusFromErrno, nullopt for a status made otherwise.
std::optional<int> ErrnoFromStatus(const absl::Status& status);

// `status` in other words: its code and its payloads, the errno among them, with `message`. OK stays
// OK, which has no message.
absl::Status WithMessage(const absl::Status& status, std::string_view message);

}  // namespace squall

#endif  // SQUALL_BASE_STATUS_H_
