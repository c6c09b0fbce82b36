// The options of //:server out of what its operator said.
//
//   ASSIGN_OR_RETURN(ServerOptions options, ToServerOptions(config));
//   RETURN_IF_ERROR(config.Locate(Validate(options.serve)));
//   return squall::Serve(app, std::move(options.serve));
#ifndef SQUALL_CONTROL_CONFIG_SERVER_OPTIONS_H_
#define SQUALL_CONTROL_CONFIG_SERVER_OPTIONS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/control/config/server_config.h"
#include "squall/control/control_plane_options.h"
#include "squall/httpserver/serve_options.h"
#include "squall/ioloop/tls_options.h"
#include "squall/web/access_log.h"

namespace squall {

struct ServerOptions {
  ServeOptions serve = {};
  // Where operators reach the server, "unix:/PATH"; "none"; nothing: DefaultControlAddress().
  std::optional<std::string> control = {};
  // The rest of the control plane; without `control`, and with a user once the workers' is known.
  ControlPlaneOptions control_plane = {};
  // The directory behind /static/; empty: none.
  std::string static_root = {};
  bool static_list_directories = false;
  bool static_precompressed = false;
  bool compress_response = false;
  // Nothing: no access log.
  std::optional<AccessLogOptions> access_log = AccessLogOptions();
  // HTTPS with these certificates. Whoever serves makes the TlsAcceptor, which reads the files.
  std::optional<TlsServerOptions> tls = {};
};

// Each value as the option needs it; what nothing was said about has its default. INVALID_ARGUMENT:
// the first value that is not of the option's kind, with its place. Whether the options make sense,
// alone and together, is Validate()'s to say: config.Locate(Validate(options.serve)).
absl::StatusOr<ServerOptions> ToServerOptions(const ServerConfig& config);

// Adds to an error about one of the files of `tls` the place of the option that names it.
absl::Status LocateTlsError(const ServerConfig& config, const absl::Status& status);

// Which options new workers take over at a reload; the others need a new start of the server.
bool ChangesAtReload(std::string_view path);

}  // namespace squall

#endif  // SQUALL_CONTROL_CONFIG_SERVER_OPTIONS_H_
