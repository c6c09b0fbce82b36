// The worker's side of a pool made by ForkProcesses: its place in the scoreboard, READY, and drain.
//
// A program with an HttpServer needs none of this: the server counts, announces and drains itself.
// A server of your own joins in like this:
//
//   if (squall::Worker* worker = squall::Worker::Current()) {
//     drain_ = worker->OnDrain([this](const squall::DrainRequest& request, auto done) {
//       StopAccepting();
//       FinishWhatIsInFlight(std::move(done));   // calls done() when the last one is answered
//     });
//   }
//   squall::IOLoop::Current().Start();   // says READY; returns when every handler is done
//
// All functions: in the worker process, on the thread of its loop.
#ifndef SQUALL_PROCESS_WORKER_H_
#define SQUALL_PROCESS_WORKER_H_

#include <sys/types.h>

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/accept_standing.h"
#include "squall/process/drain.h"
#include "squall/process/scoreboard.h"

namespace squall {

// What a worker does when its master is gone.
enum class OnSupervisorExit {
  kDrain,  // stop accepting, answer what is in flight, end
  kKeep,   // serve on, and hold the port, until somebody sends each of them SIGTERM
  kDie,    // end at once
};

class Worker {
 public:
  using Done = absl::AnyInvocable<void()>;
  using DrainHandler = absl::AnyInvocable<void(const DrainRequest&, Done)>;

  // Takes part in the drain until it is destroyed; destroying it while it drains counts as done.
  class DrainRegistration {
   public:
    DrainRegistration() = default;
    DrainRegistration(DrainRegistration&& other) noexcept;
    DrainRegistration& operator=(DrainRegistration&& other) noexcept;
    ~DrainRegistration();

   private:
    friend class Worker;
    explicit DrainRegistration(uint64_t id) : id_(id) {}
    uint64_t id_ = 0;
  };

  // This process's worker, or null when it is none (the master, or a program without
  // ForkProcesses). Lives until the process ends.
  static Worker* Current();

  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  int task_id() const { return options_.task_id; }
  // Grows with each start of a process in this slot; the first has 1.
  uint64_t incarnation() const { return options_.incarnation; }
  // That of the rolling restart which made this worker; 1 before the first restart.
  uint64_t generation() const { return options_.generation; }
  // Has the drain begun? A server that is set up after that should not start to accept.
  bool draining() const { return draining_; }

  // Does this worker have the leader role? One READY worker of the pool has it at a time, for work
  // that must be done once, such as a clean-up every hour. It moves when its worker ends or drains.
  bool leader() const { return leader_; }
  // `handler` is called on the loop with true when this worker gets the role (at once if it has it
  // already), and with false when it has to give it up: the role is given up when the handler
  // returns. One handler; the last one counts.
  void OnLeader(absl::AnyInvocable<void(bool leader)> handler);

  // `handler` is called on the loop with each message that the master sends (process/broadcast.h).
  // One handler; the last one counts. Without one messages are dropped.
  void OnMessage(absl::AnyInvocable<void(std::string_view message)> handler);

  // Counters and the request in flight, read by `squallctl status`. Valid for ever.
  WorkerRow& row() { return *row_; }

  // For AcceptPolicy::kBalanced. Reads one cache line per row of the scoreboard.
  AcceptStanding StandingAmongSiblings() const;

  // Tells the master that this worker serves. Done by itself in the first iteration of an IOLoop
  // that was started by Start(); call it in a worker that runs no loop, or boot_timeout ends it.
  // Later calls do nothing.
  void NotifyReady();

  // `handler` is called on the loop when this worker has to stop, and may be called again with
  // shorter times (the master died while the worker drained). It must lead to one call of any of
  // the `done` it was given; further calls are ignored. When all handlers are done, the loop stops.
  [[nodiscard]] DrainRegistration OnDrain(DrainHandler handler);

  // `handler` is called on the loop with each heartbeat, twice a second, until it returns false: for
  // what is told to the row now and then, without a timer of its own.
  void OnHeartbeat(absl::AnyInvocable<bool()> handler);

 private:
  friend class WorkerSetup;

  struct Options {
    int task_id = 0;
    int row = 0;
    uint64_t incarnation = 0;
    uint64_t generation = 0;
    OnSupervisorExit on_supervisor_exit = OnSupervisorExit::kDrain;
    absl::Duration grace;       // when the master is gone
    absl::Duration kill_after;  // after the grace
  };
  struct Callbacks {
    absl::AnyInvocable<void()> on_ready;
    absl::AnyInvocable<void(const DrainRequest&)> on_drain;
  };

  struct Registered {
    uint64_t id = 0;
    std::shared_ptr<DrainHandler> handler;
    bool done = false;
  };

  Worker(Options options, Callbacks callbacks, UniqueFd channel, Scoreboard scoreboard);

  void AttachTo(IOLoop& loop);
  void BeginSupervisedLife();
  void OnChannel();
  void SetLeader(bool leader);
  void OnTerm();
  void StopAtTheLatestIn(absl::Duration grace);
  void OnSupervisorGone();
  void BeginDrain(const DrainRequest& request);
  void MarkDone(uint64_t id);
  void StopWhenDrained();
  void Beat();

  const Options options_;
  const pid_t master_;
  Callbacks callbacks_;
  UniqueFd channel_;
  UniqueFd term_;  // readable: SIGTERM came
  Scoreboard scoreboard_;
  WorkerRow* row_;
  IOLoop* loop_ = nullptr;
  Timeout heartbeat_;
  Timeout hard_stop_;
  std::list<Registered> handlers_;
  std::vector<absl::AnyInvocable<bool()>> heartbeat_handlers_;
  uint64_t next_id_ = 1;
  absl::AnyInvocable<void(bool)> leader_handler_;
  absl::AnyInvocable<void(std::string_view)> message_handler_;
  bool leader_ = false;
  bool ready_said_ = false;
  bool draining_ = false;
  bool supervisor_gone_ = false;
  // The drain is for a SIGTERM of somebody else's, not for the master.
  bool die_of_term_ = false;
};

}  // namespace squall

#endif  // SQUALL_PROCESS_WORKER_H_
