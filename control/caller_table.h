// Internal: the callers that are connected, each with a gRPC server of its own, and how many
// connections each and all of them may have.
//
//   CallerTable callers(core);
//   absl::Status admitted = callers.Admit({.uid = 1000, .role = v1::ROLE_VIEWER, .name = "uid 1000"},
//                                         std::move(connection));
//   if (!admitted.ok()) LOG(WARNING) << admitted.message();  // it is closed
//
// Belongs to the thread of its IOLoop, IOLoop::Current(). Starts gRPC's threads.
#ifndef SQUALL_CONTROL_CALLER_TABLE_H_
#define SQUALL_CONTROL_CALLER_TABLE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/base/unique_fd.h"
#include "squall/control/control_core.h"
#include "squall/control/control_server.h"
#include "squall/ioloop/handler_registration.h"

namespace squall::internal {

class CallerTable {
 public:
  // `core` must outlive it.
  explicit CallerTable(ControlCore& core) : core_(core) {}
  ~CallerTable() { Shutdown(absl::ZeroDuration()); }

  CallerTable(const CallerTable&) = delete;
  CallerTable& operator=(const CallerTable&) = delete;

  // Starts the caller's server, so that an error of gRPC's shows before anybody calls.
  absl::Status Prepare(const Caller& caller);

  // Gives a connected, non-blocking stream socket to the server of `caller`, who is known by name and
  // role. RESOURCE_EXHAUSTED, and the connection is closed: there are too many, as the sentence says.
  absl::Status Admit(const Caller& caller, UniqueFd connection);

  // For the servers there are, and those to come.
  void SetServing(bool serving);

  // Ends all calls. Blocks for about `patience` at most.
  void Shutdown(absl::Duration patience);

  int connections() const { return connections_; }

 private:
  struct Watched {
    // gRPC does not tell when a connection ends, but this copy of its descriptor does: the end of the
    // peer's side or, for gRPC shuts down what it closes, of ours.
    UniqueFd socket;
    HandlerRegistration ends;  // below the descriptor, so that it goes first
  };
  struct Entry {
    std::unique_ptr<ControlServer> server;
    std::map<uint64_t, Watched> connections;
  };
  using Key = std::pair<std::string, control::v1::Role>;

  absl::Status CheckRoom(const Caller& caller, const Entry* entry) const;
  absl::StatusOr<Entry*> FindOrStart(const Caller& caller);
  // Makes room for one more caller, in the place of one without connections.
  absl::Status MakeRoom(const Caller& caller);
  void OnEnd(const Key& key, uint64_t number);

  ControlCore& core_;
  std::map<Key, Entry> callers_;
  int connections_ = 0;
  uint64_t next_number_ = 0;
  bool serving_ = false;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_CALLER_TABLE_H_
