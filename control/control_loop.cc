#include "squall/control/control_loop.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/base/logging.h"
#include "squall/netutil/address.h"

namespace squall::internal {

std::map<uid_t, control::v1::Role> DefaultRoles() {
  return {{0, control::v1::ROLE_ADMIN}, {geteuid(), control::v1::ROLE_ADMIN}};
}

ControlLoop::ControlLoop(IOLoop& loop, PoolReader& reader, UniqueFd link, ListenSocket listener,
                         ControlLoopOptions options)
    : loop_(loop),
      reader_(reader),
      listener_(std::move(listener)),
      options_(std::move(options)),
      link_(loop, std::move(link),
            LinkClientOptions{.on_notice = [this] { OnNotice(); },
                              .on_end =
                                  [this](const absl::Status& why) {
                                    if (options_.on_master_gone) options_.on_master_gone(why);
                                  }}),
      hub_(reader,
           [this] {
             loop_.AddCallback([this, alive = std::weak_ptr<char>(alive_)] {
               if (!alive.expired()) StartTicking();
             });
           }),
      core_(reader, link_, hub_) {
  core_.limits = options_.limits;
}

ControlLoop::~ControlLoop() { Shutdown(absl::ZeroDuration()); }

absl::Status ControlLoop::Start() {
  for (const auto& [uid, role] : options_.roles) {
    absl::StatusOr<std::unique_ptr<ControlServer>> server =
        ControlServer::Start(core_, {.uid = uid, .role = role});
    if (!server.ok()) return server.status();
    servers_[uid] = *std::move(server);
  }
  UpdateHealth();
  // One process accepts here, so that it may take all that wait.
  accepting_ = AddAcceptHandler(
      loop_, listener_,
      [this](UniqueFd connection, const SocketAddress&) { OnConnection(std::move(connection)); },
      {.policy = AcceptPolicy::kShared, .budget = 16});
  return absl::OkStatus();
}

void ControlLoop::Shutdown(absl::Duration patience) {
  accepting_.Stop();
  tick_.Cancel();
  for (auto& [uid, server] : servers_) {
    server->Shutdown(patience);
    patience = absl::ZeroDuration();  // One patience for all.
  }
  servers_.clear();
}

void ControlLoop::OnConnection(UniqueFd connection) {
  // As of connect(2), filled in by the kernel. The pid may be another process' by now.
  ucred peer = {};
  socklen_t size = sizeof(peer);
  if (getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    PLOG(WARNING) << "control connection closed: no peer credentials";
    core_.refused_connections.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const auto server = servers_.find(peer.uid);
  if (server == servers_.end()) {
    const uint64_t refused = core_.refused_connections.fetch_add(1, std::memory_order_relaxed) + 1;
    LOG_EVERY_T(WARNING, 1) << "control connection refused: uid " << peer.uid << " (pid "
                            << peer.pid << ") is neither root nor uid " << geteuid() << "; "
                            << refused << " refused so far";
    return;
  }
  server->second->Adopt(std::move(connection));
}

void ControlLoop::OnNotice() {
  UpdateHealth();
  hub_.Refresh();
}

void ControlLoop::StartTicking() {
  if (tick_.active() || !hub_.has_listeners()) return;
  tick_ = loop_.CallLater(options_.tick, [this] {
    hub_.Refresh();
    StartTicking();
  });
}

void ControlLoop::UpdateHealth() {
  const PoolSnapshot snapshot = reader_.Read();
  if (snapshot.torn) return;
  const bool serving = snapshot.pool.shutdown == ShutdownMode::kNone && snapshot.ready() > 0;
  for (auto& [uid, server] : servers_) server->SetServing(serving);
}

}  // namespace squall::internal
