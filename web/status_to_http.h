// The one table by which an absl::Status that a handler returns becomes an HTTP status.
//
//   int http = squall::HttpStatusFromStatus(absl::NotFoundError("no such item"));  // 404
//
// The message of the status is logged and never shown to the client. Any thread.
#ifndef SQUALL_WEB_STATUS_TO_HTTP_H_
#define SQUALL_WEB_STATUS_TO_HTTP_H_

#include "absl/status/status.h"

namespace squall {

// OK 200, InvalidArgument and OutOfRange 400, Unauthenticated 401, PermissionDenied 403, NotFound
// 404, AlreadyExists and Aborted 409, FailedPrecondition 412, ResourceExhausted 429, Cancelled 499,
// Unimplemented 501, Unavailable 503, DeadlineExceeded 504, everything else 500.
int HttpStatusFromStatus(const absl::Status& status);

}  // namespace squall

#endif  // SQUALL_WEB_STATUS_TO_HTTP_H_
