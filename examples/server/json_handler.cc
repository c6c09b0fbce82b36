#include "examples/server/json_handler.h"

#include <unistd.h>

#include <optional>
#include <string>
#include <utility>

#include "squall/base/status_macros.h"
#include "squall/httpserver/http_status.h"
#include "squall/process/fork.h"
#include "squall/web/json.h"

void JsonHandler::Get() { squall::WriteJson(*this, Answer()); }

absl::Status JsonHandler::Post() {
  ASSIGN_OR_RETURN(nlohmann::json body, squall::JsonBody(*this));
  nlohmann::json answer = Answer();
  answer["body"] = std::move(body);
  squall::WriteJson(*this, answer);
  return absl::OkStatus();
}

nlohmann::json JsonHandler::Answer() const {
  nlohmann::json answer = {{"pid", getpid()},
                           {"method", std::string(request().method())},
                           {"client", std::string(request().remote_ip())}};
  if (const std::optional<int> worker = squall::TaskId()) answer["worker"] = *worker;
  return answer;
}

void JsonHandler::LogException(const squall::RequestError& error) {
  // What the client did is for the client to know; what went wrong here is not.
  if (error.expected) problem_ = error.message;
  RequestHandler::LogException(error);
}

void JsonHandler::WriteError(int status) {
  if (problem_.empty()) problem_ = std::string(squall::ReasonPhrase(status));
  squall::WriteJson(*this, {{"status", status}, {"error", problem_}});
  Finish();
}
