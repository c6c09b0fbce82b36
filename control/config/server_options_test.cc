#include "squall/control/config/server_options.h"

#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/control/config/config_file.h"

namespace squall {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Optional;

// What an operator sees; "OK" if nothing.
std::string Complaint(const ServerConfig& config) {
  const absl::StatusOr<ServerOptions> options = ToServerOptions(config);
  if (!options.ok()) return std::string(options.status().message());
  const absl::Status status = config.Locate(Validate(options->serve));
  return status.ok() ? "OK" : std::string(status.message());
}

std::string Complaint(const std::string& text) {
  const absl::StatusOr<ServerConfig> config = ParseServerConfig(text, "server.conf");
  return config.ok() ? Complaint(*config) : std::string(config.status().message());
}

ServerConfig EveryOption() {
  std::ifstream file("control/config/testdata/every_option.conf");
  std::stringstream text;
  text << file.rdbuf();
  return ParseServerConfig(text.str(), "every_option.conf").value();
}

TEST(ServerOptions, NothingIsTheDefault) {
  EXPECT_EQ(Complaint(""), "OK");
  const ServerOptions options = ToServerOptions(ServerConfig()).value();
  EXPECT_THAT(options.serve.listen, ElementsAre("localhost:8888"));
  EXPECT_EQ(options.serve.workers, 0);
  EXPECT_EQ(options.serve.fork.max_workers, 64);
  EXPECT_EQ(options.control, std::nullopt);
  EXPECT_EQ(options.control_plane.status.address, "");
  EXPECT_FALSE(options.control_plane.status.allow_remote);
  EXPECT_EQ(options.static_root, "");
  EXPECT_FALSE(options.static_list_directories);
  EXPECT_FALSE(options.static_precompressed);
  EXPECT_FALSE(options.compress_response);
  EXPECT_EQ(options.access_log->format, AccessLogFormat::kTornado);
  EXPECT_EQ(options.access_log->path, "");
  EXPECT_EQ(options.access_log->slow, absl::InfiniteDuration());
}

TEST(ServerOptions, NoAccessLogIsAFormat) {
  const auto config = ParseServerConfig("access_log { format: \"none\" }", "f").value();
  EXPECT_EQ(ToServerOptions(config)->access_log, std::nullopt);
}

TEST(ServerOptions, EveryOptionIsInTheGoldenFile) {
  const ServerConfig config = EveryOption();
  for (const ServerOptionName& option : ServerOptionNames()) {
    EXPECT_THAT(config.Texts(option.path), Not(IsEmpty())) << option.path;
  }
}

TEST(ServerOptions, EveryOptionOfServeArrives) {
  const ServerOptions options = ToServerOptions(EveryOption()).value();
  EXPECT_THAT(options.control, Optional(Eq("unix:/run/control.sock")));
  EXPECT_EQ(options.control_plane.status.address, "127.0.0.1:9090");
  EXPECT_TRUE(options.control_plane.status.allow_remote);
  EXPECT_THAT(options.control_plane.status.hosts, ElementsAre("web1", "web1.example"));
  EXPECT_EQ(options.static_root, "/srv/static");
  EXPECT_TRUE(options.static_list_directories);
  EXPECT_TRUE(options.static_precompressed);
  EXPECT_TRUE(options.compress_response);
  EXPECT_EQ(options.access_log->format, AccessLogFormat::kCombined);
  EXPECT_EQ(options.access_log->path, "/var/log/access.log");
  EXPECT_EQ(options.access_log->slow, absl::Seconds(2));
  const ServeOptions& serve = options.serve;
  EXPECT_THAT(serve.listen, ElementsAre("127.0.0.1:8081", "unix:/run/app.sock", ":8082"));
  EXPECT_EQ(serve.backlog, 77);
  EXPECT_EQ(serve.unix_mode, 0660u);
  EXPECT_EQ(serve.workers, 3);
  const HttpServerOptions& http = serve.http;
  EXPECT_EQ(http.accept_policy, AcceptPolicy::kShared);
  EXPECT_TRUE(http.no_keep_alive);
  EXPECT_TRUE(http.xheaders);
  EXPECT_THAT(http.trusted_downstream, ElementsAre("10.0.0.0/8", "::1"));
  EXPECT_THAT(http.protocol, Optional(Eq("https")));
  EXPECT_TRUE(http.decompress_request);
  EXPECT_EQ(http.max_header_size, 32u << 10);
  EXPECT_EQ(http.max_request_line, 4u << 10);
  EXPECT_EQ(http.max_header_fields, 50u);
  EXPECT_EQ(http.max_body_size, 8u << 20);
  EXPECT_EQ(http.max_streamed_body_size, 1u << 30);
  EXPECT_EQ(http.max_connections, 1000u);
  EXPECT_EQ(http.max_keep_alive_requests, 2000u);
  EXPECT_EQ(http.max_write_buffer_size, 3u << 20);
  EXPECT_EQ(http.header_timeout, absl::Seconds(27));
  EXPECT_EQ(http.body_timeout, absl::Seconds(28));
  EXPECT_EQ(http.idle_connection_timeout, absl::InfiniteDuration());
  EXPECT_EQ(http.write_timeout, absl::Seconds(29));
  EXPECT_EQ(http.body_min_rate, 1024u);
  EXPECT_EQ(http.write_min_rate, 100u);
  EXPECT_EQ(http.max_connection_age, absl::Minutes(10));
  EXPECT_FALSE(http.answer_half_closed);
  ASSERT_TRUE(http.proxy_protocol.has_value());
  EXPECT_THAT(http.proxy_protocol->trusted, ElementsAre("192.0.2.0/24", "unix:"));
  EXPECT_EQ(http.proxy_protocol->untrusted, UntrustedSource::kServe);
  EXPECT_EQ(http.proxy_protocol->timeout, absl::Seconds(30));
  EXPECT_EQ(http.proxy_protocol->max_header_size, 2u << 10);
}

TEST(ServerOptions, EveryOptionOfTheControlPlaneArrives) {
  const ControlPlaneOptions control = ToServerOptions(EveryOption())->control_plane;
  EXPECT_EQ(control.socket.mode, 0660u);
  EXPECT_EQ(control.socket.group, "adm");
  EXPECT_THAT(control.roles.viewers, ElementsAre("group:adm", "user:daemon"));
  EXPECT_THAT(control.roles.operators, ElementsAre("uri:spiffe://example.org/deploy"));
  EXPECT_THAT(control.roles.admins, ElementsAre("dns:admin.example.org"));
  EXPECT_EQ(control.user, "daemon:adm");
  EXPECT_EQ(control.tls.address, "127.0.0.1:8443");
  EXPECT_EQ(control.tls.certificate, "/etc/control.pem");
  EXPECT_EQ(control.tls.key, "/etc/control.key");
  EXPECT_EQ(control.tls.client_ca, "/etc/operators.pem");
  EXPECT_EQ(control.tls.min_version, TlsVersion::kTls13);
  EXPECT_EQ(control.limits.max_connections, 64);
  EXPECT_EQ(control.limits.max_connections_per_caller, 16);
  EXPECT_EQ(control.limits.changes_burst, 100);
  EXPECT_EQ(control.limits.changes_per_second, 2.5);
}

TEST(ServerOptions, TheControlProcessRunsAsTheWorkersUnlessToldOtherwise) {
  const auto user_of = [](const char* text) {
    return ToServerOptions(ParseServerConfig(text, "f").value())->control_plane.user;
  };
  EXPECT_EQ(user_of(""), "");
  EXPECT_EQ(user_of("user: \"www-data\""), "www-data");
  EXPECT_EQ(user_of("user: \"www-data\" group: \"adm\""), "www-data:adm");
  EXPECT_EQ(user_of("user: \"www-data\" control_user: \"daemon\""), "daemon");
}

TEST(ServerOptions, EveryOptionOfTlsArrives) {
  const std::optional<TlsServerOptions> tls = ToServerOptions(EveryOption())->tls;
  ASSERT_TRUE(tls.has_value());
  ASSERT_EQ(tls->certificates.size(), 2u);
  EXPECT_EQ(tls->certificates[0].certificate_file, "/etc/rsa.pem");
  EXPECT_EQ(tls->certificates[0].private_key_file, "/etc/rsa.key");
  EXPECT_EQ(tls->certificates[1].certificate_file, "/etc/ecdsa.pem");
  EXPECT_EQ(tls->certificates[1].private_key_file, "/etc/ecdsa.key");
  EXPECT_EQ(tls->client_certificate, TlsClientCertificate::kRequired);
  EXPECT_EQ(tls->client_ca_file, "/etc/clients.pem");
  EXPECT_EQ(tls->protocol.min_version, TlsVersion::kTls13);
  EXPECT_EQ(tls->protocol.ciphers, "ECDHE+AESGCM");
  EXPECT_EQ(tls->protocol.cipher_suites, "TLS_AES_128_GCM_SHA256");
  EXPECT_TRUE(tls->protocol.ktls);
  EXPECT_THAT(tls->alpn, ElementsAre("http/1.1"));
  // Without a certificate there is nothing to be served with it.
  EXPECT_FALSE(ToServerOptions(ServerConfig())->tls.has_value());
}

TEST(ServerOptions, KeysAndCertificatesAreAsMany) {
  EXPECT_EQ(Complaint("tls { certificate: \"a.pem\" certificate: \"b.pem\" key: \"a.key\" }"),
            "server.conf:1:49: tls.key: \"a.key\" is not one of 2 keys for 2 certificates: as many "
            "are needed");
  EXPECT_EQ(Complaint("tls { certificate: \"a.pem\" certificate: \"b.pem\" }"), "OK");
}

TEST(ServerOptions, EveryOptionOfThePoolArrives) {
  const ServerOptions options = ToServerOptions(EveryOption()).value();
  const ForkOptions& fork = options.serve.fork;
  EXPECT_EQ(fork.max_workers, 12);
  EXPECT_EQ(fork.surge_slots, 6);
  EXPECT_EQ(fork.boot_timeout, absl::Seconds(11));
  EXPECT_EQ(fork.drain.grace, absl::Seconds(12));
  EXPECT_THAT(fork.drain.idle_close_after, Optional(Eq(absl::Seconds(5))));
  EXPECT_EQ(fork.drain.kill_after, absl::Seconds(13));
  EXPECT_THAT(fork.max_restarts, Optional(Eq(5)));
  EXPECT_EQ(fork.on_supervisor_exit, OnSupervisorExit::kDie);
  EXPECT_EQ(fork.pid_file, "/run/app.pid");
  EXPECT_EQ(fork.log_file, "/var/log/app.log");
  EXPECT_EQ(fork.backoff.initial, absl::Milliseconds(200));
  EXPECT_EQ(fork.backoff.multiplier, 1.5);
  EXPECT_EQ(fork.backoff.max, absl::Seconds(14));
  EXPECT_EQ(fork.backoff.jitter, 0.25);
  EXPECT_EQ(fork.backoff.healthy_after, absl::Seconds(15));
  EXPECT_EQ(fork.breaker.deaths, 3);
  EXPECT_EQ(fork.breaker.window, absl::Seconds(16));
  EXPECT_EQ(fork.breaker.cool_down, absl::Seconds(17));
  EXPECT_EQ(fork.restart.max_surge, 2);
  EXPECT_EQ(fork.restart.max_unavailable, 1);
  EXPECT_THAT(fork.restart.ready_timeout, Optional(Eq(absl::Seconds(18))));
  EXPECT_THAT(fork.restart.min_healthy, Optional(Eq(2)));
  EXPECT_EQ(fork.restart.soak, absl::Seconds(19));
  EXPECT_EQ(fork.restart.max_failures, 4);
  EXPECT_EQ(fork.restart.on_failure, OnRestartFailure::kPause);
}

TEST(ServerOptions, EveryOptionOfTheMonitorArrives) {
  const ServerOptions options = ToServerOptions(EveryOption()).value();
  const ForkOptions& fork = options.serve.fork;
  EXPECT_EQ(fork.watchdog.interval, absl::Seconds(2));
  EXPECT_EQ(fork.watchdog.stall_warn, absl::Seconds(20));
  EXPECT_EQ(fork.watchdog.stall_kill, absl::Seconds(21));
  EXPECT_EQ(fork.watchdog.request_timeout, absl::Seconds(22));
  EXPECT_EQ(fork.watchdog.stopped_kill, absl::Seconds(23));
  EXPECT_EQ(fork.watchdog.abort_grace, absl::Seconds(24));
  EXPECT_EQ(fork.recycle.max_requests, 1000);
  EXPECT_EQ(fork.recycle.max_lifetime, absl::Hours(1));
  EXPECT_EQ(fork.recycle.max_rss, 512 << 20);
  EXPECT_EQ(fork.recycle.min_lifetime, absl::Seconds(25));
  EXPECT_EQ(fork.recycle.jitter, 0.2);
  EXPECT_EQ(fork.autoscaler.mode, AutoscalerMode::kSpare);
  EXPECT_EQ(fork.autoscaler.min_workers, 2);
  EXPECT_THAT(fork.autoscaler.max_workers, Optional(Eq(10)));
  EXPECT_EQ(fork.autoscaler.min_spare, 3);
  EXPECT_EQ(fork.autoscaler.max_spare, 7);
  EXPECT_EQ(fork.autoscaler.backlog_target, 9);
  EXPECT_EQ(fork.autoscaler.cpu_low, 0.2);
  EXPECT_EQ(fork.autoscaler.cpu_high, 0.8);
  EXPECT_EQ(fork.autoscaler.interval, absl::Seconds(3));
  EXPECT_EQ(fork.autoscaler.scale_down_hold, absl::Seconds(26));
  EXPECT_EQ(fork.autoscaler.max_spawn_rate, 8);
  EXPECT_TRUE(fork.autoscaler.dry_run);
}

TEST(ServerOptions, EverySettingOfAWorkerArrives) {
  const WorkerSettings worker = ToServerOptions(EveryOption())->serve.fork.worker;
  EXPECT_EQ(worker.user, "www-data");
  EXPECT_EQ(worker.group, "adm");
  EXPECT_THAT(worker.nice, Optional(Eq(5)));
  EXPECT_THAT(worker.oom_score_adj, Optional(Eq(300)));
  EXPECT_EQ(worker.cpu_affinity, CpuAffinity::kListed);
  EXPECT_THAT(worker.cpu_sets, ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3)));
  ASSERT_EQ(worker.limits.size(), 2u);
  EXPECT_EQ(worker.limits[0].resource, "nofile");
  EXPECT_THAT(worker.limits[0].soft, Optional(Eq(4096u)));
  EXPECT_THAT(worker.limits[1].hard, Optional(Eq(kUnlimited)));
  EXPECT_THAT(worker.umask, Optional(Eq(027u)));
  EXPECT_EQ(worker.working_directory, "/srv");
  EXPECT_TRUE(worker.no_new_privs);
}

