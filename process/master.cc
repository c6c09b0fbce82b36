#include "squall/process/master.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"
#include "squall/process/worker_channel.h"

namespace squall::internal {
namespace {

// epoll_event.data: what kind of descriptor in the upper half, which row in the lower.
enum class Source : uint32_t { kSignals, kChannel, kWorkerPidfd, kSidecarLink, kSidecarPidfd };

constexpr uint64_t Tag(Source source, int row = 0) {
  return static_cast<uint64_t>(source) << 32 | static_cast<uint32_t>(row);
}
constexpr Source SourceOf(uint64_t tag) { return static_cast<Source>(tag >> 32); }
constexpr int RowOf(uint64_t tag) { return static_cast<int>(static_cast<uint32_t>(tag)); }

void Log(const PoolNote& note) {
  switch (note.severity) {
    case PoolNote::Severity::kInfo:
      LOG(INFO) << note.text;
      return;
    case PoolNote::Severity::kWarning:
      LOG(WARNING) << note.text;
      return;
    case PoolNote::Severity::kError:
      LOG(ERROR) << note.text;
      return;
  }
}

// epoll_wait counts in milliseconds; rounding up keeps it from returning just before the deadline.
int TimeoutUntil(MonotonicTime deadline, MonotonicTime now) {
  if (deadline.is_infinite()) return -1;
  const absl::Duration left = deadline - now;
  if (left <= absl::ZeroDuration()) return 0;
  const int64_t milliseconds = absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1)));
  return static_cast<int>(std::min<int64_t>(milliseconds, std::numeric_limits<int>::max()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Master>> Master::Create(const PoolOptions& options,
                                                       std::optional<Sidecar> sidecar) {
  ASSIGN_OR_RETURN(Scoreboard scoreboard,
                   Scoreboard::Create(options.max_workers + options.surge_slots));
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return StatusFromErrno(errno, "epoll_create1 for the master");
  ASSIGN_OR_RETURN(MasterSignals signals, MasterSignals::Create());
  const uint64_t seed = static_cast<uint64_t>(Clock::Real().Now().nanos());
  return std::unique_ptr<Master>(new Master(options, std::move(sidecar), seed, std::move(signals),
                                            std::move(scoreboard), std::move(epoll)));
}

Master::Master(const PoolOptions& options, std::optional<Sidecar> sidecar, uint64_t seed,
               MasterSignals signals, Scoreboard scoreboard, UniqueFd epoll)
    : pid_(getpid()),
      signals_(std::move(signals)),
      scoreboard_(std::move(scoreboard)),
      epoll_(std::move(epoll)),
      pool_(options, seed),
      processes_(static_cast<size_t>(pool_.rows())) {
  if (sidecar.has_value()) sidecar_.emplace(std::move(*sidecar), seed);
}

Master::Outcome Master::Run() {
  PCHECK(Watch(signals_.fd(), Tag(Source::kSignals))) << "epoll_ctl in the master";
  now_ = Clock::Real().Now();
  // The sidecar first, so that the pool can be watched while it comes up.
  if (sidecar_.has_value()) StartSidecar();
  if (Waits()) Dispatch(PoolStart{});
  while (Waits()) Poll();
  if (std::holds_alternative<Ended>(*outcome_) && sidecar_.has_value()) sidecar_->Finish();
  return std::move(*outcome_);
}

void Master::Poll() {
  MonotonicTime deadline = pool_.next_deadline();
  if (sidecar_.has_value()) deadline = std::min(deadline, sidecar_->next_start());
  std::array<epoll_event, 64> events;
  const int ready = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                               TimeoutUntil(deadline, Clock::Real().Now()));
  PCHECK(ready >= 0 || errno == EINTR) << "epoll_wait in the master";
  now_ = Clock::Real().Now();

  // ^C reaches master and workers together, and a worker's death must then not look like a crash.
  // The kernel queues the signal for the whole group before any member can be seen dead, so reading
  // the signals before the deaths is enough.
  OnSignals();
  // READY before death: a worker that served and died is no boot failure.
  for (int i = 0; i < ready && Waits(); ++i) {
    const uint64_t tag = events[static_cast<size_t>(i)].data.u64;
    if (SourceOf(tag) == Source::kChannel) OnChannel(RowOf(tag));
  }
  for (int i = 0; i < ready && Waits(); ++i) {
    const uint64_t tag = events[static_cast<size_t>(i)].data.u64;
    switch (SourceOf(tag)) {
      case Source::kSignals:
      case Source::kChannel:
        break;
      case Source::kWorkerPidfd:
        OnDeath(RowOf(tag));
        break;
      case Source::kSidecarLink:
        if (sidecar_->link_fd() >= 0) {
          sidecar_->OnLink([this](const LinkRequest& request) { return OnRequest(request); });
        }
        break;
      case Source::kSidecarPidfd: {
        const int pidfd = sidecar_->pidfd();
        const int link = sidecar_->link_fd();
        if (pidfd < 0) break;
        // Before they are closed; a pidfd that is readable says that the sidecar is dead.
        Unwatch(pidfd);
        Unwatch(link);
        sidecar_->OnPidfd(now_);
        break;
      }
    }
  }
  if (Waits() && sidecar_.has_value() && sidecar_->next_start() <= now_) StartSidecar();
  if (Waits() && pool_.next_deadline() <= now_) Dispatch(PoolTick{});
}

void Master::StartSidecar() {
  if (sidecar_->Start(now_) == SidecarKeeper::Spawned::kChild) {
    outcome_ = BecameSidecar{sidecar_->TakeChildLink()};
    return;
  }
  if (!sidecar_->running()) return;
  if (!Watch(sidecar_->pidfd(), Tag(Source::kSidecarPidfd)) ||
      !Watch(sidecar_->link_fd(), Tag(Source::kSidecarLink))) {
    PLOG(ERROR) << "epoll_ctl in the master";
    sidecar_->GiveUp(now_);
  }
}

void Master::OnSignals() {
  while (Waits()) {
    const std::optional<int> signo = signals_.Next();
    if (!signo.has_value()) return;
    OnSignal(*signo);
  }
}

void Master::OnSignal(int signo) {
  const std::string actor = absl::StrCat("signal ", sigabbrev_np(signo));
  switch (signo) {
    case SIGTERM:
    case SIGQUIT:
      return Dispatch(ShutdownRequest{ShutdownMode::kGraceful, actor});
    case SIGINT:
      return Dispatch(ShutdownRequest{ShutdownMode::kFast, actor});
    case SIGHUP:
      return Dispatch(RestartRequest{.actor = actor});
    case SIGTTIN:
      return Dispatch(ResizeBy{1, actor});
    case SIGTTOU:
      return Dispatch(ResizeBy{-1, actor});
    default:
      LOG(WARNING) << actor << " has no meaning yet and is ignored";
  }
}

void Master::OnChannel(int row) {
  Process& process = processes_[static_cast<size_t>(row)];
  WorkerPacket packet;
  // READY may lead to the fork of another slot's worker, and this process be the child then.
  while (Waits() && process.channel.valid()) {
    switch (ReceivePacket(process.channel.get(), packet)) {
      case ChannelRead::kNothing:
        return;
      case ChannelRead::kEndOfFile:
        // The worker closed its end or died; only the pidfd says that it died.
        Unwatch(process.channel.get());
        process.channel.reset();
        return;
      case ChannelRead::kPacket:
        switch (packet.type) {
          case WorkerPacketType::kReady:
            Dispatch(WorkerReady{process.slot, process.incarnation});
            break;
          case WorkerPacketType::kLeader:
            // The answer to having to give it up.
            Dispatch(LeaderReleased{process.slot, process.incarnation});
            break;
          case WorkerPacketType::kDrain:
            break;
        }
    }
  }
}

void Master::OnDeath(int row) {
  Process& process = processes_[static_cast<size_t>(row)];
  if (!process.child.pidfd.valid()) return;
  // READY may have come in behind the epoll_wait that reported the death.
  OnChannel(row);
  if (!Waits()) return;
  const std::optional<ExitStatus> status = Reap(process.child.pidfd);
  if (!status.has_value()) return;
  const WorkerExited event = {process.slot, process.incarnation, *status};
  Unwatch(process.child.pidfd.get());
  if (process.channel.valid()) Unwatch(process.channel.get());
  process = {};
  scoreboard_.FoldWorker(row);
  Dispatch(event);
}

std::optional<LinkReply> Master::OnRequest(const LinkRequest& request) {
  ResizeRequest resize;
  resize.target = request.target;
  if (request.expected_generation != 0) resize.expected_generation = request.expected_generation;
  resize.request_id = request.request_id;
  resize.validate_only = request.validate_only != 0;
  resize.actor = absl::StrCat("uid ", request.actor_uid);
  resize_result_.reset();
  Dispatch(std::move(resize));

  if (!Waits()) return std::nullopt;
  CHECK(resize_result_.has_value()) << "PoolState answers every resize";
  LinkReply reply;
  reply.sequence = request.sequence;
  reply.code = static_cast<int32_t>(resize_result_->code);
  reply.reason = resize_result_->reason;
  reply.generation = resize_result_->generation;
  reply.desired = resize_result_->desired;
  reply.max_workers = resize_result_->max_workers;
  reply.replayed = resize_result_->replayed ? 1 : 0;
  SetLinkText(reply.message, resize_result_->message);
  return reply;
}

void Master::Dispatch(PoolEvent event) {
  pending_.push_back(std::move(event));
  // An action may cause the next event (a fork fails): it waits its turn here.
  if (pending_.size() > 1) return;
  while (!pending_.empty()) {
    for (const PoolAction& action : pool_.Step(pending_.front(), now_)) {
      Perform(action);
      // A child leaves at once: the other actions are the master's.
      if (!Waits()) return;
    }
    pending_.pop_front();
  }
  Publish();
}

void Master::Perform(const PoolAction& action) {
  std::visit([this](const auto& one) { PerformOne(one); }, action);
}

void Master::PerformOne(const ResizeResult& result) { resize_result_ = result; }

// Nobody but a signal asks for restarts, and the notes have told what became of it.
void Master::PerformOne(const RestartResult&) {}

void Master::PerformOne(const SetLeader& action) {
  WorkerPacket packet;
  packet.type = WorkerPacketType::kLeader;
  packet.leader = action.leader ? 1 : 0;
  SendTo(action.row, action.incarnation, packet);
}

void Master::PerformOne(const PoolNote& note) { Log(note); }

void Master::PerformOne(const FinishPool& finish) {
  Publish();
  outcome_ = Ended{finish.exit_code};
}

void Master::PerformOne(const SpawnWorker& action) {
  auto fail = [&](const absl::Status& status) {
    Dispatch(WorkerSpawnFailed{action.slot, action.incarnation, std::string(status.message())});
  };
  auto ends = MakeWorkerChannel();
  if (!ends.ok()) return fail(ends.status());
  auto forked = Fork();
  if (!forked.ok()) return fail(forked.status());
  if (forked->pid == 0) {
    outcome_ = BecameWorker{action.slot, action.row, action.incarnation, action.generation,
                            std::move(ends->second)};
    return;
  }
  Process& process = processes_[static_cast<size_t>(action.row)];
  process.slot = action.slot;
  process.incarnation = action.incarnation;
  process.child = std::move(*forked);
  process.channel = std::move(ends->first);
  if (!Watch(process.child.pidfd.get(), Tag(Source::kWorkerPidfd, action.row)) ||
      !Watch(process.channel.get(), Tag(Source::kChannel, action.row))) {
    const absl::Status status = StatusFromErrno(errno, "epoll_ctl in the master");
    Signal(process.child.pidfd, SIGKILL);
    WaitForDeath(process.child.pidfd, -1);
    Reap(process.child.pidfd);
    process = {};
    return fail(status);
  }
  Dispatch(WorkerSpawned{action.slot, action.incarnation, process.child.pid});
}

void Master::PerformOne(const DrainWorker& action) {
  WorkerPacket packet;
  packet.type = WorkerPacketType::kDrain;
  packet.grace_ns = absl::ToInt64Nanoseconds(action.request.grace);
  packet.pool_ends = action.request.pool_ends ? 1 : 0;
  packet.idle_close_after_ns = absl::ToInt64Nanoseconds(action.request.idle_close_after);
  SendTo(action.row, action.incarnation, packet);
}

void Master::SendTo(int row, uint64_t incarnation, const WorkerPacket& packet) {
  const Process& process = processes_[static_cast<size_t>(row)];
  if (process.incarnation != incarnation || !process.channel.valid()) return;
  SendPacket(process.channel.get(), packet);
}

void Master::PerformOne(const SignalWorker& action) {
  const Process& process = processes_[static_cast<size_t>(action.row)];
  if (process.incarnation != action.incarnation) return;
  // A process that is gone already is reported by its pidfd.
  Signal(process.child.pidfd, action.signo);
}

bool Master::Watch(int fd, uint64_t tag) {
  epoll_event event = {.events = EPOLLIN, .data = {.u64 = tag}};
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

// Closing is not enough: a child that was just forked may hold a copy for a moment, and then the
// registration lives on.
void Master::Unwatch(int fd) { epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

void Master::Publish() {
  if (pool_.revision() == published_) return;
  scoreboard_.PublishPool(pool_.pool());
  for (int row = 0; row < pool_.rows(); ++row) {
    if (pool_.row_revision(row) > published_) scoreboard_.PublishSlot(pool_.row(row));
  }
  published_ = pool_.revision();
  if (sidecar_.has_value()) sidecar_->Notify();
  if (on_ready_ && pool_.pool().observed_generation > 0) {
    std::exchange(on_ready_, nullptr)(scoreboard_.Read(now_));
  }
}

}  // namespace squall::internal
