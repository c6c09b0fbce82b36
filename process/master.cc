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
#include "squall/base/log_file.h"
#include "squall/base/logging.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"
#include "squall/base/string_view.h"
#include "squall/process/foreign_children.h"
#include "squall/process/worker_channel.h"

namespace squall::internal {
namespace {

// For Broadcast, which a hook of the program's calls.
Master* g_master = nullptr;

// epoll_wait counts in milliseconds; rounding up keeps it from returning just before the deadline.
int TimeoutUntil(MonotonicTime deadline, MonotonicTime now) {
  if (deadline.is_infinite()) return -1;
  const absl::Duration left = deadline - now;
  if (left <= absl::ZeroDuration()) return 0;
  const int64_t milliseconds = absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1)));
  return static_cast<int>(std::min<int64_t>(milliseconds, std::numeric_limits<int>::max()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Master>> Master::Create(MasterOptions options) {
  ASSIGN_OR_RETURN(Scoreboard scoreboard,
                   Scoreboard::Create(options.pool.max_workers + options.pool.surge_slots));
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return StatusFromErrno(errno, "epoll_create1 for the master");
  ASSIGN_OR_RETURN(OperationBoard operations, OperationBoard::Create());
  ASSIGN_OR_RETURN(EventLog events, EventLog::Create());
  ASSIGN_OR_RETURN(MasterSignals signals, MasterSignals::Create());
  const uint64_t seed = static_cast<uint64_t>(Clock::Real().Now().nanos());
  return std::unique_ptr<Master>(new Master(std::move(options), seed, std::move(signals),
                                            std::move(scoreboard), std::move(operations),
                                            std::move(events), std::move(epoll)));
}

Master::Master(MasterOptions options, uint64_t seed, MasterSignals signals, Scoreboard scoreboard,
               OperationBoard operations, EventLog events, UniqueFd epoll)
    : pid_(getpid()),
      options_(std::move(options)),
      signals_(std::move(signals)),
      scoreboard_(std::move(scoreboard)),
      operations_(std::move(operations)),
      events_(std::move(events)),
      epoll_(std::move(epoll)),
      pool_(options_.pool, seed),
      monitor_(options_.monitor, pool_.rows(), seed),
      systemd_(SystemdNotifier::FromEnvironment(), options_.pool),
      oom_watch_(OomWatch::OfProcess(pid_)),
      processes_(static_cast<size_t>(pool_.rows())) {
  if (options_.sidecar.has_value()) {
    sidecar_.emplace(std::move(*options_.sidecar), seed,
                     [this](const PoolNote& note) { journal_.Add(note); });
  }
  scoreboard_.PublishConfig(config());
  g_master = this;
}

Master::~Master() { g_master = nullptr; }

Master* Master::Current() {
  return g_master != nullptr && g_master->pid_ == getpid() ? g_master : nullptr;
}

Master::Outcome Master::Run() {
  PCHECK(Watch(signals_.fd(), Tag(Source::kSignals))) << "epoll_ctl in the master";
  now_ = Clock::Real().Now();
  // Those whose SIGCHLD came before there was a signalfd.
  if (IsReaper()) ReapForeign();
  // The sidecar first, so that the pool can be watched while it comes up.
  if (sidecar_.has_value()) StartSidecar();
  if (Waits()) Dispatch(PoolStart{});
  TellNotes();
  while (Waits()) {
    Poll();
    TellNotes();
  }
  if (std::holds_alternative<Ended>(*outcome_) && sidecar_.has_value()) sidecar_->Finish();
  return std::move(*outcome_);
}

void Master::Poll() {
  MonotonicTime deadline = std::min({pool_.next_deadline(), monitor_.next_look(),
                                     systemd_.next_deadline(), hear_at_, journal_.next_deadline()});
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
    if (SourceOf(tag) != Source::kChannel) continue;
    OnChannel(RowOf(tag));
    if (Waits()) SendOrders(RowOf(tag));
  }
  if (Waits() && hear_at_ <= now_) HearWorkers();
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
          sidecar_->OnLink([this](const LinkRequest& request) { return OnRequest(request); },
                           [this](const LinkRefusal& refusal) { journal_.Add(refusal); });
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
  if (Waits() && monitor_.next_look() <= now_) Look();
  if (Waits()) systemd_.Tick();
}

// What the watchdog, the recycler and the autoscaler find goes the way of everything else.
void Master::Look() {
  PoolMonitor::Findings findings = monitor_.Look(pool_, scoreboard_, now_);
  for (const PoolNote& note : findings.notes) PerformOne(note);
  for (PoolEvent& event : findings.events) {
    if (Waits()) Dispatch(std::move(event));
  }
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
      return Reload(actor);
    case SIGUSR1:
      return ReopenLogs();
    case SIGCHLD:
      return ReapForeign();
    case SIGTTIN:
      return Dispatch(ResizeBy{1, actor});
    case SIGTTOU:
      return Dispatch(ResizeBy{-1, actor});
    default:
      LOG(WARNING) << actor << " has no meaning yet and is ignored";
  }
}

