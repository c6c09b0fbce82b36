// What operators ask the master for, over the control link: each request is checked, told to the
// pool, remembered by its id and, when it takes time, kept as an operation. Every request gets
// exactly one answer. Pure, but for the board that shows the operations: no system call, no clock.
//
//   PoolCommands commands(board);
//   std::optional<LinkReply> reply = commands.Handle(request, pool, now, hooks);
//   …
//   commands.Update(pool, now);   // after each Step
//
// The master's, in its one thread. What comes over the link is not trusted: the sidecar may be
// anybody's by now.
#ifndef SQUALL_PROCESS_POOL_COMMANDS_H_
#define SQUALL_PROCESS_POOL_COMMANDS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "squall/base/clock.h"
#include "squall/process/control_link.h"
#include "squall/process/operation_board.h"
#include "squall/process/operation_table.h"
#include "squall/process/pool_action.h"
#include "squall/process/pool_config.h"
#include "squall/process/pool_event.h"
#include "squall/process/pool_state.h"
#include "squall/process/request_memory.h"

namespace squall {

class PoolCommands {
 public:
  struct Hooks {
    // Steps the pool with the event and performs all that follows; results go to On(). False: this
    // process is a child that was forked meanwhile, and has nobody to answer.
    absl::FunctionRef<bool(PoolEvent)> dispatch;
    // Before a restart: reads the configuration. An error refuses the restart.
    absl::FunctionRef<absl::Status()> reload;
    // What is configured now, and what takes its place.
    absl::FunctionRef<PoolConfig()> config;
    absl::FunctionRef<void(const PoolConfig&)> configure;
    // Every refusal and every change is noted: by PoolState, or here.
    absl::FunctionRef<void(const PoolNote&)> note;
  };

  // `board` is not owned.
  explicit PoolCommands(OperationBoard& board) : operations_(board) {}

  // nullopt: see Hooks::dispatch.
  std::optional<LinkReply> Handle(const LinkRequest& request, const PoolState& pool,
                                  MonotonicTime now, const Hooks& hooks);

  // What the pool said, whoever had asked.
  void On(const ResizeResult& result) { resize_result_ = result; }
  void On(const RestartResult& result) { restart_result_ = result; }
  // Says in the note of which request it tells, if it does.
  void On(PoolNote& note);

  // After each change of the pool. True: the board changed.
  bool Update(const PoolState& pool, MonotonicTime now);

 private:
  struct Context {
    const LinkRequest& request;
    const PoolState& pool;
    MonotonicTime now;
    const Hooks& hooks;
    std::string actor;
  };

  // Each fills in the reply. False: this process is a child.
  bool Resize(const Context& context, LinkReply& reply);
  bool Restart(const Context& context, LinkReply& reply);
  bool DrainWorker(const Context& context, LinkReply& reply);
  bool KillWorker(const Context& context, LinkReply& reply);
  bool ResetBreaker(const Context& context, LinkReply& reply);
  bool Shutdown(const Context& context, LinkReply& reply);
  bool CancelOperation(const Context& context, LinkReply& reply);
  bool Update(const Context& context, LinkReply& reply);  // pool_commands_update.cc

  // The row of the worker that the request names; null, and the reply says why, when it is not
  // there.
  static const SlotView* FindWorker(const Context& context, LinkReply& reply);
  void NoteOutcome(const Context& context, const LinkReply& reply);
  void Begin(const Context& context, OperationView operation, LinkReply& reply);

  OperationTable operations_;
  RequestMemory requests_;
  std::optional<ResizeResult> resize_result_;
  std::optional<RestartResult> restart_result_;
  const LinkRequest* handled_ = nullptr;  // Null between requests.
  bool noted_ = false;                    // Does a note tell of it?
  uint64_t seen_revision_ = 0;
};

}  // namespace squall

#endif  // SQUALL_PROCESS_POOL_COMMANDS_H_
