#include "squall/control/tls_door.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "squall/base/logging.h"
#include "squall/base/status_macros.h"
#include "squall/ioloop/event.h"
#include "squall/ioloop/handler_registration.h"
#include "squall/ioloop/handshake.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/race.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/tls_ticket_keys.h"
#include "squall/ioloop/tls_transport.h"

namespace squall::internal {
namespace {

constexpr absl::Duration kLookInterval = absl::Seconds(5);
// Handshakes at a time: each may take ControlLimits::handshake_timeout.
constexpr int kMaxHandshakes = 64;

// One direction, up to its end. HTTP/2 ends with either.
Task<> Pump(IOStream* from, IOStream* to) {
  while (true) {
    absl::StatusOr<std::string_view> octets = co_await from->Peek();
    if (!octets.ok()) co_return;
    const absl::Status written = co_await to->WriteBorrowed(*octets);
    if (!written.ok()) co_return;
    from->Consume(octets->size());
  }
}

// Ends a while after the server has closed its side of `inside`: what it sent before has that long to
// reach a client that reads; one that does not would hold the pumps for ever.
Task<> OutlastServer(int inside, absl::Duration patience) {
  const UniqueFd copy(fcntl(inside, F_DUPFD_CLOEXEC, 0));
  Event hung_up;
  HandlerRegistration ends;
  if (copy.valid()) {
    absl::StatusOr<HandlerRegistration> added =
        HandlerRegistration::Add(copy.get(), EPOLLRDHUP, [&hung_up, &ends](uint32_t) {
          hung_up.Set();
          ends.Remove();
        });
    if (added.ok()) ends = *std::move(added);
  }
  // Without it the kernel's time limit is what is left.
  (void)co_await hung_up.Wait();
  co_await Sleep(patience);
}

// For the log: "uri:spiffe://a/b, dns:c"; what comes from the peer is escaped.
std::string NamesOf(const TlsPeerCertificate& certificate) {
  std::vector<std::string> names;
  for (const std::string& uri : certificate.uris) names.push_back(absl::StrCat("uri:", uri));
  for (const std::string& dns : certificate.dns_names) names.push_back(absl::StrCat("dns:", dns));
  if (names.empty()) return "no subjectAltName";
  return absl::CHexEscape(absl::StrJoin(names, ", "));
}

}  // namespace

struct TlsDoor::Shared {
  ControlCore& core;
  const ControlRoles& roles;
  CallerTable& callers;
  std::shared_ptr<TlsAcceptor> acceptor = nullptr;
  int handshakes = 0;
  bool closed = false;

