// Errors with a reason that programs can read: google.rpc.Status in grpc-status-details-bin, as
// AIP-193 has it, so that clients in other languages need nothing of squall's to understand them.
//
//   return ControlError{.code = absl::StatusCode::kAborted,
//                       .reason = "STALE_ETAG",
//                       .message = "the pool changed since it was read",
//                       .metadata = {{"etag", "3f…-8"}}}.ToGrpc();
//
// The list of reasons is at the top of v1/control.proto. Nothing here needs gRPC but its Status.
#ifndef SQUALL_CONTROL_ERROR_DETAILS_H_
#define SQUALL_CONTROL_ERROR_DETAILS_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/support/status.h"

namespace squall::internal {

inline constexpr char kErrorDomain[] = "squall";

// The key of ErrorInfo among an absl::Status' payloads; the value is the serialised message.
inline constexpr char kErrorInfoUrl[] = "type.googleapis.com/google.rpc.ErrorInfo";

struct ControlError {
  absl::StatusCode code = absl::StatusCode::kUnknown;
  std::string reason = {};
  std::string message = {};
  std::map<std::string, std::string> metadata = {};
  // With a field: the request's field at fault, told in a BadRequest too. Each FAILED_PRECONDITION
  // has a PreconditionFailure, about the field or else about the pool.
  std::string field = {};
  // Positive: a RetryInfo.
  absl::Duration retry_after = absl::ZeroDuration();

  grpc::Status ToGrpc() const;
};

// A gRPC status as an absl::Status; the ErrorInfo in its details, if there is a well-formed one,
// becomes a payload under kErrorInfoUrl.
absl::Status StatusFromGrpc(const grpc::Status& status);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_ERROR_DETAILS_H_
