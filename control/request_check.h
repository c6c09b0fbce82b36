// What is wrong with a request by itself, and the master's refusals, both in the API's words.
//
//   if (const auto error = CheckRequestId(request->request_id())) return error->ToGrpc();
//   …
//   if (reply.code != 0) return FromRefusal(reply, snapshot, command).ToGrpc();
#ifndef SQUALL_CONTROL_REQUEST_CHECK_H_
#define SQUALL_CONTROL_REQUEST_CHECK_H_

#include <cstdint>
#include <optional>
#include <string>

#include "squall/control/error_details.h"
#include "squall/process/control_link.h"
#include "squall/process/pool_snapshot.h"

namespace squall::internal {

ControlError InvalidField(std::string field, std::string message);

// Printable, without spaces, and not too long; may be empty.
std::optional<ControlError> CheckRequestId(const std::string& request_id);

// A page of a list: its size, and where it begins. `token` is what the page before gave, a number up
// to `last`.
std::optional<ControlError> CheckPage(int page_size, const std::string& token, uint64_t last,
                                      uint64_t* begin);

// Takes `etag` to request.expected_generation. Empty: whatever it is.
std::optional<ControlError> CheckEtag(const std::string& etag, const PoolSnapshot& snapshot,
                                      LinkRequest& request);

// `reply` has a code that is not 0.
ControlError FromRefusal(const LinkReply& reply, const PoolSnapshot& snapshot,
                         const LinkRequest& request);

// The master did not answer. `what` is the change that may still come: "the resize".
ControlError MasterUnreachable(std::string why, const std::string& what, bool validate_only);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_REQUEST_CHECK_H_
