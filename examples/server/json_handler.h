// JSON in and out: says which worker answers, and gives back what it was sent.
//
//   $ curl localhost:8888/json
//   {"client":"127.0.0.1","method":"GET","pid":4711,"worker":0}
//   $ curl localhost:8888/json --json '{"a": [1, 2]}'
//   {"body":{"a":[1,2]},"client":"127.0.0.1","method":"POST","pid":4711,"worker":0}
#ifndef SQUALL_EXAMPLES_SERVER_JSON_HANDLER_H_
#define SQUALL_EXAMPLES_SERVER_JSON_HANDLER_H_

#include <string>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"
#include "squall/web/request_handler.h"

class JsonHandler : public squall::RequestHandler {
 public:
  void Get();
  // 415 for another Content-Type, 400 for what is no JSON.
  absl::Status Post();

  // Errors are JSON, too: {"error":"...","status":400}.
  void LogException(const squall::RequestError& error) override;
  void WriteError(int status) override;

 private:
  nlohmann::json Answer() const;

  std::string problem_;
};

#endif  // SQUALL_EXAMPLES_SERVER_JSON_HANDLER_H_