// The configuration first, and only if it is good the new workers: a mistake in it costs nothing.
void Master::Reload(const std::string& actor) {
  if (const absl::Status read = ReadConfiguration(); !read.ok()) {
    PerformOne(PoolNote{
        .severity = PoolNote::Severity::kError,
        .type = PoolNote::Type::kRestartRefused,
        .generation = pool_.pool().generation,
        .text = absl::StrCat("restart by ", actor, " refused, the workers stay: ", read.message()),
        .actor = actor,
        .reason = "RELOAD_REFUSED"});
    return systemd_.ReloadRefused(ToStd(read.message()));
  }
  Dispatch(RestartRequest{.actor = actor});
}

absl::Status Master::ReadConfiguration() {
  return options_.hooks->on_reload ? options_.hooks->on_reload() : absl::OkStatus();
}

void Master::ReopenLogs() {
  // The master first: as root it creates the file, and for the workers' user.
  ReopenLogFiles().IgnoreError();  // It is in the log.
  for (int row = 0; row < pool_.rows(); ++row) {
    Process& process = processes_[static_cast<size_t>(row)];
    if (!process.channel.valid()) continue;
    process.orders.ReopenLog();
    SendOrders(row);
  }
}

// Orphans that the kernel gives to this process. Its own children are reaped by their pidfds.
void Master::ReapForeign() {
  ReapForeignChildren([this](pid_t pid) {
    if (sidecar_.has_value() && sidecar_->pid() == pid) return true;
    return std::any_of(processes_.begin(), processes_.end(),
                       [pid](const Process& process) { return process.child.pid == pid; });
  });
}

PoolConfig Master::config() const {
  const PoolMonitorOptions& monitor = monitor_.options();
  return ConfigOf(pool_.options(), monitor.watchdog, monitor.recycle, monitor.autoscaler);
}

// The pool has its part already.
void Master::Configure(const PoolConfig& config) {
  monitor_.Configure(config, scoreboard_);
  systemd_.SetDrain(config.drain);
  scoreboard_.PublishConfig(config);
}

int Master::Broadcast(std::string_view message) {
  int told = 0;
  for (Process& process : processes_) {
    told += process.channel.valid() && SendMessage(process, message) ? 1 : 0;
  }
  return told;
}

std::optional<LinkReply> Master::OnRequest(const LinkRequest& request) {
  request_ = &request;
  std::optional<LinkReply> reply =
      commands_.Handle(request, pool_, now_,
                       {.dispatch =
                            [this](PoolEvent event) {
                              Dispatch(std::move(event));
                              return Waits();
                            },
                        .reload = [this] { return ReadConfiguration(); },
                        .config = [this] { return config(); },
                        .configure = [this](const PoolConfig& config) { Configure(config); },
                        .note = [this](const PoolNote& note) { PerformOne(note); }});
  request_ = nullptr;
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

bool Master::Watch(int fd, uint64_t tag, uint32_t events) {
  epoll_event event = {.events = events, .data = {.u64 = tag}};
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

// Closing is not enough: a child that was just forked may hold a copy for a moment, and then the
// registration lives on.
void Master::Unwatch(int fd) { epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

void Master::Publish() {
  if (pool_.revision() == published_) {
    notify_ |= commands_.Update(pool_, now_);
    return;
  }
  scoreboard_.PublishPool(pool_.pool());
  for (int row = 0; row < pool_.rows(); ++row) {
    if (pool_.row_revision(row) > published_) scoreboard_.PublishSlot(pool_.row(row));
  }
  published_ = pool_.revision();
  // After the pool: who finds an operation at its end reads a pool that is so.
  commands_.Update(pool_, now_);
  notify_ = true;
  PublishServing();
  systemd_.Report(pool_.pool());
  if (options_.on_ready && pool_.pool().observed_generation > 0) {
    std::exchange(options_.on_ready, nullptr)(scoreboard_.Read(now_));
  }
}

void Master::PublishServing() {
  if (!options_.on_serving) return;
  std::vector<int> serving;
  for (int row = 0; row < pool_.rows(); ++row) {
    const SlotView& view = pool_.row(row);
    if (view.state == WorkerState::kReady) serving.push_back(view.slot);
  }
  // A slot that is handed over has two.
  std::sort(serving.begin(), serving.end());
  serving.erase(std::unique(serving.begin(), serving.end()), serving.end());
  if (serving == serving_) return;
  serving_ = std::move(serving);
  options_.on_serving(serving_);
}

}  // namespace squall::internal
