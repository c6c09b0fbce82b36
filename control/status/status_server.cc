#include "squall/control/status/status_server.h"

#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "squall/control/status/health_handlers.h"
#include "squall/control/status/page_handlers.h"
#include "squall/control/status/status_handler.h"
#include "squall/ioloop/ioloop.h"
#include "squall/web/handler.h"
#include "squall/web/settings.h"

namespace squall::internal {
namespace {

constexpr char kPage[] = "/";
constexpr char kStream[] = "/stream";
constexpr char kMetrics[] = "/metrics";
constexpr char kHealth[] = "/healthz";
constexpr char kReady[] = "/readyz";

// Clients are few and their requests are small.
HttpServerOptions HttpOptions() {
  HttpServerOptions options;
  options.max_header_size = 16 * 1024;
  options.max_request_line = 2 * 1024;
  options.max_header_fields = 50;
  options.max_body_size = options.max_streamed_body_size = 4 * 1024;
  options.header_timeout = absl::Seconds(5);
  options.body_timeout = absl::Seconds(5);
  options.write_timeout = absl::Seconds(10);
  options.max_connections = 64;
  // Who closes the page does so without a reset.
  options.answer_half_closed = false;
  // One process accepts here.
  options.accept_policy = AcceptPolicy::kShared;
  options.accept_budget = 16;
  return options;
}

}  // namespace

StatusServer::StatusServer(StatusSources sources, ListenSocket listener,
                           const StatusOptions& options)
    : hosts_(options.allow_remote, options.hosts),
      master_(IOLoop::Current(), *sources.commander),
      feed_(std::make_shared<StatusFeed>(IOLoop::Current(), *sources.reader)),
      tally_({kPage, kStream, kMetrics, kHealth, kReady}),
      metrics_{.reader = sources.reader,
               .counts = std::move(sources.counts),
               .tally = &tally_,
               .feed = feed_.get()},
      app_({{kPage, Handler<PageHandler>(&hosts_)},
            {kStream, Handler<StreamHandler>(&hosts_, feed_)},
            {kMetrics, Handler<MetricsHandler>(&hosts_, &metrics_)},
            {kHealth, Handler<HealthHandler>(&hosts_, &master_)},
            {kReady, Handler<ReadyHandler>(&hosts_, sources.reader)}},
           {.default_handler = Handler<NoSuchPage>(&hosts_),
            .log_function = [this](const AccessLogEntry& entry) { tally_.Count(entry); }}),
      server_(app_, HttpOptions()) {
  server_.AddSocket(std::move(listener));
}

}  // namespace squall::internal
