// Internal: the master's hold on its sidecar: start, restart with back-off, the link, the end. A
// part of Master, which polls the descriptors and calls in.
#ifndef SQUALL_PROCESS_SIDECAR_KEEPER_H_
#define SQUALL_PROCESS_SIDECAR_KEEPER_H_

#include <optional>
#include <random>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "squall/base/clock.h"
#include "squall/base/unique_fd.h"
#include "squall/process/backoff.h"
#include "squall/process/child_process.h"
#include "squall/process/control_link.h"
#include "squall/process/pool_action.h"
#include "squall/process/sidecar.h"

namespace squall::internal {

class SidecarKeeper {
 public:
  // `note` is told of each of its lives.
  SidecarKeeper(Sidecar sidecar, uint64_t seed, absl::AnyInvocable<void(PoolNote)> note);

  enum class Spawned { kParent, kChild };
  // Forks the sidecar. In the child it returns kChild and TakeChildLink() is the child's end of the
  // link. A failed fork is tried again after the back-off.
  Spawned Start(MonotonicTime now);

  // When Start is due; infinite while it runs.
  MonotonicTime next_start() const { return next_start_; }

  bool running() const { return process_.pidfd.valid(); }
  pid_t pid() const { return process_.pid; }
  int pidfd() const { return process_.pidfd.get(); }
  int link_fd() const { return link_.get(); }

  // The pidfd became readable: the sidecar is gone. It is started again later.
  void OnPidfd(MonotonicTime now);

  // Ends a sidecar that cannot be watched; it is started again later.
  void GiveUp(MonotonicTime now);

  // The link became readable: answers the requests on it with `handle`, and tells `refused` what the
  // sidecar refused itself. A sidecar that sends what
  // cannot be read, or does not take its answers, is killed. `handle` returns nothing in a child
  // that was forked for the request: there is nobody to answer then.
  void OnLink(absl::FunctionRef<std::optional<LinkReply>(const LinkRequest&)> handle,
              absl::FunctionRef<void(const LinkRefusal&)> refused);

  // Says that the pool changed. Dropped when the link is full.
  void Notify();

  // Ends the sidecar: end of file on the link, SIGKILL if it is still there a second later. Then
  // Sidecar::at_exit.
  void Finish();

  // In the child.
  Sidecar& sidecar() { return sidecar_; }
  UniqueFd TakeChildLink() { return std::move(child_link_); }

 private:
  void Cut(const char* why);
  Spawned Failed(const absl::Status& status, MonotonicTime now);
  void ScheduleStart(MonotonicTime now);
  void Note(PoolNote::Severity severity, PoolNote::Type type, std::string text);

  Sidecar sidecar_;
  absl::AnyInvocable<void(PoolNote)> note_;
  Backoff backoff_;
  absl::Duration healthy_after_;
  std::minstd_rand random_;
  ChildProcess process_;
  UniqueFd link_;
  UniqueFd child_link_;
  MonotonicTime next_start_;
  MonotonicTime started_at_;
  std::string why_not_started_;  // As it was logged; empty when the last start succeeded.
};

}  // namespace squall::internal

#endif  // SQUALL_PROCESS_SIDECAR_KEEPER_H_
