// Internal: callers who come over TCP: their TLS, their certificate, their role, and then what they say
// as plain octets to the gRPC server of their name.
//
//   TlsDoor door(core, roles, callers, std::move(tls));
//   if (absl::Status open = door.Open(); !open.ok()) return open;
//
// TLS is ours and not gRPC's, so that a certificate without a role is turned away before HTTP/2 is
// spoken, for any service; so that callers are counted alike however they come; and so that the caller
// is known by the server that a call arrives at. gRPC 1.51's TlsServerCredentials with a
// FileWatcherCertificateProvider do work behind an external acceptor, and reload without dropping
// connections (tried), but each call would have to ask for the names, and everybody whom the root
// knows would reach health and reflection.
//
// Belongs to the thread of its loop.
#ifndef SQUALL_CONTROL_TLS_DOOR_H_
#define SQUALL_CONTROL_TLS_DOOR_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/base/unique_fd.h"
#include "squall/control/caller_table.h"
#include "squall/control/control_core.h"
#include "squall/control/control_roles.h"
#include "squall/control/control_tls.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/tls_acceptor.h"
#include "squall/netutil/accept.h"
#include "squall/netutil/address.h"

namespace squall::internal {

class TlsDoor {
 public:
  // All three must outlive it.
  TlsDoor(ControlCore& core, const ControlRoles& roles, CallerTable& callers, ControlTls tls);
  ~TlsDoor() { Close(); }

  TlsDoor(const TlsDoor&) = delete;
  TlsDoor& operator=(const TlsDoor&) = delete;

  // Reads the files and accepts.
  absl::Status Open();

  // Reads the files again if they have changed.
  void LookAtFiles();

  // No new connections; handshakes that are under way come to nothing.
  void Close();

 private:
  // What a connection needs, which may outlive the door.
  struct Shared;
  // What tells whether a file has changed, of each.
  using FileStamp = std::tuple<dev_t, ino_t, int64_t, off_t>;

  static Task<> Serve(std::shared_ptr<Shared> shared, UniqueFd connection, SocketAddress peer);

  std::vector<FileStamp> Stamps() const;
  void LookLater();

  ControlTls tls_;
  std::shared_ptr<Shared> shared_;
  std::shared_ptr<TlsAcceptor> acceptor_;
  std::vector<FileStamp> stamps_;
  std::vector<AcceptHandle> accepting_;
  Timeout look_;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_TLS_DOOR_H_
