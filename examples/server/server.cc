// `bazel run server`: the article's program as a service, with files, limits, an operator's socket
// and clear words about what is wrong. examples/hello is the same in twenty lines.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "examples/server/announce.h"
#include "examples/server/article_handler.h"
#include "examples/server/configuration.h"
#include "examples/server/json_handler.h"
#include "examples/server/server_flags.h"
#include "examples/server/user_path.h"
#include "squall/base/flags.h"
#include "squall/base/status_macros.h"
#include "squall/control/config/server_options.h"
#include "squall/control/control_plane.h"
#include "squall/httpserver/serve.h"
#include "squall/web/access_log.h"
#include "squall/web/application.h"
#include "squall/web/settings.h"

namespace {

constexpr char kUsage[] =
    "server: answers / with the pid of the worker that served it (?sleep=SECONDS blocks that "
    "worker),\n/json in JSON, and files of a directory at /static/, from a pool of processes that "
    "squallctl can\nquery and resize.";

constexpr int kUsageError = 2;

// What is wrong with the file begins with its place, as a compiler says it.
void PrintError(const Configuration& configuration, const absl::Status& status) {
  const std::string message(status.message());
  const bool located = absl::StartsWith(message, absl::StrCat(configuration.name(), ":"));
  std::fprintf(stderr, "%s%s\n", located ? "" : "server: ", message.c_str());
}

int CheckConfig(const Configuration& configuration) {
  if (const absl::Status status = configuration.Load().status(); !status.ok()) {
    PrintError(configuration, status);
    return kUsageError;
  }
  std::printf("%s: OK\n", configuration.name().c_str());
  return EXIT_SUCCESS;
}

std::vector<squall::Rule> Rules() {
  return {{"/", squall::Handler<ArticleHandler>()}, {"/json", squall::Handler<JsonHandler>()}};
}

absl::StatusOr<int> Serve(const Configuration& configuration) {
  ASSIGN_OR_RETURN(Configuration::Loaded loaded, configuration.Load());
  squall::ServeOptions& serve = loaded.options.serve;
  Announcement announcement{.static_root = loaded.options.static_root};
  announcement.control_is_default = !loaded.options.control.has_value();
  // For a master who did not come to be and would have removed them.
  std::vector<std::string> socket_files;
  absl::Cleanup remove = [&socket_files] {
    for (const std::string& file : socket_files) unlink(file.c_str());
  };
  if (loaded.options.control != "none") {
    absl::StatusOr<squall::ControlPlane> control =
        squall::BindControlPlane(loaded.options.control_plane);
    if (!control.ok()) return loaded.config.Locate(control.status());
    serve.fork.sidecar = std::move(control->sidecar);
    announcement.control = control->address;
    announcement.control_tls = control->tls_addresses;
    announcement.status = control->status_address;
    socket_files = std::move(control->socket_files);
  }
  serve.on_listening = [&](const std::vector<squall::SocketAddress>& addresses) {
    announcement.addresses = addresses;
  };
  serve.fork.on_ready = [&](const squall::PoolSnapshot& pool) {
    std::fputs(Describe(announcement, pool).c_str(), stdout);
    std::fflush(stdout);
  };
  announcement.scheme = loaded.options.tls.has_value() ? "https" : "http";
  // There may be keys only after a reload.
  serve.fork.hooks.before_fork = [&configuration](const squall::WorkerIdentity&) {
    if (squall::TlsTicketKeys* const keys = configuration.ticket_keys()) keys->Advance();
  };
  if (!absl::GetFlag(FLAGS_config).empty() || loaded.options.tls.has_value()) {
    serve.on_reload = [&](squall::HttpServerOptions& http, squall::WorkerSettings& worker) {
      return configuration.Reload(loaded.config, http, worker);
    };
  }
  squall::Settings settings{
      .static_path = loaded.options.static_root,
      .static_options = {.default_filename = "index.html",
                         .list_directories = loaded.options.static_list_directories,
                         .precompressed = loaded.options.static_precompressed},
      .compress_response = loaded.options.compress_response,
      .log_function = nullptr};
  if (loaded.options.access_log.has_value()) {
    ASSIGN_OR_RETURN(settings.log_function, squall::MakeAccessLog(*loaded.options.access_log));
  }
  squall::Application app(Rules(), std::move(settings));
  absl::StatusOr<int> served = squall::Serve(app, std::move(serve));
  if (served.ok()) std::move(remove).Cancel();
  return served;
}

}  // namespace

int main(int argc, char** argv) {
  squall::ParseFlagsOrExit(argc, argv, kUsage);
  const std::string file = absl::GetFlag(FLAGS_config);
  const Configuration configuration(file.empty() ? "" : UserPath(file), file);
  if (absl::GetFlag(FLAGS_check_config)) return CheckConfig(configuration);
  const absl::StatusOr<int> served = Serve(configuration);
  if (served.ok()) return *served;
  if (absl::StartsWith(served.status().message(), "--") &&
      absl::IsInvalidArgument(served.status())) {
    squall::ExitWithUsageError(std::string(served.status().message()));
  }
  PrintError(configuration, served.status());
  return absl::IsInvalidArgument(served.status()) ? kUsageError : EXIT_FAILURE;
}