  void Refuse(const SocketAddress& peer, const std::string& why) {
    const uint64_t refused = core.refused_connections.fetch_add(1, std::memory_order_relaxed) + 1;
    LOG_EVERY_T(WARNING, 1) << "control connection of " << peer << " refused: " << why << "; "
                            << refused << " refused so far";
  }
};

TlsDoor::TlsDoor(ControlCore& core, const ControlRoles& roles, CallerTable& callers, ControlTls tls)
    : tls_(std::move(tls)), shared_(new Shared{core, roles, callers}) {}

absl::Status TlsDoor::Open() {
  stamps_ = Stamps();
  ASSIGN_OR_RETURN(acceptor_, TlsAcceptor::Create(ToTlsServerOptions(tls_)));
  shared_->acceptor = acceptor_;
  for (const ListenSocket& listener : tls_.listeners) {
    accepting_.push_back(
        AddAcceptHandler(IOLoop::Current(), listener,
                         [shared = shared_](UniqueFd connection, const SocketAddress& peer) {
                           if (shared->handshakes >= kMaxHandshakes) {
                             shared->Refuse(peer, "too many are shaking hands already");
                             return;
                           }
                           IOLoop::Current().Spawn(Serve(shared, std::move(connection), peer));
                         },
                         {.policy = AcceptPolicy::kShared, .budget = 16}));
  }
  LookLater();
  return absl::OkStatus();
}

Task<> TlsDoor::Serve(std::shared_ptr<Shared> shared, UniqueFd connection, SocketAddress peer) {
  const int no_delay = 1;
  (void)setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &no_delay, sizeof(no_delay));
  // For a peer that takes nothing, or is gone.
  const ControlLimits& limits = shared->core.limits;
  const auto patience = static_cast<unsigned>(
      absl::ToInt64Milliseconds(limits.keepalive_time + limits.keepalive_timeout));
  (void)setsockopt(connection.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof(patience));
  std::unique_ptr<Transport> transport = shared->acceptor->MakeTransport(std::move(connection));
  ++shared->handshakes;
  const absl::Status shaken =
      co_await Handshake(transport.get(), shared->core.limits.handshake_timeout);
  --shared->handshakes;
  if (shared->closed) co_return;
  if (!shaken.ok()) {
    shared->Refuse(peer, std::string(shaken.message()));
    co_return;
  }
  const TlsTransport* const tls = TlsTransport::From(transport.get());
  const std::optional<TlsPeerCertificate> certificate = tls->peer_certificate();
  if (!certificate.has_value() || tls->alpn() != "h2") {
    shared->Refuse(peer, "it does not speak HTTP/2 (ALPN h2)");
    co_return;
  }
  Caller caller{.uid = Caller::kNoUid};
  caller.role = static_cast<control::v1::Role>(
      shared->roles.OfCertificate(certificate->uris, certificate->dns_names, &caller.name));
  if (caller.role == control::v1::ROLE_UNSPECIFIED) {
    shared->Refuse(peer, absl::StrCat("its certificate has no role: ", NamesOf(*certificate)));
    co_return;
  }
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
    shared->Refuse(peer, strerror(errno));
    co_return;
  }
  UniqueFd of_server(ends[0]);
  const int inside_fd = ends[1];
  IOStream inside{UniqueFd(ends[1])};
  const absl::Status admitted = shared->callers.Admit(caller, std::move(of_server));
  if (!admitted.ok()) {
    shared->Refuse(peer, std::string(admitted.message()));
    co_return;
  }
  IOStream outside(std::move(transport));
  co_await Race(Pump(&outside, &inside), Pump(&inside, &outside),
                OutlastServer(inside_fd, shared->core.limits.handshake_timeout));
}

std::vector<TlsDoor::FileStamp> TlsDoor::Stamps() const {
  std::vector<FileStamp> stamps;
  for (const std::string& file :
       {tls_.certificate_file, tls_.private_key_file, tls_.client_ca_file}) {
    struct stat info = {};
    if (stat(file.c_str(), &info) != 0) info = {};
    stamps.emplace_back(info.st_dev, info.st_ino,
                        absl::ToUnixNanos(absl::TimeFromTimespec(info.st_mtim)), info.st_size);
  }
  return stamps;
}

void TlsDoor::LookAtFiles() {
  if (acceptor_ == nullptr) return;
  std::vector<FileStamp> stamps = Stamps();
  if (stamps == stamps_) return;
  // Also when they are wrong: they are looked at again when they have changed again.
  stamps_ = std::move(stamps);
  TlsServerOptions options = ToTlsServerOptions(tls_);
  // No session of a client that the old roots had signed is resumed.
  options.ticket_keys = std::make_shared<TlsTicketKeys>();
  if (const absl::Status reloaded = acceptor_->Reload(std::move(options)); !reloaded.ok()) {
    LOG(ERROR) << "the control plane's new certificate files are not used: " << reloaded.message();
    return;
  }
  LOG(INFO) << "the control plane's certificate files have changed and are in use";
}

void TlsDoor::LookLater() {
  look_ = IOLoop::Current().CallLater(kLookInterval, [this] {
    LookAtFiles();
    LookLater();
  });
}

void TlsDoor::Close() {
  accepting_.clear();
  look_.Cancel();
  shared_->closed = true;
}

}  // namespace squall::internal
