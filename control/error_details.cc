#include "squall/control/error_details.h"

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/message_lite.h"
#include "grpcpp/support/status.h"
#include "squall/control/error_details.pb.h"

namespace squall::internal {
namespace {

namespace wire = ::squall::control::internal;

constexpr char kTypePrefix[] = "type.googleapis.com/google.rpc.";

void Attach(const google::protobuf::MessageLite& detail, const char* type,
            wire::RpcStatus& status) {
  google::protobuf::Any* any = status.add_details();
  any->set_type_url(absl::StrCat(kTypePrefix, type));
  any->set_value(detail.SerializeAsString());
}

}  // namespace

grpc::Status ControlError::ToGrpc() const {
  wire::RpcStatus status;
  status.set_code(static_cast<int32_t>(code));
  status.set_message(message);

  wire::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain(kErrorDomain);
  for (const auto& [key, value] : metadata) (*info.mutable_metadata())[key] = value;
  if (!field.empty()) (*info.mutable_metadata())["field"] = field;
  Attach(info, "ErrorInfo", status);
  if (code == absl::StatusCode::kFailedPrecondition) {
    wire::PreconditionFailure failure;
    wire::PreconditionFailure::Violation* violation = failure.add_violations();
    violation->set_type(reason);
    violation->set_subject(field.empty() ? "pool" : field);
    violation->set_description(message);
    Attach(failure, "PreconditionFailure", status);
  } else if (!field.empty()) {
    wire::BadRequest bad;
    wire::BadRequest::FieldViolation* violation = bad.add_field_violations();
    violation->set_field(field);
    violation->set_description(message);
    Attach(bad, "BadRequest", status);
  }
  if (retry_after > absl::ZeroDuration()) {
    wire::RetryInfo retry;
    absl::Duration rest;
    const int64_t seconds = absl::IDivDuration(retry_after, absl::Seconds(1), &rest);
    retry.mutable_retry_delay()->set_seconds(seconds);
    retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
    Attach(retry, "RetryInfo", status);
  }
  return grpc::Status(static_cast<grpc::StatusCode>(code), message, status.SerializeAsString());
}

absl::Status StatusFromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  wire::RpcStatus details;
  if (!details.ParseFromString(status.error_details())) return result;
  for (const google::protobuf::Any& any : details.details()) {
    wire::ErrorInfo info;
    if (any.type_url() == kErrorInfoUrl && info.ParseFromString(any.value()) &&
        info.domain() == kErrorDomain) {
      result.SetPayload(kErrorInfoUrl, absl::Cord(any.value()));
    }
  }
  return result;
}

}  // namespace squall::internal