// So no option of the file can be forgotten in ToServerOptions.
TEST(ServerOptions, EveryOptionRefusesWhatItIsNot) {
  const std::set<std::string> take_any_text = {"listen",
                                               "control_socket_group",
                                               "control_user",
                                               "control_tls.address",
                                               "control_tls.certificate",
                                               "control_tls.key",
                                               "control_tls.client_ca",
                                               "status.address",
                                               "status.hosts",
                                               "static",
                                               "user",
                                               "group",
                                               "chdir",
                                               "pid_file",
                                               "log_file",
                                               "access_log.path",
                                               "http.trusted_downstream",
                                               "http.protocol",
                                               "http.proxy_protocol.trusted",
                                               "tls.certificate",
                                               "tls.client_ca",
                                               "tls.ciphers",
                                               "tls.cipher_suites"};
  for (const ServerOptionName& option : ServerOptionNames()) {
    if (take_any_text.contains(option.path)) continue;
    ServerConfig config("server.conf");
    config.AddFromFile(option.path, "?", ServerConfig::Quoted::kYes, 3, 5);
    EXPECT_THAT(
        ToServerOptions(config),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 HasSubstr(absl::StrCat("server.conf:3:5: ", option.path, ": \"?\" is not "))));
  }
}

struct Case {
  const char* text;
  const char* complaint;
};

