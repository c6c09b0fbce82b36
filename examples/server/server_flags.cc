#include "examples/server/server_flags.h"

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "squall/base/flags.h"
#include "squall/control/config/config_file.h"
#include "squall/control/control_limits.h"
#include "squall/httpserver/serve_options.h"
#include "squall/ioloop/tls_options.h"
#include "squall/web/access_log.h"

using OptionalDuration = std::optional<absl::Duration>;
using OptionalInt = std::optional<int>;
using Strings = std::vector<std::string>;

ABSL_FLAG(std::string, config, "",
          "file with options, see examples/server/sample.conf; flags win, SIGHUP reads it again");
ABSL_FLAG(bool, check_config, false,
          "say whether the options are right and exit: 0, or 2 with the first error");

// Where.
ABSL_FLAG(int, port, 8888, "TCP port to listen on, 0 for any that is free");
ABSL_FLAG(std::string, address, "localhost",
          "address or name to listen on; a name means all its addresses, nothing means every "
          "interface of the machine");
ABSL_FLAG(Strings, listen, {},
          "instead of port and address, with commas between: HOST:PORT, :PORT for every interface, "
          "unix:PATH");
ABSL_FLAG(int, backlog, squall::ServeOptions().backlog,
          "connections that may wait to be accepted, for each address");
ABSL_FLAG(std::string, unix_mode, "0600", "permissions of unix sockets, octal");
ABSL_FLAG(std::string, accept_policy, "balanced",
          "which worker gets a connection: balanced, exclusive, reuse_port or shared");
ABSL_FLAG(std::string, control, "",
          "where operators reach the server: unix:PATH, or none; by default a socket in the user's "
          "runtime directory, where squallctl looks, too");
ABSL_FLAG(std::string, control_socket_mode, "0600", "permissions of that socket, octal");
ABSL_FLAG(std::string, control_socket_group, "", "group of its file; by default the server's");
ABSL_FLAG(Strings, control_viewers, {},
          "who may look at the pool, beside root and the server's user, who may do everything: "
          "user:NAME, group:NAME, uri:URI or dns:NAME of a certificate, with commas between");
ABSL_FLAG(Strings, control_operators, {}, "who may also resize, restart and drain");
ABSL_FLAG(Strings, control_admins, {}, "who may also kill, reset breakers and end the server");
ABSL_FLAG(std::string, control_user, "",
          "user of the control process, or USER:GROUP; by default the workers'");
ABSL_FLAG(std::string, control_tls_address, "",
          "HOST:PORT where operators with a certificate reach the server over TLS, too");
ABSL_FLAG(std::string, control_tls_certificate, "", "PEM file of the certificate for it");
ABSL_FLAG(std::string, control_tls_key, "", "PEM file of its private key");
ABSL_FLAG(std::string, control_tls_client_ca, "",
          "PEM file of the roots that may sign operators' certificates");
ABSL_FLAG(std::string, control_tls_min_version, "1.2", "1.2 or 1.3");
ABSL_FLAG(int, control_limits_max_connections, squall::ControlLimits().max_connections,
          "of all operators; the last eighth is for admins");
ABSL_FLAG(int, control_limits_max_connections_per_caller,
          squall::ControlLimits().max_connections_per_caller, "of one operator");
ABSL_FLAG(int, control_limits_changes_burst, squall::ControlLimits().changes_burst,
          "changes that one operator may ask for at once");
ABSL_FLAG(double, control_limits_changes_per_second, squall::ControlLimits().changes_per_second,
          "and in each second after that");
ABSL_FLAG(std::string, status_address, "",
          "where the server tells of itself over HTTP (a page, /metrics, /healthz, /readyz): "
          "127.0.0.1:PORT, [::1]:PORT or unix:PATH; by default nowhere");
ABSL_FLAG(bool, status_allow_remote, false,
          "that may be an address that other machines reach, who see the pool without a password");
ABSL_FLAG(Strings, status_hosts, {},
          "names under which it may be asked besides localhost, with commas between");
ABSL_FLAG(std::string, static, "", "directory to serve at /static/");
ABSL_FLAG(bool, static_list_directories, false, "list a directory that has no index.html");
ABSL_FLAG(bool, static_precompressed, false,
          "send a.css.br, a.css.zst or a.css.gz for a.css to clients that take it");
ABSL_FLAG(bool, compress_response, false,
          "compress text with gzip for clients that take it, files among it");
ABSL_FLAG(std::string, access_log_format, "tornado",
          "of the line for each request: tornado, common, combined, json, or none");
ABSL_FLAG(std::string, access_log_path, "",
          "file for these lines, reopened at SIGUSR1; by default the log");
