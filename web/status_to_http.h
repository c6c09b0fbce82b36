// The one table by which an absl::Status that a handler returns becomes an HTTP status.
//
//   int http = squall::HttpStatusFromStatus(absl::NotFoundError("no such item"));  // 404
//
// The message of the status is logged and never shown to the client. Any thread.
#ifndef SQUALL_WEB_STATUS_TO_HTTP_H_
#define SQUALL_WEB_STATUS_TO_HTTP_H_

#include <string_view>

#include "absl/status/status.h"

namespace squall {

// OK 200, InvalidArgument and OutOfRange 400, Unauthenticated 401, PermissionDenied 403, NotFound
// 404, AlreadyExists and Aborted 409, FailedPrecondition 412, ResourceExhausted 429, Cancelled 499,
// Unimplemented 501, Unavailable 503, DeadlineExceeded 504, everything else 500.
int HttpStatusFromStatus(const absl::Status& status);

// A status for what the table does not have: HttpStatusError(415, "the body is no JSON"). Its code
// is the nearest of the table. `http_status` is 400 to 599, anything else becomes 500.
absl::Status HttpStatusError(int http_status, std::string_view message);

}  // namespace squall

#endif  // SQUALL_WEB_STATUS_TO_HTTP_H_