class WrongValues : public ::testing::TestWithParam<Case> {};

TEST_P(WrongValues, AreNamedWithTheirPlaceAndWhatWouldBeRight) {
  EXPECT_EQ(Complaint(GetParam().text), GetParam().complaint) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    OfOneOption, WrongValues,
    ::testing::Values(
        Case{"grace: \"30\"", "server.conf:1:1: grace: \"30\" is not a duration from 0 to 24h"},
        Case{"grace: \"-5s\"", "server.conf:1:1: grace: \"-5s\" is not a duration from 0 to 24h"},
        Case{"\nkill_after: \"5\"",
             "server.conf:2:1: kill_after: \"5\" is not a duration such as \"30s\", \"500ms\" or "
             "\"1h30m\""},
        Case{"accept_policy: \"fair\"",
             "server.conf:1:1: accept_policy: \"fair\" is not one of \"balanced\", \"exclusive\", "
             "\"reuse_port\", \"shared\""},
        Case{"autoscale { mode: \"auto\" }",
             "server.conf:1:13: autoscale.mode: \"auto\" is not one of \"static\", \"spare\", "
             "\"backlog\", \"cpu\""},
        Case{"recycle { max_rss: \"1.5G\" }",
             "server.conf:1:11: recycle.max_rss: \"1.5G\" is not a size such as \"65536\", "
             "\"64KiB\" or \"512MiB\""},
        Case{"umask: \"9\"",
             "server.conf:1:1: umask: \"9\" is not octal permissions such as \"0660\""},
        Case{"rlimit: \"core:0\"\nrlimit: \"nofile\"",
             "server.conf:2:1: rlimit: \"nofile\" is not NAME:SOFT or NAME:SOFT:HARD such as "
             "\"nofile:65536\" or \"core:0:unlimited\""},
        Case{"cpu_affinity: \"all\"",
             "server.conf:1:1: cpu_affinity: \"all\" is not \"inherited\", \"one_per_worker\" or "
             "the CPUs of each worker such as \"0,1;2,3\""},
        Case{"control: \"tcp:1\"",
             "server.conf:1:1: control: \"tcp:1\" is not \"unix:\" with an absolute path or "
             "\"none\"; over TCP it is served with TLS alone, see control_tls"},
        Case{"max_workers: 8\nworkers: 9",
             "server.conf:2:1: workers: 9 is not a number of worker processes (0: one per CPU) "
             "from 0 to 8"},
        Case{"max_workers: 4081",
             "server.conf:1:1: max_workers: 4081 is not a number of worker processes from 1 to "
             "4080"},
        Case{"http { body_timeout: \"x\" }\ngrace: \"y\"",
             "server.conf:1:8: http.body_timeout: \"x\" is not a duration such as \"30s\", "
             "\"500ms\" or \"1h30m\""}));