ABSL_FLAG(absl::Duration, access_log_slow, squall::AccessLogOptions().slow,
          "requests that take this long are warnings in the log, too");

// The pool.
ABSL_FLAG(int, workers, 0, "worker processes at the start, 0 for one per CPU");
ABSL_FLAG(int, max_workers, 64, "most worker processes that a resize may ask for");
ABSL_FLAG(int, surge_slots, squall::ForkOptions().surge_slots,
          "places for successors beside max_workers during a restart");
ABSL_FLAG(absl::Duration, boot_timeout, squall::ForkOptions().boot_timeout,
          "how long a worker may take until it serves");
ABSL_FLAG(absl::Duration, grace, squall::DrainOptions().grace,
          "how long a worker that has to stop may finish what is in flight");
ABSL_FLAG(OptionalDuration, idle_close_after, std::nullopt,
          "when a worker that has to stop closes silent connections; by default 0.8 of the grace");
ABSL_FLAG(absl::Duration, kill_after, squall::DrainOptions().kill_after,
          "from SIGTERM to SIGKILL of a worker that did not stop");
ABSL_FLAG(OptionalInt, max_restarts, std::nullopt,
          "more unrequested deaths than this end the server; by default none do");
ABSL_FLAG(std::string, on_supervisor_exit, "drain",
          "what workers do when the master is gone: drain, keep or die");
ABSL_FLAG(std::string, pid_file, "", "file with the master's pid");
ABSL_FLAG(std::string, log_file, "", "log file, reopened at SIGUSR1; by default standard error");

// What dies.
ABSL_FLAG(absl::Duration, backoff_initial, squall::BackoffOptions().initial,
          "delay before the second start of a worker that keeps dying");
ABSL_FLAG(double, backoff_multiplier, squall::BackoffOptions().multiplier, "growth of that delay");
ABSL_FLAG(absl::Duration, backoff_max, squall::BackoffOptions().max, "its maximum");
ABSL_FLAG(double, backoff_jitter, squall::BackoffOptions().jitter,
          "part of it that is left to chance");
ABSL_FLAG(absl::Duration, backoff_healthy_after, squall::BackoffOptions().healthy_after,
          "a worker that served this long starts again at once");
ABSL_FLAG(int, breaker_deaths, squall::BreakerOptions().deaths,
          "more deaths than this in the window give a slot up");
ABSL_FLAG(absl::Duration, breaker_window, squall::BreakerOptions().window, "window of the deaths");
ABSL_FLAG(absl::Duration, breaker_cool_down, squall::BreakerOptions().cool_down,
          "when a slot that was given up is tried again");

// Rolling restarts.
ABSL_FLAG(OptionalInt, restart_max_surge, std::nullopt,
          "processes beyond the target during a restart; by default a quarter of it");
ABSL_FLAG(int, restart_max_unavailable, squall::RestartOptions().max_unavailable,
          "workers that may be missing during a restart");
ABSL_FLAG(OptionalDuration, restart_ready_timeout, std::nullopt,
          "boot_timeout of a restart's workers, if another one");
ABSL_FLAG(OptionalInt, restart_min_healthy, std::nullopt,
          "no worker is taken out when fewer than this would serve");
ABSL_FLAG(absl::Duration, restart_soak, squall::RestartOptions().soak,
          "how long a new worker must serve before the old one goes");
ABSL_FLAG(int, restart_max_failures, squall::RestartOptions().max_failures,
          "so many deaths of new workers end a restart");
ABSL_FLAG(std::string, restart_on_failure, "roll_back",
          "what becomes of the new workers then: roll_back or pause");

// Workers that hang, that are old.
ABSL_FLAG(absl::Duration, watchdog_interval, squall::WatchdogOptions().interval,
          "how often the master looks at its workers");
ABSL_FLAG(absl::Duration, watchdog_stall_warn, squall::WatchdogOptions().stall_warn,
          "a worker that is silent for this long is warned of");
ABSL_FLAG(absl::Duration, watchdog_stall_kill, squall::WatchdogOptions().stall_kill,
          "a worker whose handler blocks this long is ended");
ABSL_FLAG(absl::Duration, watchdog_request_timeout, squall::WatchdogOptions().request_timeout,
          "a silent worker whose request is this old is ended");
ABSL_FLAG(absl::Duration, watchdog_stopped_kill, squall::WatchdogOptions().stopped_kill,
          "a worker that is stopped for this long is ended");
ABSL_FLAG(absl::Duration, watchdog_abort_grace, squall::WatchdogOptions().abort_grace,
          "from SIGABRT to SIGKILL of such a worker");
ABSL_FLAG(int64_t, recycle_max_requests, squall::RecycleOptions().max_requests,
          "a worker is replaced after so many requests; 0: never");
