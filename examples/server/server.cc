// `bazel run server`: the article's program as a service, with files, limits, an operator's socket
// and clear words about what is wrong. examples/hello is the same in twenty lines.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "examples/server/article_handler.h"
#include "squall/base/flags.h"
#include "squall/base/status_macros.h"
#include "squall/control/control_process.h"
#include "squall/control/default_address.h"
#include "squall/httpserver/httpserver.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/sockets.h"
#include "squall/process/fork.h"
#include "squall/web/application.h"
#include "squall/web/static_file_handler.h"

ABSL_FLAG(int, port, 8888, "TCP port to listen on, 0 for any that is free");
ABSL_FLAG(std::string, address, "localhost",
          "address or name to listen on; a name means all its addresses, nothing means every "
          "interface of the machine");
ABSL_FLAG(int, workers, 0, "worker processes at the start, 0 for one per CPU");
ABSL_FLAG(int, max_workers, 64, "most worker processes that a resize may ask for");
ABSL_FLAG(std::string, control, "",
          "where operators reach the server: unix:PATH, or none; by default a socket in the user's "
          "runtime directory, where squallctl looks, too");
ABSL_FLAG(std::string, static, "", "directory to serve at /static/");
ABSL_FLAG(absl::Duration, grace, absl::Seconds(30),
          "how long a worker that has to stop may finish what is in flight");