INSTANTIATE_TEST_SUITE_P(
    AmongOthers, WrongValues,
    ::testing::Values(
        Case{"listen: \":80\"\nlisten: \"localhost\"",
             "server.conf:2:1: cannot listen on \"localhost\": expected HOST:PORT such as "
             "localhost:8888 or [::1]:8888, :PORT for every interface, or unix:PATH"},
        Case{"listen: \"a:80\"\nlisten: \"a:80\"", "server.conf:2:1: listen names a:80 twice"},
        Case{"backlog: 0", "server.conf:1:1: backlog must be at least 1, not 0"},
        Case{"unix_mode: \"1777\"",
             "server.conf:1:1: unix_mode is at most 0777 (octal), not 01777"},
        Case{"surge_slots: 0",
             "server.conf:1:1: surge_slots is 0, so that a restart needs restart.max_unavailable "
             "of at least 1"},
        Case{"restart {\n  max_surge: 17\n}",
             "server.conf:2:3: restart.max_surge must not be above surge_slots (16), but is 17"},
        Case{"boot_timeout: \"inf\"",
             "server.conf:1:1: boot_timeout must be positive and finite, not inf"},
        Case{"kill_after: \"0\"", "server.conf:1:1: kill_after must be positive and finite, not 0"},
        Case{"backoff { initial: \"1m\" }",
             "server.conf:1:11: backoff.max must be finite and at least backoff.initial (1m), not "
             "30s"},
        Case{"breaker { deaths: -1 }", "server.conf:1:11: breaker.deaths must not be negative: -1"},
        Case{"watchdog { interval: \"10ms\" }",
             "server.conf:1:12: watchdog.interval must be at least 100ms, for processor time is "
             "counted in ticks of 10ms, not 10ms"},
        Case{"rlimit: \"core:0\" recycle { max_requests: -1 }",
             "server.conf:1:28: recycle.max_requests must not be negative (0: no limit), not -1"},
        Case{"rlimit: \"core:0\" rlimit: \"nofil:1\"",
             "server.conf:1:18: rlimit \"nofil\" does not exist; there are as, core, cpu, data, "
             "fsize, "
             "locks, memlock, msgqueue, nice, nofile, nproc, rss, rtprio, rttime, sigpending, "
             "stack"},
        Case{"recycle { jitter: 0.9 }",
             "server.conf:1:11: recycle.jitter is a fraction between 0 and 0.5, not 0.9"},
        Case{"autoscale { min_spare: 4 }",
             "server.conf:1:13: autoscale.max_spare must be at least one more than "
             "autoscale.min_spare, 5, not 4"},
        Case{"max_workers: 4\nautoscale { max_workers: 5 }",
             "server.conf:2:13: autoscale.max_workers must not be above max_workers (4), but is "
             "5"},
        Case{"nice: 20", "server.conf:1:1: nice is between -20 (first served) and 19, not 20"},
        Case{"oom_score_adj: 1001",
             "server.conf:1:1: oom_score_adj is between -1000 (never killed) and 1000 (killed "
             "first), not 1001"},
        Case{"chdir: \"/no/such\"",
             "server.conf:1:1: chdir \"/no/such\": No such file or directory"},
        Case{"user: \"no-such-user\"", "server.conf:1:1: user \"no-such-user\" does not exist"},
        Case{"http { trusted_downstream: \"10.0.0.0/33\" }",
             "server.conf:1:8: http.trusted_downstream: \"10.0.0.0/33\" has no prefix length from "
             "0 to 32 after the slash"},
        Case{"http { proxy_protocol { trusted: \"proxy\" } }",
             "server.conf:1:25: http.proxy_protocol.trusted: \"proxy\" is not an IP address or "
             "network; write 10.0.0.1, 10.0.0.0/8 or unix:"},
        Case{
            "http { proxy_protocol { trusted: \"::1\" timeout: \"0\" } }",
            "server.conf:1:40: http.proxy_protocol.timeout must be positive (inf: no timeout), not "
            "0"},
        Case{"http { header_timeout: \"0\" }",
             "server.conf:1:8: http.header_timeout must be positive (inf: no timeout), not 0"}));

