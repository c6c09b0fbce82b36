#include "squall/process/worker.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "squall/base/clock.h"
#include "squall/base/log_file.h"
#include "squall/base/logging.h"
#include "squall/process/heartbeat.h"
#include "squall/process/orphan_guard.h"
#include "squall/process/worker_channel.h"
#include "squall/process/worker_setup.h"
#include "squall/process/worker_signals.h"

namespace squall {
namespace {

// When the master is gone nobody takes the port over, so silent connections need not be kept for
// long: only for a request that was on its way when the drain began.
constexpr absl::Duration kIdleCloseWithoutMaster = absl::Seconds(1);

// Set once in the child, never destroyed: user code may use it until the last instruction.
Worker* g_worker = nullptr;
absl::AnyInvocable<void()>* g_on_exit = nullptr;
pid_t g_pid = 0;

void RunOnExit() {
  // Not in a child that the worker forked and that ends by exit(3), too.
  if (getpid() == g_pid) (*g_on_exit)();
}

}  // namespace

Worker* Worker::Current() { return g_worker; }

Worker::Worker(Options options, Callbacks callbacks, UniqueFd channel, Scoreboard scoreboard)
    : options_(options),
      master_(getppid()),
      callbacks_(std::move(callbacks)),
      channel_(std::move(channel)),
      scoreboard_(std::move(scoreboard)),
      row_(&scoreboard_.worker_row(options.row)) {
  row_->Enter({.process = {options.task_id, options.incarnation},
               .pid = getpid(),
               .generation = options.generation,
               .started_at = Clock::Real().Now()});
}

AcceptStanding Worker::StandingAmongSiblings() const {
  AcceptStanding standing{.held = row_->connections()};
  if (standing.held == 0) return standing;
  const MonotonicTime fresh = Clock::Real().Now() - kStaleHeartbeat;
  for (int i = 0; i < scoreboard_.rows(); ++i) {
    const WorkerRow& row = scoreboard_.worker_row(i);
    if (&row == row_ || !row.accepting()) continue;
    // A loop that runs without a request is back soon; one that is at a request may stay there.
    if (!row.idle() && row.in_flight() > 0) continue;
    // A stopped worker looks free until its heartbeat is old.
    if (row.heartbeat().is_infinite() || row.heartbeat() < fresh) continue;
    const int64_t lead = standing.held - row.connections();
    if (lead >= 0) ++standing.contenders;
    standing.lead = std::max(standing.lead, lead);
  }
  return standing;
}

void Worker::NotifyReady() {
  if (ready_said_) return;
  ready_said_ = true;
  Beat();
  internal::WorkerPacket packet;
  packet.type = internal::WorkerPacketType::kReady;
  internal::SendPacket(channel_.get(), packet);
  if (callbacks_.on_ready) callbacks_.on_ready();
}

void Worker::AttachTo(IOLoop& loop) {
  // The worker's life is its main thread's; another thread's loop is that thread's business.
  if (gettid() != getpid()) return;
  // A loop that was destroyed took its timers along, whatever address the next one has.
  if (loop_ == &loop && heartbeat_.active()) return;
  const bool first = loop_ == nullptr;
  loop_ = &loop;
  if (first) BeginSupervisedLife();
  loop.SetMeter(row_->loop_meter());
  const absl::Status added =
      loop.AddHandler(channel_.get(), IOLoop::kRead, [this](uint32_t) { OnChannel(); });
  CHECK(added.ok()) << added.message();
  if (term_.valid()) {
    const absl::Status watched =
        loop.AddHandler(term_.get(), IOLoop::kRead, [this](uint32_t) { OnTerm(); });
    CHECK(watched.ok()) << watched.message();
  }
  Beat();
  loop.AddCallback([this] { NotifyReady(); });
}

void Worker::BeginSupervisedLife() {
  switch (options_.on_supervisor_exit) {
    case OnSupervisorExit::kDrain:
      if (absl::Status guarded = internal::GuardOrphan(options_.grace + options_.kill_after);
          !guarded.ok()) {
        LOG(WARNING) << guarded.message() << "; a blocked handler may outlive the master";
      }
      break;
    case OnSupervisorExit::kKeep:
      internal::OutliveMaster();
      break;
    case OnSupervisorExit::kDie:
      break;
  }
  absl::StatusOr<UniqueFd> term = internal::CatchFirstTerm(master_);
  if (term.ok()) {
    term_ = *std::move(term);
  } else {
    LOG(WARNING) << term.status().message() << "; SIGTERM ends this worker without a drain";
  }
}

void Worker::OnHeartbeat(absl::AnyInvocable<bool()> handler) {
  heartbeat_handlers_.push_back(std::move(handler));
}

void Worker::Beat() {
  row_->Heartbeat(Clock::Real().Now());
  if (loop_ != nullptr) {
    heartbeat_ = loop_->CallLater(kHeartbeatInterval, [this] {
      // The lifeline says so at once, unless somebody else holds the master's end of it, too.
      if (getppid() != master_) OnSupervisorGone();
      Beat();
    });
  }
  std::erase_if(heartbeat_handlers_, [](auto& handler) { return !handler(); });
}

void Worker::OnChannel() {
  internal::WorkerPacket packet;
  std::string text;
  for (;;) {
    switch (internal::ReceivePacket(channel_.get(), packet, &text)) {
      case internal::ChannelRead::kNothing:
        return;
      case internal::ChannelRead::kEndOfFile:
        loop_->RemoveHandler(channel_.get());
        OnSupervisorGone();
        return;
      case internal::ChannelRead::kPacket:
        switch (packet.type) {
          case internal::WorkerPacketType::kDrain:
            die_of_term_ = false;
            BeginDrain(internal::DrainRequestOf(packet, Clock::Real().Now()));
            break;
          case internal::WorkerPacketType::kLeader:
            SetLeader(packet.leader != 0);
            break;
          case internal::WorkerPacketType::kMessage:
            if (message_handler_) message_handler_(text);
            break;
          case internal::WorkerPacketType::kReopenLog:
            ReopenLogFiles().IgnoreError();  // It is in the log.
            break;
          case internal::WorkerPacketType::kReady:
            break;
        }
    }
  }
}

void Worker::SetLeader(bool leader) {
  if (std::exchange(leader_, leader) == leader) return;
  if (leader_handler_) leader_handler_(leader);
  if (leader) return;
  internal::WorkerPacket packet;
  packet.type = internal::WorkerPacketType::kLeader;
  internal::SendPacket(channel_.get(), packet);
}

void Worker::OnMessage(absl::AnyInvocable<void(std::string_view message)> handler) {
  message_handler_ = std::move(handler);
}

void Worker::OnLeader(absl::AnyInvocable<void(bool leader)> handler) {
  leader_handler_ = std::move(handler);
  if (leader_ && leader_handler_) leader_handler_(true);
}

// To the master an uncaught SIGTERM is a death like any other, and it stays one: only the requests
// in flight are saved.
void Worker::OnTerm() {
  loop_->RemoveHandler(term_.get());
  if (draining_) return;
  LOG(WARNING) << "SIGTERM: this worker finishes what is in flight, for at most "
               << absl::FormatDuration(options_.grace);
  die_of_term_ = true;
  StopAtTheLatestIn(options_.grace);
  BeginDrain(MakeDrainRequest({.grace = options_.grace}, /*pool_ends=*/false));
}

void Worker::StopAtTheLatestIn(absl::Duration grace) {
  hard_stop_ = loop_->CallLater(grace, [this] {
    LOG(WARNING) << "the grace period is over; requests in flight are cut";
    loop_->Stop();
  });
}

void Worker::OnSupervisorGone() {
  if (std::exchange(supervisor_gone_, true)) return;
  die_of_term_ = false;
  switch (options_.on_supervisor_exit) {
    case OnSupervisorExit::kKeep:
      LOG(WARNING) << "the master is gone; this worker serves on";
      return;
    case OnSupervisorExit::kDie:
      LOG(WARNING) << "the master is gone; this worker ends";
      _exit(0);
    case OnSupervisorExit::kDrain:
      break;
  }
  LOG(WARNING) << "the master is gone; this worker finishes what is in flight, for at most "
               << absl::FormatDuration(options_.grace);
  StopAtTheLatestIn(options_.grace);
  BeginDrain({.grace = options_.grace,
              .idle_close_after = std::min(options_.grace, kIdleCloseWithoutMaster),
              .supervisor_gone = true,
              .pool_ends = true});
}

void Worker::BeginDrain(const DrainRequest& request) {
  draining_ = true;
  // The master's word for it may come when this process is gone.
  SetLeader(false);
  if (callbacks_.on_drain) callbacks_.on_drain(request);
  // A handler may be done, or destroy its registration, inside its own call.
  std::vector<std::pair<uint64_t, std::shared_ptr<DrainHandler>>> to_call;
  for (const Registered& registered : handlers_) {
    if (!registered.done) to_call.emplace_back(registered.id, registered.handler);
  }
  for (auto& [id, handler] : to_call) {
    (*handler)(request, [this, id = id] { MarkDone(id); });
  }
  StopWhenDrained();
}

Worker::DrainRegistration Worker::OnDrain(DrainHandler handler) {
  const uint64_t id = next_id_++;
  handlers_.push_back({id, std::make_shared<DrainHandler>(std::move(handler))});
  return DrainRegistration(id);
}

void Worker::MarkDone(uint64_t id) {
  for (Registered& registered : handlers_) {
    if (registered.id == id) registered.done = true;
  }
  StopWhenDrained();
}

void Worker::StopWhenDrained() {
  // A server may be destroyed after its loop.
  if (!draining_ || loop_ == nullptr || IOLoop::IfExists() != loop_) return;
  const bool all_done = std::all_of(handlers_.begin(), handlers_.end(),
                                    [](const Registered& one) { return one.done; });
  if (!all_done) return;
  if (die_of_term_) {
    // A drain of the master's that came meanwhile makes it an ordered end, and calls this again.
    OnChannel();
    if (die_of_term_) internal::DieOfTerm();
    return;
  }
  loop_->Stop();
}

Worker::DrainRegistration::DrainRegistration(DrainRegistration&& other) noexcept
    : id_(std::exchange(other.id_, 0)) {}

Worker::DrainRegistration& Worker::DrainRegistration::operator=(
    DrainRegistration&& other) noexcept {
  std::swap(id_, other.id_);
  return *this;
}

Worker::DrainRegistration::~DrainRegistration() {
  if (id_ == 0 || g_worker == nullptr) return;
  g_worker->handlers_.remove_if([this](const Registered& one) { return one.id == id_; });
  g_worker->StopWhenDrained();
}

void WorkerSetup::BecomeWorker(WorkerSetup setup) {
  CHECK(g_worker == nullptr);
  g_pid = getpid();
  g_worker = new Worker(
      {.task_id = setup.task_id,
       .row = setup.row,
       .incarnation = setup.incarnation,
       .generation = setup.generation,
       .on_supervisor_exit = setup.on_supervisor_exit,
       .grace = setup.grace,
       .kill_after = setup.kill_after},
      {.on_ready = std::move(setup.hooks.on_ready), .on_drain = std::move(setup.hooks.on_drain)},
      std::move(setup.channel), std::move(*setup.scoreboard));
  internal::IgnoreMastersSignals();
  if (setup.hooks.on_exit) {
    g_on_exit = new absl::AnyInvocable<void()>(std::move(setup.hooks.on_exit));
    std::atexit(RunOnExit);
  }
  internal::SetLoopStartHook([](IOLoop& loop) { g_worker->AttachTo(loop); });
}

}  // namespace squall
