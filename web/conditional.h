// Conditional requests: RFC 9110 13 for handlers that know what they would change or send.
//
//   void Put(int id) {
//     const Item& item = store_->Get(id);
//     if (squall::AnswerConditionally(*this, {.etag = item.Etag()})) return;  // 412: changed since
//     store_->Put(id, request().body());
//   }
//
// Answers of GET get an Etag by themselves (RequestHandler::ComputeEtag()); this is for those that
// need not be made to know it, for dates, and for methods that change something.
#ifndef SQUALL_WEB_CONDITIONAL_H_
#define SQUALL_WEB_CONDITIONAL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "squall/httpserver/http_headers.h"
#include "squall/web/request_handler.h"

namespace squall {

// What is known of the present representation; nothing: there is none.
struct Validators {
  std::string etag = {};  // with quotes
  std::optional<absl::Time> last_modified = std::nullopt;
  // Octets of it, if that is known; else it counts as large. Where a 200 would be compressed, and its
  // tag weak for that, the tag of a 304 is weak, too (RFC 9110 15.4.5).
  std::optional<uint64_t> body_size = std::nullopt;
};

enum class Precondition {
  kHolds,        // go on
  kNotModified,  // 304: the client has it
  kFailed,       // 412
};

// If-Match (strong comparison), else If-Unmodified-Since; then If-None-Match (weak), else, for GET
// and HEAD, If-Modified-Since; in the order of RFC 9110 13.2.2. Dates that cannot be read do not
// count. A failed If-None-Match is kNotModified for GET and HEAD and kFailed for others.
Precondition EvaluatePreconditions(std::string_view method, const HttpHeaders& request,
                                   const Validators& present);

// Sets Etag and Last-Modified, evaluates, and answers 304 or 412 if that is the answer: true then.
// Content-Type should be there already: whether a 200 would be compressed depends on it.
bool AnswerConditionally(RequestHandler& handler, const Validators& present);

// If-Range (RFC 9110 13.1.5): true when it is absent or names `present`, so that Range counts. A date
// does not name what was changed less than a second before `now`: it may change again within the
// second that the date stands for (RFC 9110 8.8.2.2).
bool RangeConditionHolds(const HttpHeaders& request, const Validators& present,
                         absl::Time now = absl::Now());

}  // namespace squall

#endif  // SQUALL_WEB_CONDITIONAL_H_
