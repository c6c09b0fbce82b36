// What //:server is told by its file and its command line, at its start and when it is asked to read
// the file again.
//
//   const Configuration configuration("/etc/squall/server.conf", "server.conf");
//   ASSIGN_OR_RETURN(Configuration::Loaded loaded, configuration.Load());
//   loaded.options.serve.on_reload = ...configuration.Reload(loaded.config, http, worker)...
#ifndef SQUALL_EXAMPLES_SERVER_CONFIGURATION_H_
#define SQUALL_EXAMPLES_SERVER_CONFIGURATION_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/control/config/server_config.h"
#include "squall/control/config/server_options.h"
#include "squall/ioloop/tls_ticket_keys.h"

class Configuration {
 public:
  struct Loaded {
    squall::ServerConfig config;
    // Checked; the paths of the static directory and the access log are absolute, and TLS is the HTTP server's transport.
    squall::ServerOptions options;
  };

  // The file, and its name in messages; both empty: the command line alone.
  Configuration(std::string path, std::string name)
      : path_(std::move(path)), name_(std::move(name)) {}

  // Reads the file and the flags and checks everything; changes nothing. The error is one sentence
  // with the place in the file, or the flag, that is wrong.
  absl::StatusOr<Loaded> Load() const;

  // Loads again, for the workers of a server that runs with `running`. What they cannot take over is
  // named in one warning.
  absl::Status Reload(const squall::ServerConfig& running, squall::HttpServerOptions& http,
                      squall::WorkerSettings& worker) const;

  // Of what was loaded; null without TLS.
  squall::TlsTicketKeys* ticket_keys() const { return ticket_keys_.get(); }

  // "server.conf", or "command line".
  std::string name() const { return name_.empty() ? "command line" : name_; }

 private:
  std::string path_;
  std::string name_;
  // Of all that is ever loaded, so that sessions survive it; made when first needed.
  mutable std::shared_ptr<squall::TlsTicketKeys> ticket_keys_;
};

#endif  // SQUALL_EXAMPLES_SERVER_CONFIGURATION_H_