ABSL_FLAG(absl::Duration, recycle_max_lifetime, squall::RecycleOptions().max_lifetime,
          "or when it has served for so long");
ABSL_FLAG(std::string, recycle_max_rss, "0", "or has so much memory, such as 512MiB; 0: any");
ABSL_FLAG(absl::Duration, recycle_min_lifetime, squall::RecycleOptions().min_lifetime,
          "but not before it has served for so long");
ABSL_FLAG(double, recycle_jitter, squall::RecycleOptions().jitter,
          "part of these limits that is left to chance");

// How many workers.
ABSL_FLAG(std::string, autoscale_mode, "static",
          "what the number of workers follows: static, spare, backlog or cpu");
ABSL_FLAG(int, autoscale_min_workers, squall::AutoscalerOptions().min_workers, "never fewer");
ABSL_FLAG(OptionalInt, autoscale_max_workers, std::nullopt, "never more; by default max_workers");
ABSL_FLAG(int, autoscale_min_spare, squall::AutoscalerOptions().min_spare,
          "spare: at least so many idle workers");
ABSL_FLAG(int, autoscale_max_spare, squall::AutoscalerOptions().max_spare,
          "spare: at most so many");
ABSL_FLAG(int, autoscale_backlog_target, squall::AutoscalerOptions().backlog_target,
          "backlog: so many connections may wait at an address");
ABSL_FLAG(double, autoscale_cpu_low, squall::AutoscalerOptions().cpu_low,
          "cpu: fewer workers below this share of a processor");
ABSL_FLAG(double, autoscale_cpu_high, squall::AutoscalerOptions().cpu_high,
          "cpu: more workers above it");
ABSL_FLAG(absl::Duration, autoscale_interval, squall::AutoscalerOptions().interval,
          "how often that is looked at");
ABSL_FLAG(absl::Duration, autoscale_scale_down_hold, squall::AutoscalerOptions().scale_down_hold,
          "how long there must be too many before one is stopped");
ABSL_FLAG(int, autoscale_max_spawn_rate, squall::AutoscalerOptions().max_spawn_rate,
          "at most so many new workers at a time");
ABSL_FLAG(bool, autoscale_dry_run, false, "decisions are logged and not carried out");

// The workers' processes.
ABSL_FLAG(std::string, user, "", "user of the workers; by default the master's");
ABSL_FLAG(std::string, group, "", "group of the workers; by default the user's");
ABSL_FLAG(OptionalInt, nice, std::nullopt, "-20, first served, to 19");
ABSL_FLAG(OptionalInt, oom_score_adj, std::nullopt,
          "-1000, never killed, to 1000 when memory runs out");
ABSL_FLAG(std::string, cpu_affinity, "inherited",
          "inherited, one_per_worker, or the CPUs of each worker such as 0,1;2,3");
ABSL_FLAG(Strings, rlimit, {},
          "resource limits, with commas between: NAME:SOFT or NAME:SOFT:HARD such as nofile:65536");
ABSL_FLAG(std::string, umask, "", "octal; by default the master's");
ABSL_FLAG(std::string, chdir, "", "directory of the workers; by default the master's");
ABSL_FLAG(bool, no_new_privs, false, "no program that a worker starts can gain privileges");

// HTTPS.
ABSL_FLAG(Strings, tls_certificate, {},
          "serve HTTPS: PEM files of certificates, with commas between; read again at SIGHUP");
ABSL_FLAG(Strings, tls_key, {},
          "PEM files of their private keys, in the same order; by default in the same files");
ABSL_FLAG(std::string, tls_client_certificate, "none",
          "whether clients must show a certificate: none, optional or required");
ABSL_FLAG(std::string, tls_client_ca, "", "PEM file of the roots that may sign it");
ABSL_FLAG(std::string, tls_min_version, "1.2", "1.2 or 1.3");
ABSL_FLAG(std::string, tls_ciphers, squall::TlsProtocolOptions().ciphers, "of TLS 1.2");
ABSL_FLAG(std::string, tls_cipher_suites, "", "of TLS 1.3; by default OpenSSL's");
ABSL_FLAG(bool, tls_ktls, false, "the kernel encrypts what is sent, where it has TLS");

// HTTP.
ABSL_FLAG(bool, http_no_keep_alive, false, "every answer closes its connection");
ABSL_FLAG(bool, http_xheaders, false, "behind a proxy: believe X-Forwarded-For and its like");
ABSL_FLAG(Strings, http_trusted_downstream, {},
          "proxies on other machines to believe: addresses or networks, with commas between");
