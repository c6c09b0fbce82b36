#include "squall/httpserver/serve_options.h"

#include <fstream>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/process/cpu_count.h"

namespace squall {
namespace {

using ::testing::HasSubstr;

TEST(ServeOptions, DefaultsAreValid) { EXPECT_THAT(Validate(ServeOptions()), IsOk()); }

TEST(ServeOptions, OnePerCpuButNoMoreThanThereMayBe) {
  EXPECT_EQ(WorkerCount({}), CpuCount());
  EXPECT_EQ(WorkerCount({.workers = 3}), 3);
  EXPECT_EQ(WorkerCount({.fork = {.max_workers = 1}}), 1);
  EXPECT_THAT(Validate(ServeOptions{.fork = {.max_workers = 1}}), IsOk());
  AutoscalerOptions autoscaler = {.mode = AutoscalerMode::kSpare, .max_workers = 1};
  EXPECT_EQ(WorkerCount({.fork = {.autoscaler = autoscaler}}), 1);
  EXPECT_THAT(Validate(ServeOptions{.fork = {.autoscaler = autoscaler}}), IsOk());
}

TEST(ServeOptions, AnAutoscalerThatChangesNothingBoundsNothing) {
  const AutoscalerOptions off = {.max_workers = 5};
  EXPECT_THAT(Validate(ServeOptions{.workers = 10, .fork = {.autoscaler = off}}), IsOk());
  const AutoscalerOptions dry = {.mode = AutoscalerMode::kSpare, .max_workers = 5, .dry_run = true};
  EXPECT_THAT(Validate(ServeOptions{.workers = 10, .fork = {.autoscaler = dry}}), IsOk());
}

struct Case {
  std::function<void(ServeOptions&)> spoil;
  const char* message;
};

class WrongServeOptions : public ::testing::TestWithParam<Case> {};

TEST_P(WrongServeOptions, AreNamedWithTheirValueAndWhatWouldBeRight) {
  ServeOptions options;
  GetParam().spoil(options);
  EXPECT_THAT(Validate(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().message)));
}

using O = ServeOptions;

INSTANTIATE_TEST_SUITE_P(
    Listen, WrongServeOptions,
    ::testing::Values(
        Case{[](O& o) { o.listen = {}; }, "listen is empty; it must name at least one address"},
        Case{[](O& o) {
               o.listen = {":80", "localhost"};
             },
             "cannot listen on \"localhost\": expected HOST:PORT"},
        Case{[](O& o) {
               o.listen = {":80", ":80"};
             },
             "listen names :80 twice"},
        Case{[](O& o) {
               o.listen = {"unix:/a", "unix:/a"};
             },
             "listen names unix:/a twice"},
        Case{[](O& o) { o.backlog = 0; }, "backlog must be at least 1, not 0"},
        Case{[](O& o) { o.unix_mode = 01777; }, "unix_mode is at most 0777 (octal), not 01777"}));

INSTANTIATE_TEST_SUITE_P(
    Pool, WrongServeOptions,
    ::testing::Values(
        Case{[](O& o) { o.workers = -1; },
             "workers must be at least 1, or 0 for one per CPU, not -1"},
        Case{[](O& o) {
               o.workers = 9;
               o.fork.max_workers = 8;
             },
             "workers must not be above max_workers (8), but is 9"},
        Case{[](O& o) { o.fork.max_workers = -1; }, "max_workers must be at least 1, not -1"},
        Case{[](O& o) { o.fork.max_workers = 4090; },
             "max_workers is 4090 and surge_slots is 16; together they are at most 4096"},
        Case{[](O& o) { o.fork.max_workers = 2147483647; }, "together they are at most 4096"},
        Case{[](O& o) { o.fork.surge_slots = -1; }, "surge_slots must not be negative: -1"},
        Case{[](O& o) { o.fork.surge_slots = 0; }, "needs restart.max_unavailable of at least 1"},
        Case{[](O& o) { o.fork.restart.max_surge = 17; },
             "restart.max_surge must not be above surge_slots (16), but is 17"},
        Case{[](O& o) { o.fork.boot_timeout = absl::ZeroDuration(); },
             "boot_timeout must be positive and finite, not 0"},
        Case{[](O& o) { o.fork.drain.grace = absl::InfiniteDuration(); },
             "drain.grace must be finite"},
        Case{[](O& o) { o.fork.backoff.max = absl::Milliseconds(1); },
             "backoff.max must be finite and at least backoff.initial (100ms), not 1ms"},
        Case{[](O& o) { o.fork.watchdog.interval = absl::Milliseconds(1); }, "watchdog.interval"},
        Case{[](O& o) { o.fork.recycle.max_rss = -1; }, "recycle.max_rss must not be negative"},
        Case{[](O& o) { o.fork.autoscaler.max_spare = 1; },
             "autoscaler.max_spare must be at least"},
        Case{[](O& o) { o.fork.autoscaler.min_workers = 65; },
             "autoscaler.min_workers must not be above max_workers (64), but is 65"},
        Case{[](O& o) { o.fork.autoscaler.max_workers = 65; },
             "autoscaler.max_workers must not be above max_workers (64), but is 65"},
        Case{[](O& o) {
               o.workers = 10;
               o.fork.autoscaler = {.mode = AutoscalerMode::kSpare, .max_workers = 5};
             },
             "workers must not be above autoscaler.max_workers (5), but is 10"},
        Case{[](O& o) {
               o.listen = {"unix:/a", "unix-abstract:b"};
               o.fork.autoscaler.mode = AutoscalerMode::kBacklog;
             },
             "autoscaler.mode is backlog, but listen has unix sockets alone"},
        Case{[](O& o) { o.fork.worker.nice = 20; }, "nice is between -20"}));

INSTANTIATE_TEST_SUITE_P(
    Http, WrongServeOptions,
    ::testing::Values(
        Case{[](O& o) { o.http.chunk_size = 0; }, "http.chunk_size must be at least 1, not 0"},
        Case{[](O& o) { o.http.max_header_size = 0; },
             "http.max_header_size must be at least 1, not 0"},
        Case{[](O& o) { o.http.max_request_line = 0; },
             "http.max_request_line must be at least 1, not 0"},
        Case{[](O& o) { o.http.max_header_fields = 0; },
             "http.max_header_fields must be at least 1, not 0"},
        Case{[](O& o) { o.http.max_connection_age = absl::ZeroDuration(); },
             "http.max_connection_age must be positive (inf: no timeout), not 0"},
        Case{[](O& o) { o.http.max_write_buffer_size = 1000; },
             "http.max_write_buffer_size must not be below http.write_high_mark (262144), but is "
             "1000"},
        Case{[](O& o) { o.http.header_timeout = absl::ZeroDuration(); },
             "http.header_timeout must be positive (inf: no timeout), not 0"},
        Case{[](O& o) { o.http.body_timeout = absl::Seconds(-1); },
             "http.body_timeout must be positive (inf: no timeout), not -1s"},
        Case{[](O& o) { o.http.idle_connection_timeout = absl::ZeroDuration(); },
             "http.idle_connection_timeout must be positive"},
        Case{[](O& o) { o.http.write_timeout = absl::ZeroDuration(); },
             "http.write_timeout must be positive"},
        Case{[](O& o) { o.http.linger_timeout = absl::Seconds(-2); },
             "http.linger_timeout must not be negative: -2s"},
        Case{[](O& o) { o.http.pipeline_burst = 0; },
             "http.pipeline_burst must be at least 1, not 0"},
        Case{
            [](O& o) {
              o.http.accept_policy = AcceptPolicy::kReusePort;
              o.fork.max_workers = 1025;
            },
            "max_workers is at most 1024 with the accept policy reuse_port, which has a socket for "
            "each, but is 1025"},
        Case{[](O& o) { o.http.accept_budget = -1; },
             "http.accept_budget must be at least 1, not -1"},
        Case{[](O& o) { o.http.write_low_mark = 1 << 20; },
             "http.write_low_mark must not be above http.write_high_mark (262144), but is 1048576"},
        Case{[](O& o) { o.http.protocol = ""; }, "http.protocol is empty"},
        Case{[](O& o) { o.http.trusted_downstream = {"10.0.0.0/33"}; },
             "http.trusted_downstream: \"10.0.0.0/33\" has no prefix length from 0 to 32"}));

TEST(ServeOptions, AFileNeedsItsDirectory) {
  const std::string file = ::testing::TempDir() + "/serve_options_test";
  std::ofstream(file) << "x";
  EXPECT_THAT(Validate(ServeOptions{.fork = {.pid_file = file, .log_file = "here"}}), IsOk());
  EXPECT_THAT(Validate(ServeOptions{.fork = {.pid_file = "/no/such/pid"}}),
              StatusIs(absl::StatusCode::kNotFound,
                       "pid_file cannot be in \"/no/such\": No such file or directory"));
  EXPECT_FALSE(Validate(ServeOptions{.fork = {.pid_file = file + "/pid"}}).ok());
  EXPECT_THAT(Validate(ServeOptions{.fork = {.log_file = "/no/log"}}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("log_file cannot be in \"/no\"")));
}

TEST(ServeOptions, AUserThatDoesNotExistIsNotFound) {
  ServeOptions options;
  options.fork.worker.user = "no-such-user";
  EXPECT_THAT(Validate(options), StatusIs(absl::StatusCode::kNotFound, HasSubstr("no-such-user")));
}

}  // namespace
}  // namespace squall
