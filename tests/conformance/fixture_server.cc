// The server that the wire cases are run against; see wire_fixture.json, "fixture_program".
//
//   fixture_server --port=0 --static_root=DIR --options='{"xheaders": true}'
//
// Prints `READY ADDRESS` and serves until SIGTERM.
#include <stdlib.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "squall/base/flags.h"
#include "squall/base/logging.h"
#include "squall/base/status_macros.h"
#include "squall/httpserver/httpserver.h"
#include "squall/netutil/sockets.h"
#include "squall/tests/conformance/fixture_handlers.h"
#include "squall/tests/conformance/serve_until_term.h"
#include "squall/web/application.h"
#include "squall/web/settings.h"

ABSL_FLAG(uint16_t, port, 0, "TCP port on 127.0.0.1; 0 takes any");
ABSL_FLAG(std::string, static_root, "", "directory whose static/ is served");
ABSL_FLAG(std::string, options, "{}", "server_options of a wire case, as JSON");

namespace squall::conformance {
namespace {

using nlohmann::json;

struct Options {
  HttpServerOptions server;
  Settings application;
  std::string listen = "tcp";
};

absl::StatusOr<Options> ReadOptions(const std::string& text) {
  const json options = json::parse(text, nullptr, false);
  if (!options.is_object()) return absl::InvalidArgumentError("is no JSON object");
  Options result;
  // The cases are Tornado's.
  result.server.http10_chunked_keep_alive = true;
  for (const auto& [name, value] : options.items()) {
    try {
      if (name == "no_keep_alive") {
        result.server.no_keep_alive = value.get<bool>();
      } else if (name == "xheaders") {
        result.server.xheaders = value.get<bool>();
      } else if (name == "protocol") {
        result.server.protocol = value.get<std::string>();
      } else if (name == "decompress_request") {
        result.server.decompress_request = value.get<bool>();
      } else if (name == "chunk_size") {
        result.server.chunk_size = value.get<size_t>();
      } else if (name == "max_header_size") {
        result.server.max_header_size = value.get<size_t>();
      } else if (name == "idle_connection_timeout") {
        // Tornado has one timer for the idle time and the head behind it.
        result.server.idle_connection_timeout = absl::Seconds(value.get<double>());
        result.server.header_timeout = result.server.idle_connection_timeout;
      } else if (name == "body_timeout") {
        result.server.body_timeout = absl::Seconds(value.get<double>());
      } else if (name == "header_timeout") {
        result.server.header_timeout = absl::Seconds(value.get<double>());
      } else if (name == "write_timeout") {
        result.server.write_timeout = absl::Seconds(value.get<double>());
      } else if (name == "max_connections") {
        result.server.max_connections = value.get<size_t>();
      } else if (name == "max_body_size") {
        result.server.max_body_size = value.get<uint64_t>();
        result.server.max_streamed_body_size = result.server.max_body_size;
      } else if (name == "trusted_downstream") {
        result.server.trusted_downstream = value.get<std::vector<std::string>>();
      } else if (name == "compress_response") {
        result.application.compress_response = value.get<bool>();
      } else if (name == "xsrf_cookies") {
        result.application.xsrf_cookies = value.get<bool>();
      } else if (name == "static_url_prefix") {
        result.application.static_url_prefix = value.get<std::string>();
      } else if (name == "listen") {
        result.listen = value.get<std::string>();
      } else {
        return absl::InvalidArgumentError(absl::StrCat("has the unknown option ", name));
      }
    } catch (const json::exception&) {
      return absl::InvalidArgumentError(absl::StrCat("has a value of the wrong type for ", name));
    }
  }
  return result;
}

// A directory for one unix socket that goes with the program.
class SocketDirectory {
 public:
  SocketDirectory() {
    std::string name = std::filesystem::temp_directory_path() / "squall-fixture-XXXXXX";
    PCHECK(::mkdtemp(name.data()) != nullptr) << name;
    path_ = name;
  }
  ~SocketDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string SocketPath() const { return path_ / "socket"; }

 private:
  std::filesystem::path path_;
};

absl::StatusOr<int> Serve(Options options) {
  options.application.static_path = absl::StrCat(absl::GetFlag(FLAGS_static_root), "/static");
  options.application.static_options.default_filename = "index.html";
  Application application(FixtureRules(), std::move(options.application));
  HttpServer server(application, options.server);
  if (options.listen == "unix") {
    const SocketDirectory directory;
    ASSIGN_OR_RETURN(ListenSocket socket, BindUnixSocket(directory.SocketPath()));
    server.AddSocket(std::move(socket));
    return ServeUntilTerm(absl::StrCat("unix:", directory.SocketPath()));
  }
  if (options.listen == "unix-abstract") {
    const std::string name = absl::StrCat("squall-fixture-", ::getpid());
    ASSIGN_OR_RETURN(ListenSocket socket, BindUnixSocket(absl::StrCat(std::string(1, '\0'), name)));
    server.AddSocket(std::move(socket));
    return ServeUntilTerm(absl::StrCat("unix-abstract:", name));
  }
  if (options.listen != "tcp") {
    return absl::InvalidArgumentError(
        absl::StrCat("listen is ", options.listen, ", not tcp, unix or unix-abstract"));
  }
  RETURN_IF_ERROR(server.Listen(absl::GetFlag(FLAGS_port), {.address = "127.0.0.1"}));
  return ServeUntilTerm(server.addresses().front().ToString());
}

}  // namespace
}  // namespace squall::conformance

int main(int argc, char** argv) {
  squall::ParseFlagsOrExit(argc, argv, "fixture_server: serves the routes of the wire cases");
  squall::InitLogging({.min_level = squall::LogLevel::kError});
  absl::StatusOr<squall::conformance::Options> options =
      squall::conformance::ReadOptions(absl::GetFlag(FLAGS_options));
  if (!options.ok()) {
    squall::ExitWithUsageError(absl::StrCat("--options ", options.status().message()));
  }
  const absl::StatusOr<int> status = squall::conformance::Serve(*std::move(options));
  if (!status.ok()) {
    std::cerr << "fixture_server: " << status.status().message() << std::endl;
    return 1;
  }
  return *status;
}
