#include "squall/control/request_check.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/control/operation_to_proto.h"
#include "squall/control/pool_to_proto.h"
#include "squall/process/operation.h"
#include "squall/process/pool_action.h"

namespace squall::internal {

ControlError InvalidField(std::string field, std::string message) {
  return {.code = absl::StatusCode::kInvalidArgument,
          .reason = "INVALID_FIELD",
          .message = std::move(message),
          .field = std::move(field)};
}

std::optional<ControlError> CheckRequestId(const std::string& request_id) {
  if (request_id.size() > kMaxRequestId) {
    return InvalidField("request_id",
                        absl::StrCat("request_id has ", request_id.size(), " octets, at most ",
                                     kMaxRequestId, " are allowed"));
  }
  if (!std::all_of(request_id.begin(), request_id.end(), absl::ascii_isgraph)) {
    return InvalidField("request_id", "request_id must be printable ASCII without spaces");
  }
  return std::nullopt;
}

std::optional<ControlError> CheckPage(int page_size, const std::string& token, uint64_t last,
                                      uint64_t* begin) {
  if (page_size < 0) {
    return InvalidField("page_size", absl::StrCat("page_size must not be negative: ", page_size));
  }
  if (!token.empty() && (!absl::SimpleAtoi(token, begin) || *begin > last)) {
    return InvalidField("page_token",
                        "page_token is not one that an answer gave as next_page_token");
  }
  return std::nullopt;
}

std::optional<ControlError> CheckEtag(const std::string& text, const PoolSnapshot& snapshot,
                                      LinkRequest& request) {
  if (text.empty()) return std::nullopt;
  const std::optional<Etag> etag = ParseEtag(text);
  if (!etag.has_value()) return InvalidField("etag", "etag is not one that an answer gave");
  if (etag->instance_id != snapshot.instance_id) {
    return ControlError{
        .code = absl::StatusCode::kAborted,
        .reason = "NEW_INSTANCE",
        .message = "the server was restarted since the etag was given; read again",
        .metadata = {{"etag", MakeEtag(snapshot.instance_id, snapshot.pool.generation)}}};
  }
  // On the link 0 means "whatever it is", and no pool ever had it: ask for one that cannot be.
  request.expected_generation = etag->generation == 0 ? UINT64_MAX : etag->generation;
  return std::nullopt;
}

ControlError FromRefusal(const LinkReply& reply, const PoolSnapshot& snapshot,
                         const LinkRequest& request) {
  ControlError error{.code = static_cast<absl::StatusCode>(reply.code),
                     .reason = "UNKNOWN",
                     .message = reply.message};
  const auto max_workers = std::pair("max_workers", absl::StrCat(reply.max_workers));
  switch (reply.reason) {
    case RefusalReason::kNone:
      break;
    case RefusalReason::kNegativeTarget:
      error.reason = "INVALID_FIELD";
      error.field = "desired_workers";
      break;
    case RefusalReason::kSlotCapacity:
      error.reason = "SLOT_CAPACITY";
      error.metadata = {max_workers};
      break;
    case RefusalReason::kStaleGeneration:
      error.reason = "STALE_ETAG";
      error.metadata = {{"etag", MakeEtag(snapshot.instance_id, reply.generation)},
                        {"desired_workers", absl::StrCat(reply.desired)}};
      break;
    case RefusalReason::kRequestIdReused:
      error.reason = "REQUEST_ID_REUSED";
      error.metadata = {{"request_id", request.request_id}};
      break;
    case RefusalReason::kTooManyRequestIds:
      error.reason = "TOO_MANY_REQUEST_IDS";
      error.retry_after = absl::Minutes(1);
      break;
    case RefusalReason::kShuttingDown:
      error.reason = "SHUTTING_DOWN";
      break;
    case RefusalReason::kNotStarted:
      error.reason = "NOT_STARTED";
      break;
    case RefusalReason::kBadRestartOption:
      if (error.code == absl::StatusCode::kFailedPrecondition) {
        error.reason = "NO_SURGE_SLOTS";
      } else {
        error.reason = "INVALID_FIELD";
        // The sentence begins with the option's name, which is the field's.
        error.field = error.message.substr(0, error.message.find(' '));
        error.field = error.field.substr(error.field.rfind('.') + 1);
      }
      break;
    case RefusalReason::kNoSuchSlot:
      error.reason = "NO_SUCH_SLOT";
      error.metadata = {max_workers};
      break;
    case RefusalReason::kWrongIncarnation:
      error.reason = "WRONG_INCARNATION";
      error.metadata = {{"slot", absl::StrCat(request.slot)},
                        {"incarnation", absl::StrCat(reply.incarnation)}};
      break;
    case RefusalReason::kNotReady:
      error.reason = "WORKER_NOT_READY";
      break;
    case RefusalReason::kOperationInProgress:
      error.reason = "OPERATION_IN_PROGRESS";
      if (reply.operation != 0) {
        error.metadata = {{"operation", OperationName(snapshot.instance_id, reply.operation)}};
      }
      break;
    case RefusalReason::kReloadRefused:
      error.reason = "RELOAD_REFUSED";
      break;
    case RefusalReason::kNoSuchOperation:
      error.reason = "NO_SUCH_OPERATION";
      break;
    case RefusalReason::kOperationEnded:
      error.reason = "OPERATION_ENDED";
      break;
    case RefusalReason::kNotCancellable:
      error.reason = "NOT_CANCELLABLE";
      break;
    case RefusalReason::kTooManyOperations:
      error.reason = "TOO_MANY_OPERATIONS";
      error.retry_after = absl::Seconds(10);
      break;
    case RefusalReason::kBreakerClosed:
      error.reason = "BREAKER_CLOSED";
      break;
    case RefusalReason::kBadConfig:
      error.reason = "INVALID_FIELD";
      // The sentence begins with the field's name.
      error.field = absl::StrCat("config.", error.message.substr(0, error.message.find(' ')));
      break;
    case RefusalReason::kNoSuchMode:
      error.reason = "INVALID_FIELD";
      error.field = "mode";
      break;
  }
  if (error.message.empty()) error.message = absl::StrCat("the master refused: ", error.reason);
  return error;
}

ControlError MasterUnreachable(std::string why, const std::string& what, bool validate_only) {
  // The command may lie in the link, or an earlier one with the same request_id, and a stopped
  // master finds it there when it goes on.
  if (!validate_only) absl::StrAppend(&why, "; ", what, " may still take effect");
  return {.code = absl::StatusCode::kUnavailable,
          .reason = "MASTER_UNREACHABLE",
          .message = std::move(why),
          .retry_after = absl::Milliseconds(200)};
}

}  // namespace squall::internal
