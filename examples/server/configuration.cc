#include "examples/server/configuration.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "examples/server/server_flags.h"
#include "examples/server/user_path.h"
#include "squall/base/logging.h"
#include "squall/base/status_macros.h"
#include "squall/control/config/config_file.h"
#include "squall/control/control_plane.h"
#include "squall/control/status/status_options.h"
#include "squall/httpserver/serve_options.h"
#include "squall/ioloop/tls_acceptor.h"
#include "squall/web/access_log.h"

namespace {

absl::Status ResolveStaticRoot(const squall::ServerConfig& config, std::string& root) {
  if (root.empty()) return absl::OkStatus();
  char* const resolved = realpath(UserPath(root).c_str(), nullptr);
  const std::string found = resolved == nullptr ? "" : resolved;
  free(resolved);
  if (found.empty() || access(absl::StrCat(found, "/.").c_str(), R_OK | X_OK) != 0) {
    const absl::Status wrong = config.IsNot("static", 0, "a directory that can be read");
    return absl::NotFoundError(wrong.message());
  }
  root = found;
  return absl::OkStatus();
}

// Opened when the server starts, before the workers are.
absl::Status CheckAccessLog(const squall::ServerConfig& config,
                            std::optional<squall::AccessLogOptions>& log) {
  if (!log.has_value() || log->path.empty()) return absl::OkStatus();
  log->path = UserPath(log->path);
  const std::string directory = std::filesystem::path(log->path).parent_path();
  if (access(absl::StrCat(directory, "/.").c_str(), W_OK | X_OK) != 0) {
    return config.IsNot("access_log.path", 0, "a file in a directory that can be written to");
  }
  return absl::OkStatus();
}

absl::Status CheckNoStatus(const squall::StatusOptions& status) {
  if (status.address.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "status.address needs the control process, and control says that there is none");
}

}  // namespace

absl::StatusOr<Configuration::Loaded> Configuration::Load() const {
  Loaded loaded;
  if (!path_.empty()) {
    ASSIGN_OR_RETURN(loaded.config, squall::ReadServerConfig(path_, name_));
  }
  RETURN_IF_ERROR(SetFromFlags(loaded.config));
  ASSIGN_OR_RETURN(loaded.options, squall::ToServerOptions(loaded.config));
  RETURN_IF_ERROR(loaded.config.Locate(Validate(loaded.options.serve)));
  if (loaded.options.control == "none") {
    RETURN_IF_ERROR(loaded.config.Locate(CheckNoStatus(loaded.options.control_plane.status)));
  } else {
    loaded.options.control_plane.address = loaded.options.control.value_or("");
    RETURN_IF_ERROR(loaded.config.Locate(CheckControlPlane(loaded.options.control_plane)));
  }
  RETURN_IF_ERROR(ResolveStaticRoot(loaded.config, loaded.options.static_root));
  RETURN_IF_ERROR(CheckAccessLog(loaded.config, loaded.options.access_log));
  if (loaded.options.tls.has_value()) {
    if (ticket_keys_ == nullptr) ticket_keys_ = std::make_shared<squall::TlsTicketKeys>();
    loaded.options.tls->ticket_keys = ticket_keys_;
    absl::StatusOr<std::shared_ptr<squall::TlsAcceptor>> tls =
        squall::TlsAcceptor::Create(*loaded.options.tls);
    if (!tls.ok()) return squall::LocateTlsError(loaded.config, tls.status());
    loaded.options.serve.http.transport = *std::move(tls);
  }
  return loaded;
}

absl::Status Configuration::Reload(const squall::ServerConfig& running,
                                   squall::HttpServerOptions& http,
                                   squall::WorkerSettings& worker) const {
  ASSIGN_OR_RETURN(Loaded loaded, Load());
  std::vector<std::string> fixed;
  for (std::string& option : loaded.config.ChangedFrom(running)) {
    if (!squall::ChangesAtReload(option)) fixed.push_back(std::move(option));
  }
  if (!fixed.empty()) {
    LOG(WARNING) << name() << ": " << absl::StrJoin(fixed, ", ")
                 << (fixed.size() == 1 ? " keeps its value" : " keep their values")
                 << " until the server is started anew";
  }
  http = std::move(loaded.options.serve.http);
  worker = std::move(loaded.options.serve.fork.worker);
  return absl::OkStatus();
}
