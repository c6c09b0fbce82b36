#include "squall/control/caller_table.h"

#include <errno.h>
#include <fcntl.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"

namespace squall::internal {

absl::Status CallerTable::Prepare(const Caller& caller) { return FindOrStart(caller).status(); }

absl::Status CallerTable::Admit(const Caller& caller, UniqueFd connection) {
  const auto found = callers_.find({caller.name, caller.role});
  RETURN_IF_ERROR(CheckRoom(caller, found == callers_.end() ? nullptr : &found->second));
  ASSIGN_OR_RETURN(Entry* const entry, FindOrStart(caller));
  Watched watched;
  watched.socket.reset(fcntl(connection.get(), F_DUPFD_CLOEXEC, 0));
  if (!watched.socket.valid()) return StatusFromErrno(errno, "a copy of the connection");
  const uint64_t number = next_number_++;
  ASSIGN_OR_RETURN(watched.ends,
                   HandlerRegistration::Add(watched.socket.get(), EPOLLRDHUP,
                                            [this, key = Key(caller.name, caller.role),
                                             number](uint32_t) { OnEnd(key, number); }));
  entry->connections.emplace(number, std::move(watched));
  ++connections_;
  entry->server->Adopt(std::move(connection));
  return absl::OkStatus();
}

absl::Status CallerTable::CheckRoom(const Caller& caller, const Entry* entry) const {
  const ControlLimits& limits = core_.limits;
  if (entry != nullptr &&
      static_cast<int>(entry->connections.size()) >= limits.max_connections_per_caller) {
    return absl::ResourceExhaustedError(
        absl::StrCat(caller.name, " has ", limits.max_connections_per_caller,
                     " connections already, the most that one caller may have"));
  }
  // So that an administrator gets in whatever others do.
  const int reserved = ReservedFor(caller, limits.max_connections);
  if (connections_ >= limits.max_connections - reserved) {
    return absl::ResourceExhaustedError(
        absl::StrCat("there are ", connections_, " connections already, the most for ", caller.name,
                     reserved == 0 ? "" : "; the last ones are for admins"));
  }
  return absl::OkStatus();
}

absl::StatusOr<CallerTable::Entry*> CallerTable::FindOrStart(const Caller& caller) {
  Key key(caller.name, caller.role);
  const auto found = callers_.find(key);
  if (found != callers_.end()) return &found->second;
  RETURN_IF_ERROR(MakeRoom(caller));
  ASSIGN_OR_RETURN(std::unique_ptr<ControlServer> server, ControlServer::Start(core_, caller));
  server->SetServing(serving_);
  Entry& entry = callers_[std::move(key)];
  entry.server = std::move(server);
  return &entry;
}

absl::Status CallerTable::MakeRoom(const Caller& caller) {
  const int reserved = ReservedFor(caller, core_.limits.max_callers);
  if (static_cast<int>(callers_.size()) < core_.limits.max_callers - reserved) {
    return absl::OkStatus();
  }
  for (auto entry = callers_.begin(); entry != callers_.end(); ++entry) {
    if (!entry->second.connections.empty()) continue;
    entry->second.server->Shutdown(absl::ZeroDuration());
    callers_.erase(entry);
    return absl::OkStatus();
  }
  return absl::ResourceExhaustedError(absl::StrCat(
      "there are ", callers_.size(), " callers already, the most that may be connected at once",
      reserved == 0 ? "" : "; the last places are for admins"));
}

void CallerTable::OnEnd(const Key& key, uint64_t number) {
  const auto entry = callers_.find(key);
  if (entry == callers_.end()) return;
  connections_ -= static_cast<int>(entry->second.connections.erase(number));
}

void CallerTable::SetServing(bool serving) {
  serving_ = serving;
  for (auto& [key, entry] : callers_) entry.server->SetServing(serving);
}

void CallerTable::Shutdown(absl::Duration patience) {
  for (auto& [key, entry] : callers_) {
    entry.server->Shutdown(patience);
    patience = absl::ZeroDuration();  // One patience for all.
  }
  callers_.clear();
  connections_ = 0;
}

}  // namespace squall::internal
