#include "squall/ioloop/with_timeout.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace squall::internal {

absl::Status WithTimeoutError(absl::Duration timeout) {
  return absl::DeadlineExceededError(
      absl::StrCat("WithTimeout: the task was not done after ", absl::FormatDuration(timeout)));
}

}  // namespace squall::internal
