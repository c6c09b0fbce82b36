#include "squall/httpserver/tcpserver.h"

#include <sys/socket.h>

#include <cstddef>
#include <exception>
#include <memory>
#include <stop_token>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "squall/base/logging.h"
#include "squall/httpserver/stream_serving.h"
#include "squall/ioloop/handshake.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/transport.h"

namespace squall {
namespace {

bool Listens(const ListenSocket& socket) {
  int listens = 0;
  socklen_t size = sizeof listens;
  return ::getsockopt(socket.fd(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0;
}

void Apply(const TcpOptions& options, const ListenSocket& socket) {
  absl::Status applied = ApplyToListener(options, socket.fd());
  for (const UniqueFd& sibling : socket.siblings()) {
    applied.Update(ApplyToListener(options, sibling.get()));
  }
  if (!applied.ok()) LOG(WARNING) << "On " << socket.address() << ": " << applied.message();
}

// Runs what an exception of the user's must not leave.
template <typename F>
void Guarded(const SocketAddress& peer, F&& handle) {
  try {
    handle();
  } catch (const std::exception& error) {
    LOG(ERROR) << "Error in connection callback for " << peer << ": " << error.what();
  } catch (...) {
    LOG(ERROR) << "Error in connection callback for " << peer;
  }
}

}  // namespace

TcpServer::TcpServer(Options options)
    : options_(std::move(options)), serving_(std::make_shared<internal::StreamServing>()) {
  const absl::Status tcp = Validate(options_.tcp);
  CHECK(tcp.ok()) << tcp.message();
  if (!options_.proxy_protocol.has_value()) return;
  proxy_protocol_ = std::make_unique<ProxyProtocolReceiver>(
      *options_.proxy_protocol,
      [this](UniqueFd connection, SocketAddress peer, ProxyHeader header) {
        Guarded(peer,
                [&] { HandleProxiedConnection(std::move(connection), peer, std::move(header)); });
      },
      [this](size_t connections) { OnWaitingForHeader(connections); });
}

TcpServer::~TcpServer() {
  Stop();
  CloseWaitingForHeader();
  serving_->LoseServer();
}

absl::Status TcpServer::Listen(uint16_t port, const BindOptions& options) {
  absl::StatusOr<std::vector<ListenSocket>> sockets = BindSockets(port, options);
  if (!sockets.ok()) return sockets.status();
  AddSockets(*std::move(sockets));
  return absl::OkStatus();
}

void TcpServer::AddSockets(std::vector<ListenSocket> sockets) {
  for (ListenSocket& socket : sockets) {
    // A worker that starts while its pool ends finds that a sibling has shut them down.
    if (!Listens(socket)) {
      LOG(WARNING) << "Nobody can connect to " << socket.address() << " any more: it was shut down";
      continue;
    }
    Apply(options_.tcp, socket);
    Listener& listener = listeners_.emplace_back();
    listener.socket = std::move(socket);
    if (!paused_) listener.handle = AcceptFrom(listener.socket);
  }
  OnSocketsAdded();
}

AcceptHandle TcpServer::AcceptFrom(const ListenSocket& socket) {
  AcceptOptions accept;
  accept.policy = options_.accept_policy;
  accept.budget = options_.accept_budget;
  accept.stats = &serving_->accept_stats();
  accept.standing = [this] { return StandingAmongSiblings(); };
  return AddAcceptHandler(
      IOLoop::Current(), socket,
      [this](UniqueFd connection, SocketAddress peer) { OnAccept(std::move(connection), peer); },
      std::move(accept));
}

void TcpServer::PauseAccepting() {
  if (std::exchange(paused_, true)) return;
  for (Listener& listener : listeners_) listener.handle.Stop();
}

void TcpServer::ResumeAccepting() {
  if (!std::exchange(paused_, false)) return;
  for (Listener& listener : listeners_) {
    // A sibling may have shut it down meanwhile.
    if (Listens(listener.socket)) listener.handle = AcceptFrom(listener.socket);
  }
}

void TcpServer::AddSocket(ListenSocket socket) {
  std::vector<ListenSocket> sockets;
  sockets.push_back(std::move(socket));
  AddSockets(std::move(sockets));
}

void TcpServer::Stop() {
  // The handle goes before its socket, so that the loop never watches a closed descriptor.
  for (Listener& listener : listeners_) listener.handle.Stop();
  listeners_.clear();
}

// What is accepted may call Stop(), and then there are no listeners any more.
void TcpServer::AcceptLast() {
  for (size_t i = 0; i < listeners_.size(); ++i) listeners_[i].handle.AcceptLast();
}

void TcpServer::AcceptOwnWaiting() {
  for (size_t i = 0; i < listeners_.size(); ++i) {
    if (!listeners_[i].socket.siblings().empty()) listeners_[i].handle.AcceptWaiting();
  }
}

void TcpServer::StopForDrain(const DrainRequest& request) {
  if (request.pool_ends) {
    AcceptLast();
  } else {
    AcceptOwnWaiting();
  }
  Stop();
}

void TcpServer::Drain(const DrainRequest& request, absl::AnyInvocable<void()> done) {
  StopForDrain(request);
  serving_->SetAccepting(false);
  // Last, for what was accepted just now has to end before it is done.
  serving_->Drain(std::move(done));
}

std::stop_token TcpServer::drain_token() const { return serving_->drain_token(); }

size_t TcpServer::connection_count() const { return serving_->connection_count(); }

const AcceptStats& TcpServer::accept_stats() const { return serving_->accept_stats(); }

AcceptStanding TcpServer::StandingAmongSiblings() { return serving_->StandingAmongSiblings(); }

void TcpServer::OnSocketsAdded() {
  const bool accept =
      serving_->JoinWorker([this](const DrainRequest& request, absl::AnyInvocable<void()> done) {
        Drain(request, std::move(done));
      });
  if (!accept) return Stop();
  serving_->SetAccepting(true);
}

std::vector<SocketAddress> TcpServer::addresses() const {
  std::vector<SocketAddress> result;
  result.reserve(listeners_.size());
  for (const Listener& listener : listeners_) result.push_back(listener.socket.address());
  return result;
}

void TcpServer::OnAccept(UniqueFd connection, SocketAddress peer) {
  if (proxy_protocol_ != nullptr) {
    proxy_protocol_->Receive(std::move(connection), peer);
  } else {
    Guarded(peer, [&] { HandleConnection(std::move(connection), peer); });
  }
}

void TcpServer::OnWaitingForHeader(size_t connections) { serving_->SetExpected(connections); }

void TcpServer::CloseWaitingForHeader() {
  if (proxy_protocol_ != nullptr) proxy_protocol_->CloseWaiting();
}

void TcpServer::HandleProxiedConnection(UniqueFd connection, SocketAddress peer,
                                        ProxyHeader header) {
  HandleConnection(std::move(connection), ClientOf(header, peer));
}

void TcpServer::HandleConnection(UniqueFd connection, SocketAddress peer) {
  std::unique_ptr<Transport> transport =
      options_.transport != nullptr ? options_.transport->MakeTransport(std::move(connection))
                                    : MakePlainTransport(std::move(connection));
  IOLoop::Current().Spawn(Serve(this, std::move(transport), peer));
}

Task<> TcpServer::Serve(TcpServer* server, std::unique_ptr<Transport> transport,
                        SocketAddress peer) {
  const std::shared_ptr<internal::StreamServing> serving = server->serving_;
  const internal::StreamServing::Connection connection(serving);
  const IOStreamOptions stream_options = server->options_.stream;
  if (transport->Handshake() != 0) {
    absl::Status shaken = co_await Handshake(transport.get(), server->options_.handshake_timeout);
    if (!shaken.ok()) {
      LOG(INFO) << "Refused the connection of " << peer << ": " << shaken.message();
      co_return;
    }
    if (serving->server_lost()) co_return;
  }
  try {
    co_await server->HandleStream(IOStream(std::move(transport), stream_options), peer);
  } catch (const std::exception& error) {
    LOG(ERROR) << "Error in connection callback for " << peer << ": " << error.what();
  } catch (...) {
    LOG(ERROR) << "Error in connection callback for " << peer;
  }
}

Task<> TcpServer::HandleStream(IOStream stream, SocketAddress peer) {
  LOG(ERROR) << "Closing the connection of " << peer << ": HandleStream() is not overridden";
  stream.Close();
  co_return;
}

}  // namespace squall
