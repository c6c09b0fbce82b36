#include "squall/httpserver/httpserver.h"

#include <utility>

#include "absl/status/status.h"
#include "squall/base/logging.h"
#include "squall/httpserver/http_server_core.h"
#include "squall/httpserver/http_server_options.h"
#include "squall/httpserver/worker_stats.h"

namespace squall {
namespace {

// Before anything is made of them.
TcpServer::Options TcpServerOptions(const HttpServerOptions& options) {
  const absl::Status valid = Validate(options);
  CHECK(valid.ok()) << "HttpServerOptions: " << valid.message();
  TcpServer::Options result;
  result.accept_policy = options.accept_policy;
  result.accept_budget = options.accept_budget;
  result.proxy_protocol = options.proxy_protocol;
  return result;
}

}  // namespace

HttpServer::HttpServer(HttpServerConnectionDelegate& app, HttpServerOptions options)
    : TcpServer(TcpServerOptions(options)),
      core_(std::make_unique<internal::HttpServerCore>(app, std::move(options))) {
  core_->OnCloseIdle([this] { CloseWaitingForHeader(); });
  core_->OnFull([this](bool full) { full ? PauseAccepting() : ResumeAccepting(); });
}

HttpServer::~HttpServer() {
  Stop();
  CloseWaitingForHeader();
}

void HttpServer::Drain(const DrainRequest& request, absl::AnyInvocable<void()> done) {
  // First, so that what is accepted now is told with its first answer that the connection ends.
  core_->Drain(request.idle_close_after, std::move(done));
  StopForDrain(request);
  core_->stats().SetAccepting(false);
}

void HttpServer::CloseAllConnections() {
  CloseWaitingForHeader();
  core_->CloseAll();
}

size_t HttpServer::connection_count() const { return core_->connection_count(); }

void HttpServer::HandleConnection(UniqueFd connection, SocketAddress peer) {
  core_->Accept(std::move(connection), peer);
}

void HttpServer::OnWaitingForHeader(size_t connections) { core_->SetExpected(connections); }

AcceptStanding HttpServer::StandingAmongSiblings() {
  return core_->stats().StandingAmongSiblings();
}

void HttpServer::OnSocketsAdded() {
  using internal::WorkerStats;
  const auto joined = core_->stats().Attach(
      [this](const DrainRequest& request, absl::AnyInvocable<void()> done) {
        Drain(request, std::move(done));
      },
      accept_stats());
  if (joined == WorkerStats::Joined::kDrainingWorker) return Stop();
  core_->stats().SetAccepting(true);
}

}  // namespace squall
