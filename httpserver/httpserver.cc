#include "squall/httpserver/httpserver.h"

#include <utility>

#include "squall/httpserver/http_server_core.h"
#include "squall/httpserver/worker_stats.h"

namespace squall {
namespace {

TcpServer::Options TcpOptions(const HttpServerOptions& options) {
  TcpServer::Options result;
  result.accept_policy = options.accept_policy;
  result.accept_budget = options.accept_budget;
  return result;
}

}  // namespace

HttpServer::HttpServer(HttpServerConnectionDelegate& app, HttpServerOptions options)
    : TcpServer(TcpOptions(options)),
      core_(std::make_unique<internal::HttpServerCore>(app, std::move(options))) {}

HttpServer::~HttpServer() { Stop(); }

void HttpServer::Drain(const HttpDrainOptions& options, absl::AnyInvocable<void()> done) {
  Stop();
  core_->stats().SetAccepting(false);
  core_->Drain(options.idle_close_after, std::move(done));
}

void HttpServer::CloseAllConnections() { core_->CloseAll(); }

size_t HttpServer::connection_count() const { return core_->connection_count(); }

void HttpServer::HandleConnection(UniqueFd connection, SocketAddress peer) {
  core_->stats().AcceptsWouldBlock(accept_stats().would_block);
  core_->Accept(std::move(connection), peer);
}

bool HttpServer::ShouldLeaveNextToSibling() { return core_->stats().ShouldLeaveNextToSibling(); }

void HttpServer::OnSocketsAdded() {
  using internal::WorkerStats;
  const auto joined = core_->stats().Attach(
      [this](absl::Duration idle_close_after, absl::AnyInvocable<void()> done) {
        Drain({.idle_close_after = idle_close_after}, std::move(done));
      });
  if (joined == WorkerStats::Joined::kDrainingWorker) return Stop();
  core_->stats().SetAccepting(true);
}

}  // namespace squall