namespace {

constexpr char kUsage[] =
    "server: answers / with the pid of the worker that served it (?sleep=SECONDS blocks that "
    "worker),\nand files of a directory at /static/, from a pool of processes that squallctl can "
    "query and resize.";

struct Configuration {
  int port;
  std::string address;
  int workers;
  int max_workers;
  std::string control;  // "" for none
  bool default_control;
  std::string static_root;
  absl::Duration grace;
};

void CheckRange(const char* flag, int value, int low, int high, const char* meaning) {
  if (value >= low && value <= high) return;
  squall::ExitWithUsageError(
      absl::StrCat("--", flag, "=", value, " is not ", meaning, " from ", low, " to ", high));
}

Configuration ReadFlags() {
  Configuration config;
  config.port = absl::GetFlag(FLAGS_port);
  CheckRange("port", config.port, 0, 65535, "a TCP port");
  config.address = absl::GetFlag(FLAGS_address);
  config.max_workers = absl::GetFlag(FLAGS_max_workers);
  CheckRange("max_workers", config.max_workers, 1,
             squall::Scoreboard::kMaxRows - squall::ForkOptions().surge_slots,
             "a number of worker processes");
  config.workers = absl::GetFlag(FLAGS_workers);
  CheckRange("workers", config.workers, 0, config.max_workers,
             "a number of worker processes (0: one per CPU)");
  config.static_root = absl::GetFlag(FLAGS_static);
  config.grace = absl::GetFlag(FLAGS_grace);
  if (config.grace < absl::ZeroDuration() || config.grace > absl::Hours(24)) {
    squall::ExitWithUsageError(absl::StrCat("--grace=", absl::FormatDuration(config.grace),
                                            " is not a duration from 0 to 24h"));
  }
  config.control = absl::GetFlag(FLAGS_control);
  config.default_control = config.control.empty();
  if (config.default_control) {
    config.control = squall::DefaultControlAddress();
  } else if (config.control == "none") {
    config.control.clear();
  } else if (!absl::StartsWith(config.control, "unix:/")) {
    squall::ExitWithUsageError(absl::StrCat("--control=", config.control,
                                            " is neither unix: with an absolute path nor none"));
  }
  return config;
}

absl::StatusOr<std::string> ResolveStaticRoot(const std::string& given) {
  std::string directory = given;
  // `bazel run` starts programs elsewhere and says here where the user stood.
  if (const char* cwd = getenv("BUILD_WORKING_DIRECTORY"); cwd != nullptr && given[0] != '/') {
    directory = absl::StrCat(cwd, "/", given);
  }
  char* resolved = realpath(directory.c_str(), nullptr);
  if (resolved == nullptr || access(absl::StrCat(resolved, "/.").c_str(), R_OK | X_OK) != 0) {
    free(resolved);
    return absl::NotFoundError(
        absl::StrCat("--static=", given, " is no directory that can be read"));
  }
  std::string root = resolved;
  free(resolved);
  return root;
}

absl::StatusOr<squall::ListenSocket> BindControl(const Configuration& config) {
  if (config.default_control) {
    if (absl::Status made = squall::EnsurePrivateDirectory(config.control); !made.ok()) {
      return absl::Status(
          made.code(), absl::StrCat("the control socket cannot be at its default place, ",
                                    config.control, ": ", made.message(),
                                    "; --control=unix:PATH or --control=none decides otherwise"));
    }
  }
  return squall::BindUnixSocket(config.control.substr(sizeof("unix:") - 1));
}

std::string Url(const squall::ListenSocket& socket) {
  return absl::StrCat("http://", socket.address().ToString(), "/");
}

// In the master, when all workers serve.
void Announce(const Configuration& config, const std::vector<std::string>& urls,
              const squall::PoolSnapshot& pool) {
  std::vector<pid_t> workers;
  for (const squall::WorkerSnapshot& worker : pool.workers) workers.push_back(worker.slot.pid);
  std::string admin = "bazel run admin --";
  if (!config.default_control) absl::StrAppend(&admin, " --address=", config.control);
  std::string text = absl::StrCat(
      "serving ", absl::StrJoin(urls, " "), "\n",
      config.static_root.empty() ? "" : absl::StrCat("  /static/ is ", config.static_root, "\n"),
      "  master ", pool.master_pid, ", workers ", absl::StrJoin(workers, " "), "\n", "  control ",
      config.control.empty() ? "none" : config.control, "\n", "try\n  curl '", urls.front(),
      "?sleep=3'\n");
  if (!config.control.empty()) absl::StrAppend(&text, "  ", admin, " resize 4\n");
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

// Returns in the workers.
absl::StatusOr<std::vector<squall::ListenSocket>> StartPool(const Configuration& config) {
  ASSIGN_OR_RETURN(
      std::vector<squall::ListenSocket> sockets,
      squall::BindSockets(static_cast<uint16_t>(config.port), {.address = config.address}));
  squall::ForkOptions options;
  options.max_workers = config.max_workers;
  options.drain.grace = config.grace;
  if (!config.control.empty()) {
    ASSIGN_OR_RETURN(squall::ListenSocket control, BindControl(config));
    options.sidecar = squall::MakeControlSidecar({.listener = std::move(control)});
  }
  std::vector<std::string> urls;
  for (const squall::ListenSocket& socket : sockets) urls.push_back(Url(socket));
  options.on_ready = [config, urls](const squall::PoolSnapshot& pool) {
    Announce(config, urls, pool);
  };
  RETURN_IF_ERROR(squall::ForkProcesses(config.workers, std::move(options)).status());
  return sockets;
}

absl::Status Serve(Configuration config) {
  if (!config.static_root.empty()) {
    ASSIGN_OR_RETURN(config.static_root, ResolveStaticRoot(config.static_root));
  }
  ASSIGN_OR_RETURN(std::vector<squall::ListenSocket> sockets, StartPool(config));

  std::vector<squall::Rule> rules = {{"/", squall::Handler<ArticleHandler>()}};
  if (!config.static_root.empty()) {
    rules.push_back(
        {"/static/(.*)", squall::Handler<squall::StaticFileHandler>(squall::StaticFileOptions{
                             .root = config.static_root, .default_filename = "index.html"})});
  }
  squall::Application app(std::move(rules));
  squall::HttpServer server(app);
  server.AddSockets(std::move(sockets));
  squall::IOLoop::Current().Start();
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  squall::ParseFlagsOrExit(argc, argv, kUsage);
  if (absl::Status status = Serve(ReadFlags()); !status.ok()) {
    std::fprintf(stderr, "server: %s\n", std::string(status.message()).c_str());
    return 1;
  }
  return 0;
}