TEST(ServerOptions, AFlagIsCalledByItself) {
  ServerConfig config = ParseServerConfig("workers: 3\nrestart { max_surge: 2 }", "f").value();
  config.SetFromFlag("restart.max_surge", {"17"}, "--restart_max_surge=17");
  EXPECT_EQ(Complaint(config),
            "--restart_max_surge=17: restart.max_surge must not be above surge_slots (16), but is "
            "17");
  config.SetFromFlag("workers", {"65"}, "--workers=65");
  EXPECT_EQ(Complaint(config),
            "--workers=65 is not a number of worker processes (0: one per CPU) from 0 to 64");
  EXPECT_EQ(ToServerOptions(ParseServerConfig("workers: 3", "f").value())->serve.workers, 3);
}

// Else a server that is to speak TLS only to those it knows would speak plain HTTP to everybody.
INSTANTIATE_TEST_SUITE_P(
    OfTlsWithoutACertificate, WrongValues,
    ::testing::Values(
        Case{"tls { client_certificate: \"required\" client_ca: \"ca.pem\" }",
             "server.conf:1:7: tls.client_certificate: \"required\" is not of use without a "
             "tls.certificate, and none is named"},
        Case{"tls {\n  client_ca: \"ca.pem\"\n}",
             "server.conf:2:3: tls.client_ca: \"ca.pem\" is not of use without a tls.certificate, "
             "and none is named"},
        Case{"tls {\n  key: \"a.key\"\n}",
             "server.conf:2:3: tls.key: \"a.key\" is not of use without a tls.certificate, and "
             "none is named"}));

