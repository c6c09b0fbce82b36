#include "squall/control/config/server_options.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "squall/base/string_view.h"
#include "squall/control/config/option_text.h"
#include "squall/control/control_plane_options.h"
#include "squall/control/control_roles.h"
#include "squall/process/scoreboard.h"

namespace squall {
namespace {

// Reads options one after the other and keeps the error that stands first in the file.
class Reader {
 public:
  explicit Reader(const ServerConfig& config) : config_(config) {}

  template <typename T>
  void Read(std::string_view path, T& value) {
    Each(path, internal::Wanted(value),
         [&](const std::string& text) { return internal::ReadText(text, value); });
  }

  template <typename T>
  void Read(std::string_view path, std::optional<T>& value) {
    T read = {};
    Each(path, internal::Wanted(read), [&](const std::string& text) {
      if (!internal::ReadText(text, read)) return false;
      value = read;
      return true;
    });
  }

  // In [low, high].
  template <typename T>
  void ReadBetween(std::string_view path, T low, T high, const std::string& wanted, T& value) {
    Each(path, wanted, [&](const std::string& text) {
      return internal::ReadText(text, value) && low <= value && value <= high;
    });
  }

  // Of an unsigned type.
  template <typename T>
  void ReadCount(std::string_view path, int low, T& value) {
    constexpr int kHigh = 1'000'000'000;
    Each(path, absl::StrCat("a number from ", low, " to ", kHigh), [&](const std::string& text) {
      int read = 0;
      if (!internal::ReadText(text, read) || read < low || read > kHigh) return false;
      value = static_cast<T>(read);
      return true;
    });
  }

  template <typename T>
  void ReadChoice(std::string_view path,
                  std::initializer_list<std::pair<absl::string_view, T>> choices, T& value) {
    const auto append_name = [](std::string* out, const auto& choice) {
      absl::StrAppend(out, "\"", choice.first, "\"");
    };
    const std::string wanted = absl::StrCat("one of ", absl::StrJoin(choices, ", ", append_name));
    Each(path, wanted, [&](const std::string& text) {
      for (const auto& [name, choice] : choices) {
        if (name != text) continue;
        value = choice;
        return true;
      }
      return false;
    });
  }

  // Octets.
  template <typename T>
  void ReadSize(std::string_view path, T& value) {
    Each(path, internal::kWantedSize, [&](const std::string& text) {
      const std::optional<int64_t> size = internal::ReadSize(text);
      value = static_cast<T>(size.value_or(0));
      return size.has_value();
    });
  }

  template <typename T>
  void ReadMode(std::string_view path, T& value) {
    Each(path, internal::kWantedMode, [&](const std::string& text) {
      const std::optional<mode_t> mode = internal::ReadMode(text);
      value = mode.value_or(0);
      return mode.has_value();
    });
  }

  // `read` says whether a value is what is `wanted`.
  void Each(std::string_view path, std::string_view wanted,
            absl::FunctionRef<bool(const std::string&)> read) {
    const std::vector<std::string> texts = config_.Texts(path);
    for (size_t i = 0; i < texts.size(); ++i) {
      if (read(texts[i])) continue;
      const ServerConfig::Place place = config_.PlaceOf(path, i);
      if (!status_.ok() && !(place < error_at_)) continue;
      status_ = config_.IsNot(path, i, wanted);
      error_at_ = place;
    }
  }

  void ReadAll(std::string_view path, std::vector<std::string>& values) {
    if (std::vector<std::string> texts = config_.Texts(path); !texts.empty()) {
      values = std::move(texts);
    }
  }

  const absl::Status& status() const { return status_; }