ABSL_FLAG(std::string, http_protocol, "", "https behind a proxy that ends TLS");
ABSL_FLAG(bool, http_decompress_request, false, "unpack request bodies that are gzip");
ABSL_FLAG(std::string, http_max_header_size, "64KiB", "request line and fields");
ABSL_FLAG(std::string, http_max_request_line, "8KiB", "method, target and version");
ABSL_FLAG(int, http_max_header_fields, 100, "of head and trailer section");
ABSL_FLAG(std::string, http_max_body_size, "1MiB", "request body, in memory");
ABSL_FLAG(std::string, http_max_streamed_body_size, "100MiB",
          "one that a handler takes as it comes");
ABSL_FLAG(absl::Duration, http_header_timeout, squall::HttpServerOptions().header_timeout,
          "for the whole head of a request");
ABSL_FLAG(absl::Duration, http_body_timeout, squall::HttpServerOptions().body_timeout,
          "for its whole body");
ABSL_FLAG(absl::Duration, http_idle_connection_timeout,
          squall::HttpServerOptions().idle_connection_timeout, "between requests");
ABSL_FLAG(absl::Duration, http_write_timeout, squall::HttpServerOptions().write_timeout,
          "while the client reads nothing");
ABSL_FLAG(std::string, http_body_min_rate, "8KiB",
          "octets in a second: a body that comes faster has more time than http_body_timeout");
ABSL_FLAG(
    std::string, http_write_min_rate, "256",
    "octets in a second: an answer that is read faster has more time than http_write_timeout");
ABSL_FLAG(int, http_max_connections, 0,
          "at once in a worker; 0: what its limit of descriptors allows");
ABSL_FLAG(int, http_max_keep_alive_requests, 0, "of one connection; 0: no limit");
ABSL_FLAG(std::string, http_max_write_buffer_size, "16MiB",
          "of an answer that is written on without looking whether the client takes it");
ABSL_FLAG(absl::Duration, http_max_connection_age, squall::HttpServerOptions().max_connection_age,
          "a connection ends with its first answer after so long");
ABSL_FLAG(bool, http_answer_half_closed, true,
          "a client that shuts down its side still gets its answer");
ABSL_FLAG(
    Strings, http_proxy_protocol_trusted, {},
    "proxies in front that speak the PROXY protocol: addresses, networks or unix:, with commas "
    "between");
ABSL_FLAG(std::string, http_proxy_protocol_untrusted, "refuse",
          "refuse or serve: what becomes of connections from elsewhere");
ABSL_FLAG(absl::Duration, http_proxy_protocol_timeout, squall::ProxyProtocolOptions().timeout,
          "for the whole header of the PROXY protocol");
ABSL_FLAG(std::string, http_proxy_protocol_max_header_size, "4KiB", "of the PROXY protocol");

namespace {

std::string Given(const absl::CommandLineFlag& flag) {
  return absl::StrCat("--", flag.Name(), "=", flag.CurrentValue());
}

absl::Status SetListen(squall::ServerConfig& config) {
  const absl::CommandLineFlag& port = absl::GetFlagReflectionHandle(FLAGS_port);
  const absl::CommandLineFlag& address = absl::GetFlagReflectionHandle(FLAGS_address);
  Strings given;
  for (const absl::CommandLineFlag* flag : {&address, &port}) {
    if (squall::WasGiven(*flag)) given.push_back(Given(*flag));
  }
  if (given.empty()) return absl::OkStatus();
  const absl::CommandLineFlag& listen = absl::GetFlagReflectionHandle(FLAGS_listen);
  if (squall::WasGiven(listen)) {
    return absl::InvalidArgumentError(absl::StrCat(given.front(), " and ", Given(listen),
                                                   " both say where to listen; give one of them"));
  }
  const int number = absl::GetFlag(FLAGS_port);
  if (number < 0 || number > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("--port=", number, " is not a TCP port from 0 to 65535"));
  }
  std::string host = absl::GetFlag(FLAGS_address);
  if (absl::StrContains(host, ':')) host = absl::StrCat("[", host, "]");
  config.SetFromFlag("listen", {absl::StrCat(host, ":", number)}, absl::StrJoin(given, " "));
  return absl::OkStatus();
}

}  // namespace

std::string FlagName(const std::string& option) {
  return absl::StrReplaceAll(option, {{".", "_"}});
}

absl::Status SetFromFlags(squall::ServerConfig& config) {
  for (const squall::ServerOptionName& option : squall::ServerOptionNames()) {
    const absl::CommandLineFlag* const flag = absl::FindCommandLineFlag(FlagName(option.path));
    if (flag == nullptr || !squall::WasGiven(*flag)) continue;
    const std::string value = flag->CurrentValue();
    Strings texts = {value};
    if (option.repeated) texts = absl::StrSplit(value, ',');
    config.SetFromFlag(option.path, std::move(texts), Given(*flag));
  }
  return SetListen(config);
}
