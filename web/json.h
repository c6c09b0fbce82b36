// JSON in and out. A target of its own, //web:json, so that programs without JSON do not get the
// library.
//
//   void Get() {
//     squall::WriteJson(*this, {{"id", 7}, {"tags", {"a", "b"}}});
//   }
//   absl::Status Post() {
//     ASSIGN_OR_RETURN(const nlohmann::json item, squall::JsonBody(*this));  // else 400 or 415
//     if (!item.is_object() || !item.contains("name") || !item["name"].is_string()) {
//       return absl::InvalidArgumentError("an item has a name");  // 400
//     }
//     return store_->Add(item["name"].get<std::string>());
//   }
//
// Look at the types before the values: the library's accessors throw for another one, which is a
// 500, and item["name"] of a const item without that name is undefined.
#ifndef SQUALL_WEB_JSON_H_
#define SQUALL_WEB_JSON_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "squall/web/request_handler.h"

namespace squall {

// `value` as JSON text. Strings that are not UTF-8 get replacement characters instead of an
// exception; "</" becomes "<\/", so that the text may stand inside a <script> (Tornado's
// json_encode).
std::string JsonText(const nlohmann::json& value);

// Appends `value` to the answer and sets its Content-Type to application/json; charset=UTF-8.
void WriteJson(RequestHandler& handler, const nlohmann::json& value);

struct JsonLimits {
  // Arrays and objects within each other. nlohmann's dump() recurses, so it must have a bound.
  size_t max_depth = 100;
};

// The request's body. HttpStatusError() of 415 unless its Content-Type is application/json or ends
// with +json, so that no form of another site can pass for JSON; InvalidArgument, with the place,
// for what is no JSON, and for what is nested too deep. Of equal names in an object the last counts.
absl::StatusOr<nlohmann::json> JsonBody(const RequestHandler& handler,
                                        const JsonLimits& limits = {});

}  // namespace squall

#endif  // SQUALL_WEB_JSON_H_
