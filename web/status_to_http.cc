#include "squall/web/status_to_http.h"

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/http_status.h"

namespace squall {

namespace {

struct Entry {
  absl::StatusCode code;
  int http_status;
};

// Of several codes with one HTTP status the first is HttpStatusError's.
constexpr Entry kTable[] = {
    {absl::StatusCode::kOk, 200},
    {absl::StatusCode::kInvalidArgument, 400},
    {absl::StatusCode::kOutOfRange, 400},
    {absl::StatusCode::kUnauthenticated, 401},
    {absl::StatusCode::kPermissionDenied, 403},
    {absl::StatusCode::kNotFound, 404},
    {absl::StatusCode::kAlreadyExists, 409},
    {absl::StatusCode::kAborted, 409},
    {absl::StatusCode::kFailedPrecondition, 412},
    {absl::StatusCode::kResourceExhausted, 429},
    {absl::StatusCode::kCancelled, 499},
    {absl::StatusCode::kUnimplemented, 501},
    {absl::StatusCode::kUnavailable, 503},
    {absl::StatusCode::kDeadlineExceeded, 504},
};

}  // namespace

int HttpStatusFromStatus(const absl::Status& status) {
  if (const auto payload = status.GetPayload(kHttpStatusPayload); payload.has_value()) {
    int http_status = 0;
    if (absl::SimpleAtoi(std::string(*payload), &http_status)) return http_status;
  }
  for (const Entry& entry : kTable) {
    if (entry.code == status.code()) return entry.http_status;
  }
  return 500;
}

absl::Status HttpStatusError(int http_status, std::string_view message) {
  if (http_status < 400 || http_status > 599) http_status = 500;
  absl::StatusCode code =
      http_status < 500 ? absl::StatusCode::kInvalidArgument : absl::StatusCode::kInternal;
  for (const Entry& entry : kTable) {
    if (entry.http_status == http_status) {
      code = entry.code;
      break;
    }
  }
  absl::Status status(code, ToAbsl(message));
  status.SetPayload(kHttpStatusPayload, absl::Cord(absl::StrCat(http_status)));
  return status;
}

}  // namespace squall
