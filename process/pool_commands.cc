#include "squall/process/pool_commands.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/base/logging.h"
#include "squall/process/worker_state.h"

namespace squall {
namespace {

void Refuse(LinkReply& reply, absl::StatusCode code, RefusalReason reason,
            const std::string& message) {
  reply.code = static_cast<int32_t>(code);
  reply.reason = reason;
  SetLinkText(reply.message, message);
}

void RefuseWithoutRoom(LinkReply& reply) {
  Refuse(reply, absl::StatusCode::kResourceExhausted, RefusalReason::kTooManyOperations,
         absl::StrCat(OperationBoard::kCapacity, " operations run already, the most that may"));
}

void RefuseNoSlot(int slot, const PoolState& pool, LinkReply& reply) {
  Refuse(reply, absl::StatusCode::kNotFound, RefusalReason::kNoSuchSlot,
         absl::StrCat("there is no slot ", slot, ": this pool's slots are 0 to ",
                      pool.pool().max_workers - 1));
}

bool RefuseAtEnd(const PoolState& pool, LinkReply& reply) {
  if (pool.pool().shutdown == ShutdownMode::kNone) return false;
  Refuse(reply, absl::StatusCode::kFailedPrecondition, RefusalReason::kShuttingDown,
         "the pool is shutting down");
  return true;
}

std::optional<int> FromLink(int32_t value, std::optional<int> otherwise) {
  return value < 0 ? otherwise : std::optional<int>(value);
}

RestartOptions FromLink(const LinkRestart& link, const RestartOptions& configured) {
  RestartOptions options = configured;
  options.max_surge = FromLink(link.max_surge, configured.max_surge);
  options.min_healthy = FromLink(link.min_healthy, configured.min_healthy);
  if (link.max_unavailable >= 0) options.max_unavailable = link.max_unavailable;
  if (link.max_failures >= 0) options.max_failures = link.max_failures;
  if (link.ready_timeout_ns >= 0) options.ready_timeout = absl::Nanoseconds(link.ready_timeout_ns);
  if (link.soak_ns >= 0) options.soak = absl::Nanoseconds(link.soak_ns);
  if (link.on_failure == 0) options.on_failure = OnRestartFailure::kRollBack;
  if (link.on_failure == 1) options.on_failure = OnRestartFailure::kPause;
  return options;
}

std::string ActorName(const LinkRequest& request) {
  // Its text is somebody else's.
  return request.actor[0] != '\0' ? absl::CHexEscape(request.actor) : "somebody";
}

std::string CommandName(LinkCommand command) {
  switch (command) {
    case LinkCommand::kResize:
      return "resize";
    case LinkCommand::kRestart:
      return "restart";
    case LinkCommand::kDrainWorker:
      return "drain";
    case LinkCommand::kKillWorker:
      return "kill";
    case LinkCommand::kResetBreaker:
      return "breaker reset";
    case LinkCommand::kShutdown:
      return "shutdown";
    case LinkCommand::kCancelOperation:
      return "cancellation";
    case LinkCommand::kUpdate:
      return "change of the configuration";
    case LinkCommand::kPing:
      return "ping";
  }
  return "request";
}

// Of the control API.
std::string MethodName(LinkCommand command) {
  switch (command) {
    case LinkCommand::kResize:
      return "ResizePool";
    case LinkCommand::kRestart:
      return "RestartPool";
    case LinkCommand::kDrainWorker:
      return "DrainWorker";
    case LinkCommand::kKillWorker:
      return "KillWorker";
    case LinkCommand::kResetBreaker:
      return "ResetBreaker";
    case LinkCommand::kShutdown:
      return "ShutdownServer";
    case LinkCommand::kCancelOperation:
      return "CancelOperation";
    case LinkCommand::kUpdate:
      return "UpdatePool";
    case LinkCommand::kPing:
      break;  // It is none.
  }
  return "";
}

// Does a note of this type say that the request was accepted, or that it was refused?
bool Answers(PoolNote::Type type, LinkCommand command) {
  switch (type) {
    case PoolNote::Type::kRequestAccepted:
    case PoolNote::Type::kRequestRefused:
      return true;
    case PoolNote::Type::kResizeAccepted:
    case PoolNote::Type::kResizeRefused:
      return command == LinkCommand::kResize;
    case PoolNote::Type::kRestartStarted:
    case PoolNote::Type::kRestartRefused:
      return command == LinkCommand::kRestart;
    case PoolNote::Type::kReplaceWanted:
      return command == LinkCommand::kDrainWorker;
    case PoolNote::Type::kKillRequested:
      return command == LinkCommand::kKillWorker;
    case PoolNote::Type::kBreakerReset:
      return command == LinkCommand::kResetBreaker;
    case PoolNote::Type::kShutdownRequested:
      return command == LinkCommand::kShutdown;
    case PoolNote::Type::kOperationCancelled:
      return command == LinkCommand::kCancelOperation;
    case PoolNote::Type::kConfigChanged:
      return command == LinkCommand::kUpdate;
    default:
      return false;
  }
}

// "worker 3 (pid 4711)"
std::string Name(const SlotView& view) {
  return absl::StrCat("worker ", view.slot, " (pid ", view.pid, ")");
}

}  // namespace

std::optional<LinkReply> PoolCommands::Handle(const LinkRequest& request, const PoolState& pool,
                                              MonotonicTime now, const Hooks& hooks) {
  const Context context{request, pool, now, hooks, ActorName(request)};
  LinkReply reply;
  reply.generation = pool.pool().generation;
  reply.desired = pool.pool().desired;
  reply.max_workers = pool.pool().max_workers;
  bool master = true;
  handled_ = &request;
  noted_ = false;
  switch (requests_.Recall(request, now)) {
    case RequestMemory::Known::kAnswered:
      reply = requests_.answer(request);
      reply.replayed = 1;
      break;
    case RequestMemory::Known::kReused:
      Refuse(reply, absl::StatusCode::kInvalidArgument, RefusalReason::kRequestIdReused,
             absl::StrCat("the request id ", absl::CHexEscape(request.request_id),
                          " was used for another request, it cannot be used again"));
      break;
    case RequestMemory::Known::kFull:
      Refuse(
          reply, absl::StatusCode::kResourceExhausted, RefusalReason::kTooManyRequestIds,
          absl::StrCat("there were ", RequestMemory::kCapacity, " requests with an id in the last ",
                       absl::FormatDuration(RequestMemory::kFor), "; try again later"));
      break;
    case RequestMemory::Known::kNew:
      switch (request.command) {
        case LinkCommand::kResize:
          master = Resize(context, reply);
          break;
        case LinkCommand::kRestart:
          master = Restart(context, reply);
          break;
        case LinkCommand::kDrainWorker:
          master = DrainWorker(context, reply);
          break;
        case LinkCommand::kKillWorker:
          master = KillWorker(context, reply);
          break;
        case LinkCommand::kResetBreaker:
          master = ResetBreaker(context, reply);
          break;
        case LinkCommand::kShutdown:
          master = Shutdown(context, reply);
          break;
        case LinkCommand::kCancelOperation:
          master = CancelOperation(context, reply);
          break;
        case LinkCommand::kUpdate:
          master = Update(context, reply);
          break;
        case LinkCommand::kPing:
          break;
      }
      if (!master) return std::nullopt;
      if (reply.code == 0 && request.validate_only == 0) requests_.Remember(request, reply, now);
  }
  const bool changed =
      request.validate_only == 0 && reply.replayed == 0 && request.command != LinkCommand::kPing;
  if (!noted_ && (reply.code != 0 || changed)) NoteOutcome(context, reply);
  handled_ = nullptr;
  reply.sequence = request.sequence;
  return reply;
}

void PoolCommands::On(PoolNote& note) {
  if (note.type == PoolNote::Type::kRestartFailed) operations_.NoteRestartFailure(note.text);
  if (handled_ == nullptr || !Answers(note.type, handled_->command)) return;
  noted_ = true;
  note.method = MethodName(handled_->command);
  if (note.actor.empty()) note.actor = ActorName(*handled_);
}

void PoolCommands::NoteOutcome(const Context& context, const LinkReply& reply) {
  const LinkRequest& request = context.request;
  std::string what = CommandName(request.command);
  const bool of_slot = request.command == LinkCommand::kDrainWorker ||
                       request.command == LinkCommand::kKillWorker ||
                       (request.command == LinkCommand::kResetBreaker && request.slot >= 0);
  if (of_slot) absl::StrAppend(&what, " of slot ", request.slot);
  const bool refused = reply.code != 0;
  const auto code = static_cast<absl::StatusCode>(reply.code);
  context.hooks.note(
      {.severity = refused ? PoolNote::Severity::kWarning : PoolNote::Severity::kInfo,
       .type = refused ? PoolNote::Type::kRequestRefused : PoolNote::Type::kRequestAccepted,
       .slot = of_slot && request.slot < context.pool.pool().max_workers ? request.slot : -1,
       .generation = context.pool.pool().generation,
       .text = absl::StrCat(
           what, " by ", context.actor,
           refused ? absl::StrCat(" refused: ", reply.message) : std::string(" accepted")),
       .actor = context.actor,
       .reason = std::string(RefusalReasonName(reply.reason, code))});
}

bool PoolCommands::Update(const PoolState& pool, MonotonicTime now) {
  operations_.Update(pool, now);
  return std::exchange(seen_revision_, operations_.revision()) != operations_.revision();
}

void PoolCommands::Begin(const Context& context, OperationView operation, LinkReply& reply) {
  SetLinkText(operation.actor, context.request.actor);
  SetLinkText(operation.request_id, context.request.request_id);
  reply.operation = operations_.Begin(operation, context.now);
  // It may be at its end already.
  operations_.Update(context.pool, context.now);
}

bool PoolCommands::Resize(const Context& context, LinkReply& reply) {
  if (!operations_.has_room()) {
    RefuseWithoutRoom(reply);
    return true;
  }
  const LinkRequest& request = context.request;
  ResizeRequest event{.target = request.target,
                      .validate_only = request.validate_only != 0,
                      .actor = context.actor};
  if (request.expected_generation != 0) event.expected_generation = request.expected_generation;
  const int before = context.pool.pool().desired;
  resize_result_.reset();
  if (!context.hooks.dispatch(std::move(event))) return false;
  CHECK(resize_result_.has_value()) << "PoolState answers every resize";
  const ResizeResult result = *std::exchange(resize_result_, std::nullopt);
  reply.generation = result.generation;
  reply.desired = result.desired;
  if (result.code != absl::StatusCode::kOk) {
    Refuse(reply, result.code, result.reason, result.message);
  } else if (request.validate_only == 0) {
    Begin(context,
          {.kind = OperationKind::kResize,
           .target = result.desired,
           .before = before,
           .generation = result.generation},
          reply);
  }
  return true;
}

bool PoolCommands::Restart(const Context& context, LinkReply& reply) {
  const LinkRequest& request = context.request;
  RestartRequest event{.options = FromLink(request.restart, context.pool.options().restart),
                       .validate_only = true,
                       .actor = context.actor};
  if (request.expected_generation != 0) event.expected_generation = request.expected_generation;
  const auto dispatch = [&](const RestartRequest& restart) {
    restart_result_.reset();
    if (!context.hooks.dispatch(restart)) return false;
    CHECK(restart_result_.has_value()) << "PoolState answers every restart";
    const RestartResult result = *std::exchange(restart_result_, std::nullopt);
    reply.generation = result.generation;
    if (result.code != absl::StatusCode::kOk) {
      Refuse(reply, result.code, result.reason, result.message);
    }
    return true;
  };
  // Whether it would be accepted, before the configuration is read for it.
  if (!dispatch(event)) return false;
  if (reply.code != 0) return true;
  if (context.pool.pool().restart.runs()) {
    const OperationView* running = operations_.FindRestart(context.pool.pool().restart.generation);
    reply.operation = running == nullptr ? 0 : running->id;
    Refuse(reply, absl::StatusCode::kAborted, RefusalReason::kOperationInProgress,
           "a restart runs already; wait for its end, or cancel it");
    return true;
  }
  if (!operations_.has_room()) {
    RefuseWithoutRoom(reply);
    return true;
  }
  if (request.validate_only != 0) return true;
  if (const absl::Status read = context.hooks.reload(); !read.ok()) {
    Refuse(reply, absl::StatusCode::kFailedPrecondition, RefusalReason::kReloadRefused,
           absl::StrCat("the configuration is not good, the workers stay: ", read.message()));
    return true;
  }
  event.validate_only = false;
  if (!dispatch(event)) return false;
  if (reply.code != 0) return true;
  Begin(context, {.kind = OperationKind::kRestart, .generation = reply.generation}, reply);
  return true;
}

const SlotView* PoolCommands::FindWorker(const Context& context, LinkReply& reply) {
  const LinkRequest& request = context.request;
  const PoolState& pool = context.pool;
  if (RefuseAtEnd(pool, reply)) return nullptr;
  if (request.slot < 0 || request.slot >= pool.pool().max_workers) {
    RefuseNoSlot(request.slot, pool, reply);
    return nullptr;
  }
  for (int row = 0; row < pool.rows(); ++row) {
    const SlotView& view = pool.row(row);
    if (view.slot == request.slot && view.incarnation == request.incarnation &&
        HasProcess(view.state)) {
      return &view;
    }
  }
  const SlotView holder = pool.slot(request.slot);
  reply.incarnation = holder.incarnation;
  Refuse(reply, absl::StatusCode::kAborted, RefusalReason::kWrongIncarnation,
         HasProcess(holder.state)
             ? absl::StrCat("slot ", request.slot, " has another worker now, incarnation ",
                            holder.incarnation, " and not ", request.incarnation,
                            "; look at it and decide again")
             : absl::StrCat("no process of incarnation ", request.incarnation, " is in slot ",
                            request.slot, "; the slot is ",
                            std::string(WorkerStateName(holder.state))));
  return nullptr;
}

bool PoolCommands::DrainWorker(const Context& context, LinkReply& reply) {
  const SlotView* const view = FindWorker(context, reply);
  if (view == nullptr) return true;
  if (view->state != WorkerState::kReady || view->role != RowRole::kHolder ||
      view->stop_step != StopStep::kNone) {
    Refuse(reply, absl::StatusCode::kFailedPrecondition, RefusalReason::kNotReady,
           absl::StrCat(Name(*view), " is ", std::string(WorkerStateName(view->state)),
                        view->stop_step == StopStep::kNone ? "" : " and told to stop",
                        "; only a READY worker can be drained"));
    return true;
  }
  if (!operations_.has_room()) {
    RefuseWithoutRoom(reply);
    return true;
  }
  if (context.request.validate_only != 0) return true;
  const int slot = view->slot;
  const uint64_t incarnation = view->incarnation;
  if (!context.hooks.dispatch(
          ReplaceWorker{slot, incarnation, absl::StrCat("drain, requested by ", context.actor)})) {
    return false;
  }
  Begin(context, {.kind = OperationKind::kDrainWorker, .slot = slot, .incarnation = incarnation},
        reply);
  return true;
}

bool PoolCommands::KillWorker(const Context& context, LinkReply& reply) {
  const SlotView* const view = FindWorker(context, reply);
  if (view == nullptr) return true;
  if (!operations_.has_room()) {
    RefuseWithoutRoom(reply);
    return true;
  }
  if (context.request.validate_only != 0) return true;
  const int slot = view->slot;
  const uint64_t incarnation = view->incarnation;
  if (!context.hooks.dispatch(squall::KillWorker{slot, incarnation, context.actor})) return false;
  Begin(context, {.kind = OperationKind::kKillWorker, .slot = slot, .incarnation = incarnation},
        reply);
  return true;
}

bool PoolCommands::ResetBreaker(const Context& context, LinkReply& reply) {
  const LinkRequest& request = context.request;
  const PoolState& pool = context.pool;
  if (RefuseAtEnd(pool, reply)) return true;
  if (request.slot >= pool.pool().max_workers) {
    RefuseNoSlot(request.slot, pool, reply);
    return true;
  }
  int failed = 0;
  for (int row = 0; row < pool.rows(); ++row) {
    const SlotView& view = pool.row(row);
    failed += (request.slot < 0 || view.slot == request.slot) &&
              (view.state == WorkerState::kFailed || view.state == WorkerState::kBackoff);
  }
  if (failed == 0) {
    Refuse(reply, absl::StatusCode::kFailedPrecondition, RefusalReason::kBreakerClosed,
           request.slot < 0
               ? std::string("no slot is FAILED or in BACKOFF")
               : absl::StrCat("slot ", request.slot, " is ",
                              std::string(WorkerStateName(pool.slot(request.slot).state)),
                              ", neither FAILED nor in BACKOFF"));
    return true;
  }
  if (request.validate_only != 0) return true;
  return context.hooks.dispatch(squall::ResetBreaker{request.slot, context.actor});
}

bool PoolCommands::Shutdown(const Context& context, LinkReply& reply) {
  const LinkRequest& request = context.request;
  if (request.target != static_cast<int32_t>(ShutdownMode::kGraceful) &&
      request.target != static_cast<int32_t>(ShutdownMode::kFast)) {
    Refuse(
        reply, absl::StatusCode::kInvalidArgument, RefusalReason::kNoSuchMode,
        absl::StrCat("there is no shutdown mode ", request.target, "; 1 is graceful, 2 is fast"));
    return true;
  }
  if (request.validate_only != 0) return true;
  return context.hooks.dispatch(
      ShutdownRequest{static_cast<ShutdownMode>(request.target), context.actor});
}

bool PoolCommands::CancelOperation(const Context& context, LinkReply& reply) {
  const uint64_t id = context.request.operation;
  const OperationView* const running = operations_.FindRunning(id);
  if (running == nullptr) {
    const bool was = id != 0 && id <= operations_.last_id();
    Refuse(reply, was ? absl::StatusCode::kFailedPrecondition : absl::StatusCode::kNotFound,
           was ? RefusalReason::kOperationEnded : RefusalReason::kNoSuchOperation,
           was ? absl::StrCat("operation ", id, " has ended")
               : absl::StrCat("there is no operation ", id));
    return true;
  }
  const OperationView operation = *running;
  reply.operation = id;
  std::optional<PoolEvent> event;
  switch (operation.kind) {
    case OperationKind::kNone:
    case OperationKind::kKillWorker:
      break;
    case OperationKind::kResize:
      event = ResizeRequest{.target = operation.before, .actor = context.actor};
      break;
    case OperationKind::kRestart:
      if (context.pool.pool().restart.phase == RestartPhase::kRunning) {
        event = CancelRestart{context.actor};
      }
      break;
    case OperationKind::kDrainWorker: {
      bool waits = true;
      for (int row = 0; row < context.pool.rows(); ++row) {
        const SlotView& view = context.pool.row(row);
        if (view.slot != operation.slot || view.state == WorkerState::kEmpty) continue;
        waits &= view.incarnation == operation.incarnation && view.role == RowRole::kHolder &&
                 view.state == WorkerState::kReady;
      }
      if (waits) {
        event = CancelReplace{operation.slot, operation.incarnation, context.actor};
      }
      break;
    }
  }
  if (!event.has_value()) {
    Refuse(reply, absl::StatusCode::kFailedPrecondition, RefusalReason::kNotCancellable,
           absl::StrCat("operation ", id, " has gone too far to be cancelled"));
    return true;
  }
  if (context.request.validate_only != 0) return true;
  // First, or the target that it goes back to would look like another's.
  operations_.Cancel(id, absl::StrCat("cancelled by ", context.actor), context.now);
  context.hooks.note({.severity = PoolNote::Severity::kInfo,
                      .type = PoolNote::Type::kOperationCancelled,
                      .generation = context.pool.pool().generation,
                      .text = absl::StrCat("operation ", id, " cancelled by ", context.actor)});
  return context.hooks.dispatch(*std::move(event));
}

}  // namespace squall
