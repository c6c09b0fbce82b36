// The control plane of a pool as a process of its own: gRPC on a unix socket, beside the workers.
//
//   auto listener = squall::BindUnixSocket("/run/app/control.sock").value();
//   squall::ForkOptions options;
//   options.sidecar = squall::MakeControlSidecar({.listener = std::move(listener)});
//   squall::ForkProcesses(2, std::move(options)).value();
//
// The master owns the listener, so that the address stays while the control process is restarted,
// and forks it before anybody used gRPC. It reads the pool from the scoreboard and holds nothing
// else: kill -9 costs its clients their calls in flight and nobody else anything.
//
// Callers are known by SO_PEERCRED: the server's own user and root are admin, all others are closed
// at once, counted and logged.
#ifndef SQUALL_CONTROL_CONTROL_PROCESS_H_
#define SQUALL_CONTROL_CONTROL_PROCESS_H_

#include "squall/netutil/sockets.h"
#include "squall/process/sidecar.h"

namespace squall {

struct ControlOptions {
  // A listening unix socket; other families are refused by CHECK, for they know no peer
  // credentials. Its file is removed when the master ends, if it still is the same file and was
  // not inherited.
  ListenSocket listener;
};

// For ForkOptions::sidecar. Starts nothing by itself and does not touch gRPC.
Sidecar MakeControlSidecar(ControlOptions options);

}  // namespace squall

#endif  // SQUALL_CONTROL_CONTROL_PROCESS_H_