// Told as the error of a TlsServerContext; its place by the option that it is about.
TEST(ServerOptions, ErrorsOfTlsAreFoundInTheFile) {
  const ServerConfig config =
      ParseServerConfig(
          "tls {\n certificate: \"/a/site.pem\"\n key: \"/a/site.pem.key\"\n client_ca: "
          "\"/a/ca.pem\"\n ciphers: \"\"\n cipher_suites: \"key\"\n}",
          "f")
          .value();
  const auto located = [&](const std::string& text) {
    return std::string(LocateTlsError(config, absl::InvalidArgumentError(text)).message());
  };
  EXPECT_EQ(located("cannot read the certificate /a/site.pem: No such file or directory"),
            "f:2:2: tls.certificate: cannot read the certificate /a/site.pem: No such file or "
            "directory");
  EXPECT_EQ(located("the private key /a/site.pem.key is damaged"),
            "f:3:2: tls.key: the private key /a/site.pem.key is damaged");
  EXPECT_EQ(located("cannot read the client_ca_file /a/ca.pem"),
            "f:4:2: tls.client_ca: cannot read the tls.client_ca /a/ca.pem");
  EXPECT_EQ(located("there is no certificate in /a/ca.pem: it is empty"),
            "f:4:2: tls.client_ca: there is no certificate in /a/ca.pem: it is empty");
  EXPECT_EQ(located("tls groups \"\" is nothing that OpenSSL can use"),
            "tls groups \"\" is nothing that OpenSSL can use");
}

TEST(ServerOptions, WhatNewWorkersTakeOver) {
  EXPECT_TRUE(ChangesAtReload("http.max_body_size"));
  EXPECT_TRUE(ChangesAtReload("umask"));
  EXPECT_FALSE(ChangesAtReload("max_workers"));
  EXPECT_FALSE(ChangesAtReload("listen"));
}

}  // namespace
}  // namespace squall
