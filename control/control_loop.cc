#include "squall/control/control_loop.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/base/status_macros.h"
#include "squall/control/peer_user.h"
#include "squall/netutil/address.h"

namespace squall::internal {
namespace {

std::string NameOf(uid_t uid) { return absl::StrCat("uid ", uid); }

}  // namespace

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
  RETURN_IF_ERROR(callers_.Prepare({.uid = 0, .role = control::v1::ROLE_ADMIN, .name = NameOf(0)}));
  UpdateHealth();
  // One process accepts here, so that it may take all that wait.
  accepting_ = AddAcceptHandler(
      loop_, listener_,
      [this](UniqueFd connection, const SocketAddress&) { OnConnection(std::move(connection)); },
      {.policy = AcceptPolicy::kShared, .budget = 16});
  if (!options_.tls.has_value()) return absl::OkStatus();
  tls_door_.emplace(core_, options_.roles, callers_, *std::move(options_.tls));
  return tls_door_->Open();
}

void ControlLoop::Shutdown(absl::Duration patience) {
  accepting_.Stop();
  if (tls_door_.has_value()) tls_door_->Close();
  tick_.Cancel();
  callers_.Shutdown(patience);
}

void ControlLoop::OnConnection(UniqueFd connection) {
  const absl::StatusOr<PeerUser> peer = PeerOf(connection.get());
  if (!peer.ok()) return Refuse(std::string(peer.status().message()));
  const ControlRole role = options_.roles.OfUser(peer->uid, peer->groups);
  if (role == ControlRole::kNone) {
    return Refuse(absl::StrCat("uid ", peer->uid, " (pid ", peer->pid, ") has no role"));
  }
  const absl::Status admitted = callers_.Admit(
      {.uid = peer->uid, .role = static_cast<control::v1::Role>(role), .name = NameOf(peer->uid)},
      std::move(connection));
  if (!admitted.ok()) Refuse(std::string(admitted.message()));
}

void ControlLoop::Refuse(const std::string& why) {
  const uint64_t refused = core_.refused_connections.fetch_add(1, std::memory_order_relaxed) + 1;
  LOG_EVERY_T(WARNING, 1) << "control connection refused: " << why << "; " << refused
                          << " refused so far";
}

void ControlLoop::OnNotice() {
  if (tls_door_.has_value()) tls_door_->LookAtFiles();
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
  callers_.SetServing(serving);
}

}  // namespace squall::internal