 private:
  const ServerConfig& config_;
  absl::Status status_;
  ServerConfig::Place error_at_;
};

void ReadDrain(Reader& reader, DrainOptions& drain) {
  reader.ReadBetween("grace", absl::ZeroDuration(), absl::Hours(24), "a duration from 0 to 24h",
                     drain.grace);
  reader.Read("idle_close_after", drain.idle_close_after);
  reader.Read("kill_after", drain.kill_after);
}

void ReadRestarts(Reader& reader, ForkOptions& fork) {
  reader.Read("max_restarts", fork.max_restarts);
  reader.Read("backoff.initial", fork.backoff.initial);
  reader.Read("backoff.multiplier", fork.backoff.multiplier);
  reader.Read("backoff.max", fork.backoff.max);
  reader.Read("backoff.jitter", fork.backoff.jitter);
  reader.Read("backoff.healthy_after", fork.backoff.healthy_after);
  reader.Read("breaker.deaths", fork.breaker.deaths);
  reader.Read("breaker.window", fork.breaker.window);
  reader.Read("breaker.cool_down", fork.breaker.cool_down);
  reader.Read("restart.max_surge", fork.restart.max_surge);
  reader.Read("restart.max_unavailable", fork.restart.max_unavailable);
  reader.Read("restart.ready_timeout", fork.restart.ready_timeout);
  reader.Read("restart.min_healthy", fork.restart.min_healthy);
  reader.Read("restart.soak", fork.restart.soak);
  reader.Read("restart.max_failures", fork.restart.max_failures);
  reader.ReadChoice<OnRestartFailure>(
      "restart.on_failure",
      {{"roll_back", OnRestartFailure::kRollBack}, {"pause", OnRestartFailure::kPause}},
      fork.restart.on_failure);
}

void ReadWatch(Reader& reader, ForkOptions& fork) {
  reader.Read("watchdog.interval", fork.watchdog.interval);
  reader.Read("watchdog.stall_warn", fork.watchdog.stall_warn);
  reader.Read("watchdog.stall_kill", fork.watchdog.stall_kill);
  reader.Read("watchdog.request_timeout", fork.watchdog.request_timeout);
  reader.Read("watchdog.stopped_kill", fork.watchdog.stopped_kill);
  reader.Read("watchdog.abort_grace", fork.watchdog.abort_grace);
  reader.Read("recycle.max_requests", fork.recycle.max_requests);
  reader.Read("recycle.max_lifetime", fork.recycle.max_lifetime);
  reader.ReadSize("recycle.max_rss", fork.recycle.max_rss);
  reader.Read("recycle.min_lifetime", fork.recycle.min_lifetime);
  reader.Read("recycle.jitter", fork.recycle.jitter);
}

void ReadAutoscaler(Reader& reader, AutoscalerOptions& autoscaler) {
  reader.ReadChoice<AutoscalerMode>("autoscale.mode",
                                    {{"static", AutoscalerMode::kStatic},
                                     {"spare", AutoscalerMode::kSpare},
                                     {"backlog", AutoscalerMode::kBacklog},
                                     {"cpu", AutoscalerMode::kCpu}},
                                    autoscaler.mode);
  reader.Read("autoscale.min_workers", autoscaler.min_workers);
  reader.Read("autoscale.max_workers", autoscaler.max_workers);
  reader.Read("autoscale.min_spare", autoscaler.min_spare);
  reader.Read("autoscale.max_spare", autoscaler.max_spare);
  reader.Read("autoscale.backlog_target", autoscaler.backlog_target);
  reader.Read("autoscale.cpu_low", autoscaler.cpu_low);
  reader.Read("autoscale.cpu_high", autoscaler.cpu_high);
  reader.Read("autoscale.interval", autoscaler.interval);
  reader.Read("autoscale.scale_down_hold", autoscaler.scale_down_hold);
  reader.Read("autoscale.max_spawn_rate", autoscaler.max_spawn_rate);
  reader.Read("autoscale.dry_run", autoscaler.dry_run);
}

void ReadWorker(Reader& reader, WorkerSettings& worker) {
  reader.Read("user", worker.user);
  reader.Read("group", worker.group);
  reader.Read("nice", worker.nice);
  reader.Read("oom_score_adj", worker.oom_score_adj);
  reader.Each("cpu_affinity",
              "\"inherited\", \"one_per_worker\" or the CPUs of each worker such as \"0,1;2,3\"",
              [&](const std::string& text) {
                if (text == "inherited" || text == "one_per_worker") {
                  worker.cpu_affinity =
                      text == "inherited" ? CpuAffinity::kInherited : CpuAffinity::kOnePerWorker;
                  return true;
                }
                worker.cpu_affinity = CpuAffinity::kListed;
                const auto sets = internal::ReadCpuSets(text);
                if (sets.has_value()) worker.cpu_sets = *sets;
                return sets.has_value();
              });
  reader.Each("rlimit", internal::kWantedLimit, [&](const std::string& text) {
    const std::optional<ResourceLimit> limit = internal::ReadLimit(text);
    if (limit.has_value()) worker.limits.push_back(*limit);
    return limit.has_value();
  });
  reader.ReadMode("umask", worker.umask);
  reader.Read("chdir", worker.working_directory);
  reader.Read("no_new_privs", worker.no_new_privs);
}

void ReadProxyProtocol(Reader& reader, std::optional<ProxyProtocolOptions>& proxy_protocol) {
  ProxyProtocolOptions proxy;
  reader.ReadAll("http.proxy_protocol.trusted", proxy.trusted);
  reader.ReadChoice<UntrustedSource>(
      "http.proxy_protocol.untrusted",
      {{"refuse", UntrustedSource::kRefuse}, {"serve", UntrustedSource::kServe}}, proxy.untrusted);
  reader.Read("http.proxy_protocol.timeout", proxy.timeout);
  reader.ReadSize("http.proxy_protocol.max_header_size", proxy.max_header_size);
  if (!proxy.trusted.empty()) proxy_protocol = std::move(proxy);
}

void ReadHttp(Reader& reader, HttpServerOptions& http) {
  reader.ReadChoice<AcceptPolicy>("accept_policy",
                                  {{"balanced", AcceptPolicy::kBalanced},
                                   {"exclusive", AcceptPolicy::kExclusive},
                                   {"reuse_port", AcceptPolicy::kReusePort},
                                   {"shared", AcceptPolicy::kShared}},
                                  http.accept_policy);
  reader.Read("http.no_keep_alive", http.no_keep_alive);
  reader.Read("http.xheaders", http.xheaders);
  reader.ReadAll("http.trusted_downstream", http.trusted_downstream);
  reader.Read("http.protocol", http.protocol);
  reader.Read("http.decompress_request", http.decompress_request);
  reader.ReadSize("http.max_header_size", http.max_header_size);
  reader.ReadSize("http.max_request_line", http.max_request_line);
  reader.ReadCount("http.max_header_fields", 1, http.max_header_fields);
  reader.ReadSize("http.max_body_size", http.max_body_size);
  reader.ReadSize("http.max_streamed_body_size", http.max_streamed_body_size);
  reader.Read("http.header_timeout", http.header_timeout);
  reader.Read("http.body_timeout", http.body_timeout);
  reader.ReadSize("http.body_min_rate", http.body_min_rate);
  reader.Read("http.idle_connection_timeout", http.idle_connection_timeout);
  reader.Read("http.write_timeout", http.write_timeout);
  reader.ReadSize("http.write_min_rate", http.write_min_rate);
  reader.ReadCount("http.max_connections", 0, http.max_connections);
  reader.ReadCount("http.max_keep_alive_requests", 0, http.max_keep_alive_requests);
  reader.Read("http.max_connection_age", http.max_connection_age);
  reader.ReadSize("http.max_write_buffer_size", http.max_write_buffer_size);
  reader.Read("http.answer_half_closed", http.answer_half_closed);
  ReadProxyProtocol(reader, http.proxy_protocol);
}

// Nothing when no certificate is named.
std::optional<TlsServerOptions> ReadTls(Reader& reader) {
  std::vector<std::string> certificates;
  std::vector<std::string> keys;
  reader.ReadAll("tls.certificate", certificates);
  reader.ReadAll("tls.key", keys);
  reader.Each("tls.key",
              absl::StrCat("one of ", certificates.size(), " keys for ", certificates.size(),
                           " certificates: as many are needed"),
              [&](const std::string&) {
                return certificates.empty() || keys.size() == certificates.size();
              });
  TlsServerOptions tls;
  for (size_t i = 0; i < certificates.size(); ++i) {
    tls.certificates.push_back({certificates[i], i < keys.size() ? keys[i] : ""});
  }
  reader.ReadChoice<TlsClientCertificate>("tls.client_certificate",
                                          {{"none", TlsClientCertificate::kNone},
                                           {"optional", TlsClientCertificate::kOptional},
                                           {"required", TlsClientCertificate::kRequired}},
                                          tls.client_certificate);
  reader.Read("tls.client_ca", tls.client_ca_file);
  reader.ReadChoice<TlsVersion>("tls.min_version",
                                {{"1.2", TlsVersion::kTls12}, {"1.3", TlsVersion::kTls13}},
                                tls.protocol.min_version);
  reader.Read("tls.ciphers", tls.protocol.ciphers);
  reader.Read("tls.cipher_suites", tls.protocol.cipher_suites);
  reader.Read("tls.ktls", tls.protocol.ktls);
  tls.alpn = {"http/1.1"};
  if (!certificates.empty()) return tls;
  // Plain HTTP is not what whoever wrote these wants. What has a default may be said without.
  for (const std::string_view path : {"tls.key", "tls.client_certificate", "tls.client_ca"}) {
    reader.Each(path, "of use without a tls.certificate, and none is named",
                [path](const std::string& value) {
                  return path == "tls.client_certificate" && value == "none";
                });
  }
  return std::nullopt;
}

void ReadControl(Reader& reader, const WorkerSettings& worker, ControlPlaneOptions& control) {
  reader.ReadMode("control_socket_mode", control.socket.mode);
  reader.Read("control_socket_group", control.socket.group);
  const std::pair<std::string_view, std::vector<std::string>&> lists[] = {
      {"control_viewers", control.roles.viewers},
      {"control_operators", control.roles.operators},
      {"control_admins", control.roles.admins}};
  for (const auto& [path, entries] : lists) {
    reader.ReadAll(path, entries);
    reader.Each(path, "one of user:NAME, group:NAME, uri:URI and dns:NAME", &ControlRoles::IsEntry);
  }
  control.user = worker.user;
  if (!worker.user.empty() && !worker.group.empty()) {
    absl::StrAppend(&control.user, ":", worker.group);
  }
  reader.Read("control_user", control.user);
  reader.Read("control_tls.address", control.tls.address);
  reader.Read("control_tls.certificate", control.tls.certificate);
  reader.Read("control_tls.key", control.tls.key);
  reader.Read("control_tls.client_ca", control.tls.client_ca);
  reader.ReadChoice<TlsVersion>("control_tls.min_version",
                                {{"1.2", TlsVersion::kTls12}, {"1.3", TlsVersion::kTls13}},
                                control.tls.min_version);
  reader.Read("control_limits.max_connections", control.limits.max_connections);
  reader.Read("control_limits.max_connections_per_caller",
              control.limits.max_connections_per_caller);
  reader.Read("control_limits.changes_burst", control.limits.changes_burst);
  reader.Read("control_limits.changes_per_second", control.limits.changes_per_second);
}

// Nothing when there is to be none.
std::optional<AccessLogOptions> ReadAccessLog(Reader& reader) {
  using Format = std::optional<AccessLogFormat>;
  AccessLogOptions log;
  Format format = log.format;
  reader.ReadChoice<Format>("access_log.format",
                            {{"tornado", AccessLogFormat::kTornado},
                             {"common", AccessLogFormat::kCommon},
                             {"combined", AccessLogFormat::kCombined},
                             {"json", AccessLogFormat::kJson},
                             {"none", std::nullopt}},
                            format);
  reader.Read("access_log.path", log.path);
  reader.Read("access_log.slow", log.slow);
  if (!format.has_value()) return std::nullopt;
  log.format = *format;
  return log;
}

// As a word of its own, not in a longer one.
bool Mentions(std::string_view message, std::string_view text) {
  constexpr std::string_view kEnds = " \":;,";
  if (text.empty()) return false;
  for (size_t at = 0; (at = message.find(text, at)) != std::string_view::npos; ++at) {
    const size_t end = at + text.size();
    const bool begins = at == 0 || kEnds.find(message[at - 1]) != std::string_view::npos;
    if (begins && (end == message.size() || kEnds.find(message[end]) != std::string_view::npos)) {
      return true;
    }
  }
  return false;
}

}  // namespace

absl::StatusOr<ServerOptions> ToServerOptions(const ServerConfig& config) {
  ServerOptions options;
  ServeOptions& serve = options.serve;
  Reader reader(config);
  reader.ReadAll("listen", serve.listen);
  reader.Read("backlog", serve.backlog);
  reader.ReadMode("unix_mode", serve.unix_mode);
  reader.Each(
      "control",
      "\"unix:\" with an absolute path or \"none\"; over TCP it is served with TLS alone, see "
      "control_tls",
      [&](const std::string& text) {
        options.control = text;
        return text == "none" || absl::StartsWith(text, "unix:/");
      });
  reader.Read("status.address", options.control_plane.status.address);
  reader.Read("status.allow_remote", options.control_plane.status.allow_remote);
  reader.ReadAll("status.hosts", options.control_plane.status.hosts);
  reader.Read("static", options.static_root);
  reader.Read("static_list_directories", options.static_list_directories);
  reader.Read("static_precompressed", options.static_precompressed);
  reader.Read("compress_response", options.compress_response);
  options.access_log = ReadAccessLog(reader);

  ForkOptions& fork = serve.fork;
  reader.Read("pid_file", fork.pid_file);
  reader.Read("log_file", fork.log_file);
  fork.max_workers = 64;
  reader.Read("surge_slots", fork.surge_slots);
  const int most = Scoreboard::kMaxRows - std::clamp(fork.surge_slots, 0, Scoreboard::kMaxRows - 1);
  reader.ReadBetween("max_workers", 1, most,
                     absl::StrCat("a number of worker processes from 1 to ", most),
                     fork.max_workers);
  reader.ReadBetween(
      "workers", 0, fork.max_workers,
      absl::StrCat("a number of worker processes (0: one per CPU) from 0 to ", fork.max_workers),
      serve.workers);
  reader.Read("boot_timeout", fork.boot_timeout);
  reader.ReadChoice<OnSupervisorExit>("on_supervisor_exit",
                                      {{"drain", OnSupervisorExit::kDrain},
                                       {"keep", OnSupervisorExit::kKeep},
                                       {"die", OnSupervisorExit::kDie}},
                                      fork.on_supervisor_exit);
  ReadDrain(reader, fork.drain);
  ReadRestarts(reader, fork);
  ReadWatch(reader, fork);
  ReadAutoscaler(reader, fork.autoscaler);
  ReadWorker(reader, fork.worker);
  ReadControl(reader, fork.worker, options.control_plane);
  ReadHttp(reader, serve.http);
  options.tls = ReadTls(reader);
  if (!reader.status().ok()) return reader.status();
  return options;
}

absl::Status LocateTlsError(const ServerConfig& config, const absl::Status& status) {
  std::string message =
      absl::StrReplaceAll(status.message(), {{"client_ca_file", "tls.client_ca"}});
  if (absl::StrContains(message, "no passphrase is given")) {
    message += "; the configuration has none to give, so `openssl pkey` has to decrypt it";
  }
  // By what the message is about, more special words first.
  struct Subject {
    std::string_view words;
    std::string_view path;
  };
  for (const Subject& subject :
       {Subject{"tls.client_ca", "tls.client_ca"}, Subject{"tls ciphers ", "tls.ciphers"},
        Subject{"tls cipher_suites ", "tls.cipher_suites"}, Subject{"private key ", "tls.key"},
        Subject{"certificate ", "tls.certificate"}, Subject{"certificate ", "tls.client_ca"}}) {
    if (!absl::StrContains(message, ToAbsl(subject.words))) continue;
    for (const std::string& text : config.Texts(subject.path)) {
      if (!Mentions(message, text)) continue;
      return config.Locate(
          absl::Status(status.code(), absl::StrCat(ToAbsl(subject.path), ": ", message)));
    }
  }
  return absl::Status(status.code(), message);
}

bool ChangesAtReload(std::string_view path) {
  for (const std::string_view of_workers :
       {"user", "group", "nice", "oom_score_adj", "cpu_affinity", "rlimit", "umask", "chdir",
        "no_new_privs", "accept_policy"}) {
    if (path == of_workers) return true;
  }
  return path.starts_with("http.") || path.starts_with("tls.");
}

}  // namespace squall
