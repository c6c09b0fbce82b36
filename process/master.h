// Internal: the master of a pool. A thin adapter between the kernel (fork, pidfd, signalfd, epoll)
// and PoolState, which decides everything. One thread; it never waits for a worker, a client or the
// sidecar.
//
// Run() returns in three kinds of process: in the master when the pool has ended, and in each child
// that it forked. A child gets what it needs in the outcome and destroys the Master, which closes
// the master's descriptors there, the lifelines of its siblings among them: one leaked end would
// keep a sibling from seeing the master's death.
#ifndef SQUALL_PROCESS_MASTER_H_
#define SQUALL_PROCESS_MASTER_H_

#include <sys/epoll.h>
#include <sys/types.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "squall/base/clock.h"
#include "squall/base/unique_fd.h"
#include "squall/process/child_process.h"
#include "squall/process/control_link.h"
#include "squall/process/event_log.h"
#include "squall/process/hooks.h"
#include "squall/process/master_signals.h"
#include "squall/process/oom_watch.h"
#include "squall/process/operation_board.h"
#include "squall/process/pool_commands.h"
#include "squall/process/pool_config.h"
#include "squall/process/pool_journal.h"
#include "squall/process/pool_monitor.h"
#include "squall/process/pool_state.h"
#include "squall/process/scoreboard.h"
#include "squall/process/sidecar_keeper.h"
#include "squall/process/systemd_reporter.h"
#include "squall/process/worker_channel.h"
#include "squall/process/worker_orders.h"
#include "squall/process/worker_settings.h"

namespace squall::internal {

struct MasterOptions {
  PoolOptions pool;
  PoolMonitorOptions monitor;  // Both valid, also together (pool_config.h).
  Hooks* hooks;                // Not owned; outlives the master.
  ResolvedWorkerSettings worker;
  std::optional<Sidecar> sidecar;
  // See ForkOptions.
  absl::AnyInvocable<void(const PoolSnapshot&)> on_ready;
  absl::AnyInvocable<void(absl::Span<const int>)> on_serving;
};

class Master {
 public:
  struct Ended {
    int exit_code = 0;
  };
  struct BecameWorker {
    int slot = 0;
    int row = 0;
    uint64_t incarnation = 0;
    uint64_t generation = 0;
    UniqueFd channel;
  };
  struct BecameSidecar {
    UniqueFd link;
  };
  using Outcome = std::variant<Ended, BecameWorker, BecameSidecar>;

  static absl::StatusOr<std::unique_ptr<Master>> Create(MasterOptions options);
  ~Master();

  // This process's master; null in every other process, its children too.
  static Master* Current();

  // Call once.
  Outcome Run();

  // See broadcast.h.
  int Broadcast(std::string_view message);

  // See next_worker.h.
  void set_worker_settings(const ResolvedWorkerSettings& settings) { options_.worker = settings; }
  uint64_t serving_generation() const { return pool_.pool().worker_generation; }

  // As it is now, in the children as of their fork.
  PoolConfig config() const;

  // The master's pid, in its children too.
  pid_t pid() const { return pid_; }

  // In the master that does not Run(), see MasterSignals.
  void UndoSignals() const { signals_.Undo(); }
  // In a child: dispositions and mask as before the master began; then what the child needs.
  void RestoreSignalsInChild() const { signals_.RestoreInChild(); }
  Scoreboard TakeScoreboard() { return std::move(scoreboard_); }
  OperationBoard TakeOperations() { return std::move(operations_); }
  EventLog TakeEvents() { return std::move(events_); }
  ResolvedWorkerSettings TakeWorkerSettings() { return std::move(options_.worker); }
  Sidecar& sidecar() { return sidecar_->sidecar(); }

 private:
  struct Process {
    int slot = 0;
    uint64_t incarnation = 0;
    ChildProcess child;
    UniqueFd channel;
    WorkerOrders orders;
    bool heard = false;         // Does what comes through the channel wake the master?
    bool awaits_room = false;   // Does room in the channel?
    int64_t lost_messages = 0;  // Since the worker last read one.
  };

  // epoll_event.data: what kind of descriptor in the upper half, which row in the lower.
  enum class Source : uint32_t { kSignals, kChannel, kWorkerPidfd, kSidecarLink, kSidecarPidfd };
  static constexpr uint64_t Tag(Source source, int row = 0) {
    return static_cast<uint64_t>(source) << 32 | static_cast<uint32_t>(row);
  }
  static constexpr Source SourceOf(uint64_t tag) { return static_cast<Source>(tag >> 32); }
  static constexpr int RowOf(uint64_t tag) { return static_cast<int>(static_cast<uint32_t>(tag)); }

  Master(MasterOptions options, uint64_t seed, MasterSignals signals, Scoreboard scoreboard,
         OperationBoard operations, EventLog events, UniqueFd epoll);

  void Dispatch(PoolEvent event);
  void Perform(const PoolAction& action);
  void PerformOne(const SpawnWorker& action);
  void PerformOne(const DrainWorker& action);
  void PerformOne(const SignalWorker& action);
  void PerformOne(const SetLeader& action);
  void PerformOne(const ResizeResult& result) { commands_.On(result); }
  void PerformOne(const RestartResult& result);
  void PerformOne(const PoolNote& note);
  void PerformOne(const FinishPool& finish);
  void StartSidecar();
  bool Waits() const { return !outcome_.has_value(); }

  void Poll();
  void Look();
  void OnSignals();
  void OnSignal(int signo);
  void Reload(const std::string& actor);
  absl::Status ReadConfiguration();
  void ReopenLogs();
  void ReapForeign();
  void Configure(const PoolConfig& config);

  // master_workers.cc: what is said to the workers and what they say, their starts and deaths.
  // Null when another process, or none, is in the row, or it has closed its channel.
  Process* Reachable(int row, uint64_t incarnation);
  void SendOrders(int row);
  bool SendMessage(Process& process, std::string_view message);
  void WatchChannel(int row);
  void OnChannel(int row);
  void OnDeath(int row);
  void HearWorkers();
  void TellNotes();
  static void LogStack(const Process& process, const std::string& stack);

  std::optional<LinkReply> OnRequest(const LinkRequest& request);
  // False when the kernel refuses (ENOSPC, ENOMEM).
  bool Watch(int fd, uint64_t tag, uint32_t events = EPOLLIN);
  void Unwatch(int fd);
  void Publish();
  void PublishServing();

  const pid_t pid_;
  MasterOptions options_;
  MasterSignals signals_;
  Scoreboard scoreboard_;
  OperationBoard operations_;
  EventLog events_;
  UniqueFd epoll_;
  PoolState pool_;
  PoolCommands commands_{operations_};
  PoolJournal journal_{events_};
  PoolMonitor monitor_;
  SystemdReporter systemd_;
  OomWatch oom_watch_;
  std::optional<SidecarKeeper> sidecar_;
  std::vector<Process> processes_;  // by row
  std::deque<PoolEvent> pending_;
  MonotonicTime hear_at_ = MonotonicTime::Infinite();  // For those not heard yet.
  const LinkRequest* request_ = nullptr;               // That is handled now.
  std::optional<Outcome> outcome_;
  std::vector<int> serving_;  // Slots, as on_serving was told last.
  uint64_t published_ = 0;    // PoolState::revision() that the scoreboard shows
  bool notify_ = false;       // The sidecar is to look again.
  MonotonicTime now_;
};

}  // namespace squall::internal

#endif  // SQUALL_PROCESS_MASTER_H_
