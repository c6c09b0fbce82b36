// JSON answers. A target of its own, //web:json, so that programs without JSON do not get the
// library.
//
//   void Get() {
//     squall::WriteJson(*this, {{"id", 7}, {"tags", {"a", "b"}}});
//   }
#ifndef SQUALL_WEB_JSON_H_
#define SQUALL_WEB_JSON_H_

#include <string>

#include "nlohmann/json.hpp"
#include "squall/web/request_handler.h"

namespace squall {

// `value` as JSON text. Strings that are not UTF-8 get replacement characters instead of an
// exception;
// "</" becomes "<\/", so that the text may stand inside a <script> (Tornado's json_encode).
std::string JsonText(const nlohmann::json& value);

// Appends `value` to the answer and sets its Content-Type to application/json; charset=UTF-8.
void WriteJson(RequestHandler& handler, const nlohmann::json& value);

}  // namespace squall

#endif  // SQUALL_WEB_JSON_H_
