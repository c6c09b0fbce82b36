// The part of Master that is about its workers' processes: what they say, their deaths, and what is
// done to them.
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "squall/base/logging.h"
#include "squall/base/status.h"
#include "squall/process/master.h"

namespace squall::internal {
namespace {

// So long after a fork nothing that the new worker says wakes the master: it would say READY just
// before its first answer, and the master be in its way. Its death is seen at once.
constexpr absl::Duration kFirstAnswer = absl::Milliseconds(2);

}  // namespace

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
          case WorkerPacketType::kMessage:
          case WorkerPacketType::kReopenLog:
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
  // Memory that runs out is told by SIGKILL alone, and counted by the kernel.
  const bool out_of_memory =
      status->signal == SIGKILL && oom_watch_.SawOomKill(now_).value_or(false);
  const WorkerExited event = {process.slot, process.incarnation, *status, out_of_memory};
  LogStack(process, scoreboard_.TakeStack(row));
  Unwatch(process.child.pidfd.get());
  if (process.channel.valid()) Unwatch(process.channel.get());
  process = {};
  scoreboard_.FoldWorker(row);
  Dispatch(event);
}

void Master::LogStack(const Process& process, const std::string& stack) {
  if (stack.empty()) return;
  LOG(ERROR) << "worker " << process.slot << " (pid " << process.child.pid << ") left this stack:";
  for (const absl::string_view line : absl::StrSplit(stack, '\n', absl::SkipEmpty())) {
    LOG(ERROR) << "  " << line;
  }
}

void Master::Perform(const PoolAction& action) {
  std::visit([this](const auto& one) { PerformOne(one); }, action);
}

void Master::PerformOne(const RestartResult& result) {
  if (request_ != nullptr) return commands_.On(result);
  // A signal asked for it, and the notes have told what became of it.
  if (result.code != absl::StatusCode::kOk) systemd_.ReloadRefused(result.message);
}

void Master::PerformOne(const SetLeader& action) {
  Process* const process = Reachable(action.row, action.incarnation);
  if (process == nullptr) return;
  if (action.leader) {
    process->orders.GrantLeader();
  } else if (process->orders.RevokeLeader()) {
    Dispatch(LeaderReleased{action.slot, action.incarnation});
  }
  SendOrders(action.row);
}

void Master::PerformOne(const PoolNote& note) {
  PoolNote told = note;
  commands_.On(told);
  journal_.Add(told);
}

// After the forks: for a new worker clients wait, for the log nobody does.
void Master::TellNotes() {
  // In a child they are still the master's to tell.
  if (outcome_.has_value() && !std::holds_alternative<Ended>(*outcome_)) return;
  notify_ |= journal_.Record(now_, absl::Now());
  // After the events, so that one notice is for them, too.
  if (std::exchange(notify_, false) && sidecar_.has_value()) sidecar_->Notify();
  journal_.Log();
}

void Master::HearWorkers() {
  hear_at_ = MonotonicTime::Infinite();
  for (int row = 0; row < pool_.rows() && Waits(); ++row) {
    Process& process = processes_[static_cast<size_t>(row)];
    if (process.heard || !process.channel.valid()) continue;
    process.heard = true;
    WatchChannel(row);
    // Before any deadline of this round: a master that stood still must not miss a READY.
    OnChannel(row);
  }
}

void Master::PerformOne(const FinishPool& finish) {
  Publish();
  outcome_ = Ended{finish.exit_code};
}

void Master::PerformOne(const SpawnWorker& action) {
  auto fail = [&](const absl::Status& status) {
    Dispatch(WorkerSpawnFailed{action.slot, action.incarnation, WhyNotStarted(status)});
  };
  if (options_.hooks->before_fork) {
    options_.hooks->before_fork({action.slot, action.incarnation, action.generation});
  }
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
      !Watch(process.channel.get(), Tag(Source::kChannel, action.row), 0)) {
    const absl::Status status = StatusFromErrno(errno, "epoll_ctl in the master");
    KillAndReap(process.child.pidfd);
    process = {};
    return fail(status);
  }
  if (hear_at_.is_infinite()) hear_at_ = Clock::Real().Now() + kFirstAnswer;
  Dispatch(WorkerSpawned{action.slot, action.incarnation, process.child.pid});
}

void Master::PerformOne(const DrainWorker& action) {
  Process* const process = Reachable(action.row, action.incarnation);
  if (process == nullptr) return;
  process->orders.Drain(DrainPacket(action.request, now_));
  SendOrders(action.row);
}

Master::Process* Master::Reachable(int row, uint64_t incarnation) {
  Process& process = processes_[static_cast<size_t>(row)];
  return process.incarnation == incarnation && process.channel.valid() ? &process : nullptr;
}

void Master::SendOrders(int row) {
  Process& process = processes_[static_cast<size_t>(row)];
  if (!process.channel.valid()) return;
  process.orders.Send(process.channel.get());
  if (process.orders.waiting() == process.awaits_room) return;
  process.awaits_room = process.orders.waiting();
  WatchChannel(row);
}

void Master::WatchChannel(int row) {
  const Process& process = processes_[static_cast<size_t>(row)];
  uint32_t events = 0;
  if (process.heard) events |= EPOLLIN;
  if (process.awaits_room) events |= EPOLLOUT;
  epoll_event event = {.events = events, .data = {.u64 = Tag(Source::kChannel, row)}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, process.channel.get(), &event);
}

bool Master::SendMessage(Process& process, std::string_view message) {
  WorkerPacket packet;
  packet.type = WorkerPacketType::kMessage;
  // Behind an order that waits, there is no room.
  if (process.orders.waiting() ||
      SendPacket(process.channel.get(), packet, message) != ChannelWrite::kSent) {
    if (process.lost_messages++ == 0) {
      LOG(WARNING) << "worker " << process.slot << " (pid " << process.child.pid
                   << ") does not read the master's messages; what does not fit is lost for it";
    }
    return false;
  }
  if (process.lost_messages > 0) {
    LOG(WARNING) << "worker " << process.slot << " (pid " << process.child.pid
                 << ") reads again, and has lost " << process.lost_messages << " messages";
    process.lost_messages = 0;
  }
  return true;
}

void Master::PerformOne(const SignalWorker& action) {
  const Process& process = processes_[static_cast<size_t>(action.row)];
  if (process.incarnation != action.incarnation) return;
  // A process that is gone already is reported by its pidfd.
  Signal(process.child.pidfd, action.signo);
}

}  // namespace squall::internal
