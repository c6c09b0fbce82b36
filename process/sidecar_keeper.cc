#include "squall/process/sidecar_keeper.h"

#include <signal.h>

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"

namespace squall::internal {
namespace {

// An operator waits for the control process, so it comes back faster than a worker that crashes.
constexpr BackoffOptions kSidecarBackoff = {
    .initial = absl::Milliseconds(50), .max = absl::Seconds(5), .healthy_after = absl::Seconds(10)};

constexpr int kFinishMilliseconds = 1000;

}  // namespace

SidecarKeeper::SidecarKeeper(Sidecar sidecar, uint64_t seed,
                             absl::AnyInvocable<void(PoolNote)> note)
    : sidecar_(std::move(sidecar)),
      note_(std::move(note)),
      backoff_(kSidecarBackoff),
      healthy_after_(kSidecarBackoff.healthy_after),
      random_(static_cast<std::minstd_rand::result_type>(seed)) {}

SidecarKeeper::Spawned SidecarKeeper::Start(MonotonicTime now) {
  next_start_ = MonotonicTime::Infinite();
  auto ends = MakeControlLink();
  if (!ends.ok()) return Failed(ends.status(), now);
  auto forked = Fork();
  if (!forked.ok()) return Failed(forked.status(), now);
  if (forked->pid == 0) {
    child_link_ = std::move(ends->second);
    return Spawned::kChild;
  }
  process_ = std::move(*forked);
  link_ = std::move(ends->first);
  started_at_ = now;
  why_not_started_.clear();
  Note(PoolNote::Severity::kInfo, PoolNote::Type::kSidecarStarted,
       absl::StrCat("the ", sidecar_.name, " process is running as pid ", process_.pid));
  return Spawned::kParent;
}

SidecarKeeper::Spawned SidecarKeeper::Failed(const absl::Status& status, MonotonicTime now) {
  ScheduleStart(now);
  std::string why = WhyNotStarted(status);
  // One line, not one for each attempt.
  if (why != why_not_started_) {
    Note(PoolNote::Severity::kError, PoolNote::Type::kSidecarStartFailed,
         absl::StrCat("cannot start the ", sidecar_.name, " process: ", why,
                      "; tried again until it goes"));
    why_not_started_ = std::move(why);
  }
  return Spawned::kParent;
}

void SidecarKeeper::ScheduleStart(MonotonicTime now) { next_start_ = now + backoff_.Next(random_); }

void SidecarKeeper::OnPidfd(MonotonicTime now) {
  const std::optional<ExitStatus> status = Reap(process_.pidfd);
  CHECK(status.has_value()) << "a pidfd was readable but its process is not dead";
  if (now - started_at_ >= healthy_after_) backoff_.Reset();
  ScheduleStart(now);
  Note(PoolNote::Severity::kWarning, PoolNote::Type::kSidecarExited,
       absl::StrCat("the ", sidecar_.name, " process (pid ", process_.pid, ") ", status->ToString(),
                    "; it is started again in ", absl::FormatDuration(next_start_ - now),
                    ", the workers are not concerned"));
  process_ = {};
  link_.reset();
}

void SidecarKeeper::GiveUp(MonotonicTime now) {
  KillAndReap(process_.pidfd);
  process_ = {};
  link_.reset();
  ScheduleStart(now);
}

void SidecarKeeper::Cut(const char* why) {
  Note(PoolNote::Severity::kError, PoolNote::Type::kSidecarCut,
       absl::StrCat("the ", sidecar_.name, " process (pid ", process_.pid, ") ", why,
                    "; it is killed and started again"));
  Signal(process_.pidfd, SIGKILL);
}

void SidecarKeeper::Note(PoolNote::Severity severity, PoolNote::Type type, std::string text) {
  note_({.severity = severity, .type = type, .pid = process_.pid, .text = std::move(text)});
}

void SidecarKeeper::OnLink(absl::FunctionRef<std::optional<LinkReply>(const LinkRequest&)> handle,
                           absl::FunctionRef<void(const LinkRefusal&)> refused) {
  // A bound, so that a sidecar that never stops asking does not keep the master from its workers.
  for (int i = 0; i < 32; ++i) {
    const LinkRead read = ReceiveLink(link_.get());
    if (std::holds_alternative<LinkNothing>(read)) return;
    if (std::holds_alternative<LinkEndOfFile>(read)) {
      // Its death follows on the pidfd; a sidecar that closed its link but lives is useless.
      Signal(process_.pidfd, SIGKILL);
      return;
    }
    if (const auto* refusal = std::get_if<LinkRefusal>(&read)) {
      refused(*refusal);
      continue;
    }
    const auto* request = std::get_if<LinkRequest>(&read);
    if (request == nullptr) {
      Cut("sent a packet that is none of this version");
      return;
    }
    const std::optional<LinkReply> reply = handle(*request);
    if (!reply.has_value()) return;
    if (!SendLink(link_.get(), *reply)) {
      Cut("does not read the answers to its requests");
      return;
    }
  }
}

void SidecarKeeper::Notify() {
  if (link_.valid()) SendLink(link_.get(), LinkNotice{});
}

void SidecarKeeper::Finish() {
  link_.reset();
  if (process_.pidfd.valid()) {
    if (!WaitForDeath(process_.pidfd, kFinishMilliseconds)) {
      LOG(WARNING) << "the " << sidecar_.name << " process (pid " << process_.pid
                   << ") did not end by itself and is killed";
      KillAndReap(process_.pidfd);
    } else {
      Reap(process_.pidfd);
    }
    process_ = {};
  }
  if (sidecar_.at_exit) sidecar_.at_exit();
}

}  // namespace squall::internal
