#include "squall/web/json.h"

#include <string>

#include "absl/strings/str_replace.h"
#include "nlohmann/json.hpp"
#include "squall/web/request_handler.h"

namespace squall {

std::string JsonText(const nlohmann::json& value) {
  std::string text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  absl::StrReplaceAll({{"</", "<\\/"}}, &text);
  return text;
}

void WriteJson(RequestHandler& handler, const nlohmann::json& value) {
  handler.SetHeader("Content-Type", "application/json; charset=UTF-8");
  handler.Write(JsonText(value));
}

}  // namespace squall
