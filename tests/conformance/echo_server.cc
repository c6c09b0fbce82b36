// A server that tells how it understood each request, for suites of raw requests.
//
//   echo_server --port=0 --header_timeout=15 --max_body=1048576
//
// GET and HEAD of `/` answer 200 `hello` as text/plain, any other method 405 with Allow. `/echo`
// answers GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS with a JSON object of method, uri (as
// received), version, headers ([[name, value], …] in received order) and body_base64. Octets of uri
// and fields are shown as the characters of the same number. Anything else is 404. Prints
// `READY 127.0.0.1:PORT` and serves until SIGTERM.
#include <cmath>
#include <cstdint>
#include <iostream>
#include <string>
#include <string_view>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "squall/base/flags.h"
#include "squall/base/logging.h"
#include "squall/httpserver/httpserver.h"
#include "squall/tests/conformance/serve_until_term.h"
#include "squall/web/application.h"
#include "squall/web/handler.h"
#include "squall/web/json.h"
#include "squall/web/request_handler.h"
#include "squall/web/utf8.h"

ABSL_FLAG(uint16_t, port, 0, "TCP port on 127.0.0.1; 0 takes any");
ABSL_FLAG(double, header_timeout, 15, "seconds for the whole head of a request");
ABSL_FLAG(double, body_timeout, 60, "seconds for the whole body of a request");
ABSL_FLAG(double, idle_timeout, 75, "seconds that a connection may wait between requests");
ABSL_FLAG(double, write_timeout, 60, "seconds without progress of a client's reading");
ABSL_FLAG(uint64_t, max_body, 1 << 20, "most octets of a request's body");

namespace squall::conformance {
namespace {

struct Root : RequestHandler {
  void SetDefaultHeaders() override { SetHeader("Content-Type", "text/plain"); }
  void Get() { Write("hello"); }
};

struct EchoRequest : RequestHandler {
  static constexpr bool kRawBody = true;

  void Get() {
    nlohmann::json fields = nlohmann::json::array();
    for (const auto [name, value] : request().headers()) {
      fields.push_back({name, internal::Latin1ToUtf8(value)});
    }
    // HEAD has the length that GET would have (RFC 9110 9.3.2).
    const std::string_view method = request().method() == "HEAD" ? "GET" : request().method();
    WriteJson(*this, {{"method", method},
                      {"uri", internal::Latin1ToUtf8(request().uri())},
                      {"version", request().version()},
                      {"headers", fields},
                      {"body_base64", absl::Base64Escape(request().body())}});
  }
  void Post() { Get(); }
  void Put() { Get(); }
  void Patch() { Get(); }
  void Delete() { Get(); }
  void Options() {
    SetHeader("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    Get();
  }
};

absl::Duration SecondsFlag(const absl::Flag<double>& flag, const char* name) {
  const double seconds = absl::GetFlag(flag);
  if (!std::isfinite(seconds) || seconds <= 0) {
    ExitWithUsageError(absl::StrCat("--", name, "=", seconds, ": seconds must be above 0"));
  }
  return absl::Seconds(seconds);
}

int Main() {
  HttpServerOptions options;
  options.header_timeout = SecondsFlag(FLAGS_header_timeout, "header_timeout");
  options.body_timeout = SecondsFlag(FLAGS_body_timeout, "body_timeout");
  options.idle_connection_timeout = SecondsFlag(FLAGS_idle_timeout, "idle_timeout");
  options.write_timeout = SecondsFlag(FLAGS_write_timeout, "write_timeout");
  options.max_body_size = absl::GetFlag(FLAGS_max_body);
  options.max_streamed_body_size = options.max_body_size;

  Application application{{"/", Handler<Root>()}, {"/echo", Handler<EchoRequest>()}};
  HttpServer server(application, options);
  const absl::Status listening = server.Listen(absl::GetFlag(FLAGS_port), {.address = "127.0.0.1"});
  if (!listening.ok()) {
    std::cerr << "echo_server: " << listening.message() << std::endl;
    return 1;
  }
  return ServeUntilTerm(server.addresses().front().ToString());
}

}  // namespace
}  // namespace squall::conformance

int main(int argc, char** argv) {
  squall::ParseFlagsOrExit(argc, argv, "echo_server: answers with what it understood");
  squall::InitLogging({.min_level = squall::LogLevel::kError});
  return squall::conformance::Main();
}
