#include "squall/process/pool_commands.h"

#include <csignal>
#include <deque>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/process/operation_board.h"
#include "squall/process/pool_state.h"

namespace squall {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The commands above a pool whose processes do what the test says.
class PoolCommandsTest : public ::testing::Test {
 protected:
  PoolCommandsTest() { Start({.desired = 2, .max_workers = 4, .surge_slots = 1}); }

  void Start(PoolOptions options) {
    options.backoff = {.initial = absl::Milliseconds(1), .jitter = 0};
    pool_.emplace(options, 1);
    Dispatch(PoolStart{});
    AllReady();
  }

  void Dispatch(PoolEvent first) {
    std::deque<PoolEvent> events = {std::move(first)};
    for (; !events.empty(); events.pop_front()) {
      for (const PoolAction& action : pool_->Step(events.front(), now_)) {
        if (const auto* spawn = std::get_if<SpawnWorker>(&action)) {
          events.push_back(WorkerSpawned{spawn->slot, spawn->incarnation, 100 + spawn->slot});
        } else if (const auto* resize = std::get_if<ResizeResult>(&action)) {
          commands_.On(*resize);
        } else if (const auto* restart = std::get_if<RestartResult>(&action)) {
          commands_.On(*restart);
        } else if (const auto* note = std::get_if<PoolNote>(&action)) {
          PoolNote told = *note;
          commands_.On(told);
          told_.push_back(std::move(told));
        }
      }
    }
    commands_.Update(*pool_, now_);
  }

  LinkReply Send(LinkRequest request) {
    request.sequence = ++sequence_;
    SetLinkText(request.actor, "uid 1000");
    const std::optional<LinkReply> reply = commands_.Handle(request, *pool_, now_,
                                                            {.dispatch =
                                                                 [this](PoolEvent event) {
                                                                   Dispatch(std::move(event));
                                                                   return true;
                                                                 },
                                                             .reload =
                                                                 [this] {
                                                                   ++reloads_;
                                                                   return reload_;
                                                                 },
                                                             .config = [] { return PoolConfig(); },
                                                             .configure = [](const PoolConfig&) {},
                                                             .note =
                                                                 [this](const PoolNote& note) {
                                                                   PoolNote told = note;
                                                                   commands_.On(told);
                                                                   notes_.push_back(told.text);
                                                                   told_.push_back(std::move(told));
                                                                 }});
    EXPECT_TRUE(reply.has_value());
    EXPECT_EQ(reply->sequence, sequence_);
    return *reply;
  }

  static LinkRequest Request(LinkCommand command, const char* id = "") {
    LinkRequest request;
    request.command = command;
    SetLinkText(request.request_id, id);
    return request;
  }
  static LinkRequest Resize(int target, const char* id = "") {
    LinkRequest request = Request(LinkCommand::kResize, id);
    request.target = target;
    return request;
  }
  static LinkRequest OfWorker(LinkCommand command, int slot, uint64_t incarnation) {
    LinkRequest request = Request(command);
    request.slot = slot;
    request.incarnation = incarnation;
    return request;
  }
  static LinkRequest Cancel(uint64_t operation) {
    LinkRequest request = Request(LinkCommand::kCancelOperation);
    request.operation = operation;
    return request;
  }

  // The processes. Each call does it for those that are there now.
  void AllReady() {
    for (const SlotView& view : Rows(WorkerState::kStarting)) {
      Dispatch(WorkerReady{view.slot, view.incarnation});
    }
  }
  void AllDrained() {
    for (const SlotView& view : Rows(WorkerState::kDraining)) {
      Dispatch(WorkerExited{view.slot, view.incarnation, ExitStatus::Exited(0)});
    }
  }
  void AllStartingDie() {
    for (const SlotView& view : Rows(WorkerState::kStarting)) {
      Dispatch(WorkerExited{view.slot, view.incarnation, ExitStatus::Exited(3)});
    }
  }
  void Sleep(absl::Duration duration) {
    now_ += duration;
    Dispatch(PoolTick{});
  }
  std::vector<SlotView> Rows(WorkerState state) const {
    std::vector<SlotView> views;
    for (int row = 0; row < pool_->rows(); ++row) {
      if (pool_->row(row).state == state) views.push_back(pool_->row(row));
    }
    return views;
  }

  OperationView Operation(uint64_t id) const { return board_.Find(id).value_or(OperationView{}); }

  MonotonicTime now_ = MonotonicTime() + absl::Hours(1);
  OperationBoard board_ = OperationBoard::Create().value();
  std::optional<PoolState> pool_;
  PoolCommands commands_{board_};
  absl::Status reload_;
  int reloads_ = 0;
  uint64_t sequence_ = 0;
  std::vector<std::string> notes_;
  std::vector<PoolNote> told_;
};

TEST_F(PoolCommandsTest, AResizeIsAnOperationUntilTheLastHasDrained) {
  const LinkReply reply = Send(Resize(3, "one"));
  EXPECT_EQ(reply.code, 0) << reply.message;
  EXPECT_EQ(reply.generation, 2u);
  EXPECT_EQ(reply.desired, 3);
  OperationView operation = Operation(reply.operation);
  EXPECT_EQ(operation.kind, OperationKind::kResize);
  EXPECT_EQ(operation.state, OperationState::kRunning);
  EXPECT_EQ(operation.target, 3);
  EXPECT_EQ(operation.before, 2);
  EXPECT_STREQ(operation.actor, "uid 1000");
  EXPECT_STREQ(operation.request_id, "one");
  now_ += absl::Seconds(1);
  AllReady();
  operation = Operation(reply.operation);
  EXPECT_EQ(operation.state, OperationState::kSucceeded);
  EXPECT_EQ(operation.ended_at - operation.began_at, absl::Seconds(1));

  const uint64_t shrink = Send(Resize(1)).operation;
  EXPECT_EQ(Operation(shrink).state, OperationState::kRunning);
  AllDrained();
  EXPECT_EQ(Operation(shrink).state, OperationState::kSucceeded);
  EXPECT_EQ(Operation(Send(Resize(1)).operation).state, OperationState::kSucceeded)
      << "nothing had to change";
}

TEST_F(PoolCommandsTest, APingIsAnsweredAndNothingElse) {
  const PoolView before = pool_->pool();
  EXPECT_EQ(Send(Request(LinkCommand::kPing)).code, 0);
  Dispatch(ShutdownRequest{});
  notes_.clear();
  EXPECT_EQ(Send(Request(LinkCommand::kPing)).code, 0) << "the master answers until its end";
  EXPECT_THAT(notes_, IsEmpty());
  EXPECT_THAT(board_.List(), IsEmpty());
  EXPECT_EQ(pool_->pool().generation, before.generation);
}

TEST_F(PoolCommandsTest, ALaterResizeSupersedesOnlyAnotherTarget) {
  const uint64_t first = Send(Resize(3)).operation;
  const uint64_t same = Send(Resize(3)).operation;
  EXPECT_NE(first, same);
  EXPECT_EQ(Operation(first).state, OperationState::kRunning);
  const uint64_t other = Send(Resize(4)).operation;
  EXPECT_EQ(Operation(first).state, OperationState::kFailed);
  EXPECT_EQ(Operation(first).error, OperationError::kSuperseded);
  EXPECT_THAT(Operation(first).message, HasSubstr("4 workers are wanted now"));
  EXPECT_EQ(Operation(same).error, OperationError::kSuperseded);
  EXPECT_EQ(Operation(other).state, OperationState::kRunning);
}

TEST_F(PoolCommandsTest, TheEndOfThePoolEndsOperations) {
  const uint64_t resize = Send(Resize(3)).operation;
  LinkRequest end = Request(LinkCommand::kShutdown);
  end.target = static_cast<int32_t>(ShutdownMode::kGraceful);
  EXPECT_EQ(Send(end).code, 0);
  EXPECT_EQ(Operation(resize).error, OperationError::kShuttingDown);
  EXPECT_EQ(Send(Resize(2)).reason, RefusalReason::kShuttingDown);
  EXPECT_EQ(Send(Request(LinkCommand::kRestart)).reason, RefusalReason::kShuttingDown);
  EXPECT_EQ(Send(OfWorker(LinkCommand::kDrainWorker, 0, 1)).reason, RefusalReason::kShuttingDown);
  EXPECT_EQ(Send(Request(LinkCommand::kResetBreaker)).reason, RefusalReason::kShuttingDown);
}

TEST_F(PoolCommandsTest, ARequestIdIsForOneRequestOfAnyKind) {
  const LinkReply first = Send(Resize(3, "a"));
  Send(Resize(4));
  const LinkReply again = Send(Resize(3, "a"));
  EXPECT_EQ(again.code, 0);
  EXPECT_EQ(again.replayed, 1);
  EXPECT_EQ(again.operation, first.operation);
  EXPECT_EQ(again.generation, first.generation);
  EXPECT_EQ(pool_->pool().desired, 4) << "a retry must not undo what came after it";

  EXPECT_EQ(Send(Resize(2, "a")).reason, RefusalReason::kRequestIdReused);
  EXPECT_EQ(Send(Request(LinkCommand::kRestart, "a")).reason, RefusalReason::kRequestIdReused);
  EXPECT_EQ(pool_->pool().desired, 4);
  EXPECT_FALSE(pool_->pool().restart.runs());
  EXPECT_THAT(notes_.back(), HasSubstr("restart by uid 1000 refused: the request id a was used"));

  now_ += RequestMemory::kFor;
  EXPECT_EQ(Send(Resize(3, "a")).replayed, 1) << "not before ten minutes have passed";
  now_ += absl::Nanoseconds(1);
  EXPECT_EQ(Send(Resize(2, "a")).code, 0) << "forgotten after ten minutes";
}

TEST_F(PoolCommandsTest, RefusalsAndChecksAreNotRemembered) {
  EXPECT_EQ(Send(Resize(99, "a")).reason, RefusalReason::kSlotCapacity);
  LinkRequest check = Resize(3, "a");
  check.validate_only = 1;
  const LinkReply validated = Send(check);
  EXPECT_EQ(validated.code, 0);
  EXPECT_EQ(validated.operation, 0u);
  EXPECT_EQ(pool_->pool().desired, 2);
  EXPECT_EQ(Send(Resize(4, "a")).code, 0);
}

TEST_F(PoolCommandsTest, TheTableOfRequestIdsIsBounded) {
  for (size_t i = 0; i < RequestMemory::kCapacity; ++i) {
    ASSERT_EQ(Send(Resize(2, std::to_string(i).c_str())).code, 0);
  }
  const LinkReply full = Send(Resize(2, "one more"));
  EXPECT_EQ(full.code, static_cast<int>(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(full.reason, RefusalReason::kTooManyRequestIds);
  EXPECT_EQ(Send(Resize(3)).code, 0) << "without an id nothing is to be remembered";
  EXPECT_EQ(Send(Resize(2, "7")).replayed, 1) << "what is known is still answered";
}

TEST_F(PoolCommandsTest, AStaleGenerationIsRefused) {
  LinkRequest stale = Resize(3);
  stale.expected_generation = 7;
  EXPECT_EQ(Send(stale).reason, RefusalReason::kStaleGeneration);
  stale = Request(LinkCommand::kRestart);
  stale.expected_generation = 7;
  EXPECT_EQ(Send(stale).reason, RefusalReason::kStaleGeneration);
  EXPECT_EQ(reloads_, 0);
  stale.expected_generation = 1;
  EXPECT_EQ(Send(stale).code, 0);
}

TEST_F(PoolCommandsTest, ARestartReplacesEveryWorker) {
  const LinkReply reply = Send(Request(LinkCommand::kRestart));
  EXPECT_EQ(reply.code, 0) << reply.message;
  EXPECT_EQ(reply.generation, 2u);
  EXPECT_EQ(reloads_, 1);
  EXPECT_EQ(Operation(reply.operation).kind, OperationKind::kRestart);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Operation(reply.operation).state, OperationState::kRunning);
    AllReady();
    AllDrained();
  }
  EXPECT_EQ(Operation(reply.operation).state, OperationState::kSucceeded);
  EXPECT_EQ(pool_->slot(0).generation, 2u);
}

TEST_F(PoolCommandsTest, ASecondRestartIsRefusedAndNamesTheFirst) {
  const uint64_t first = Send(Request(LinkCommand::kRestart)).operation;
  const LinkReply second = Send(Request(LinkCommand::kRestart));
  EXPECT_EQ(second.code, static_cast<int>(absl::StatusCode::kAborted));
  EXPECT_EQ(second.reason, RefusalReason::kOperationInProgress);
  EXPECT_EQ(second.operation, first);
  EXPECT_EQ(reloads_, 1) << "the configuration was read for nothing";
}

TEST_F(PoolCommandsTest, ABadConfigurationOrBadOptionsStopNoWorker) {
  reload_ = absl::InvalidArgumentError("line 3: no such option");
  const LinkReply refused = Send(Request(LinkCommand::kRestart, "a"));
  EXPECT_EQ(refused.code, static_cast<int>(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(refused.reason, RefusalReason::kReloadRefused);
  EXPECT_THAT(refused.message, HasSubstr("line 3: no such option"));
  EXPECT_THAT(notes_, ElementsAre(HasSubstr("restart by uid 1000 refused")));
  EXPECT_FALSE(pool_->pool().restart.runs());

  reload_ = absl::OkStatus();
  LinkRequest restart = Request(LinkCommand::kRestart);
  restart.restart.max_failures = 0;
  EXPECT_EQ(Send(restart).reason, RefusalReason::kBadRestartOption);
  restart.restart.max_failures = 1;
  restart.validate_only = 1;
  EXPECT_EQ(Send(restart).code, 0);
  EXPECT_FALSE(pool_->pool().restart.runs());
  EXPECT_EQ(reloads_, 1);
}

TEST_F(PoolCommandsTest, ARestartThatFailsSaysWhy) {
  LinkRequest restart = Request(LinkCommand::kRestart);
  restart.restart.max_failures = 1;
  const uint64_t id = Send(restart).operation;
  AllStartingDie();
  AllDrained();
  EXPECT_EQ(Operation(id).state, OperationState::kFailed);
  EXPECT_EQ(Operation(id).error, OperationError::kRestartFailed);
  EXPECT_THAT(Operation(id).message, HasSubstr("1 of its workers was lost"));
  EXPECT_EQ(pool_->slot(0).generation, 1u);
  const uint64_t next = Send(Request(LinkCommand::kRestart)).operation;
  for (int i = 0; i < 4; ++i) {
    Sleep(absl::Seconds(1));  // The back-off between successors.
    AllReady();
    AllDrained();
  }
  EXPECT_EQ(Operation(next).state, OperationState::kSucceeded) << Operation(next).message;
}

TEST_F(PoolCommandsTest, ACancelledRestartGoesBack) {
  const uint64_t id = Send(Request(LinkCommand::kRestart)).operation;
  AllReady();  // One worker is of the new generation.
  AllDrained();
  EXPECT_EQ(pool_->slot(0).generation, 2u);
  EXPECT_EQ(Send(Cancel(id)).code, 0);
  EXPECT_EQ(Operation(id).state, OperationState::kCancelled);
  EXPECT_THAT(Operation(id).message, HasSubstr("uid 1000"));
  for (int i = 0; i < 4; ++i) {
    AllReady();
    AllDrained();
  }
  EXPECT_FALSE(pool_->pool().restart.runs());
  EXPECT_EQ(pool_->slot(0).generation, 1u);
  EXPECT_EQ(Send(Cancel(id)).reason, RefusalReason::kOperationEnded);
}

TEST_F(PoolCommandsTest, ACancelledResizeGoesBack) {
  const uint64_t id = Send(Resize(4)).operation;
  EXPECT_EQ(Send(Cancel(id)).code, 0);
  EXPECT_EQ(Operation(id).state, OperationState::kCancelled);
  EXPECT_EQ(pool_->pool().desired, 2);
  EXPECT_EQ(Send(Cancel(99)).reason, RefusalReason::kNoSuchOperation);
  EXPECT_EQ(Send(Cancel(0)).reason, RefusalReason::kNoSuchOperation);
}

TEST_F(PoolCommandsTest, ADrainReplacesTheWorkerAndThenStopsIt) {
  const LinkReply reply = Send(OfWorker(LinkCommand::kDrainWorker, 1, 1));
  EXPECT_EQ(reply.code, 0) << reply.message;
  EXPECT_EQ(pool_->slot(1).state, WorkerState::kReady) << "it serves until its successor does";
  EXPECT_EQ(Operation(reply.operation).state, OperationState::kRunning);
  AllReady();
  EXPECT_EQ(Operation(reply.operation).state, OperationState::kRunning) << "it drains";
  AllDrained();
  EXPECT_EQ(Operation(reply.operation).state, OperationState::kSucceeded);
  EXPECT_EQ(pool_->slot(1).incarnation, 2u);
  EXPECT_EQ(pool_->slot(1).state, WorkerState::kReady);
}

TEST_F(PoolCommandsTest, ADrainIsCancelledWhileItWaits) {
  // One slot at a time, so that the second waits for the first.
  const uint64_t first = Send(OfWorker(LinkCommand::kDrainWorker, 0, 1)).operation;
  const uint64_t second = Send(OfWorker(LinkCommand::kDrainWorker, 1, 1)).operation;
  EXPECT_EQ(Send(Cancel(first)).reason, RefusalReason::kNotCancellable);
  EXPECT_EQ(Send(Cancel(second)).code, 0);
  EXPECT_EQ(Operation(second).state, OperationState::kCancelled);
  for (int i = 0; i < 4; ++i) {
    AllReady();
    AllDrained();
  }
  EXPECT_EQ(Operation(first).state, OperationState::kSucceeded);
  EXPECT_EQ(pool_->slot(1).incarnation, 1u) << "it stayed";
}

TEST_F(PoolCommandsTest, AKillEndsWhenTheNextOneIsReady) {
  const LinkReply reply = Send(OfWorker(LinkCommand::kKillWorker, 0, 1));
  EXPECT_EQ(reply.code, 0) << reply.message;
  EXPECT_EQ(pool_->slot(0).stop_step, StopStep::kKillSent);
  Dispatch(WorkerExited{0, 1, ExitStatus::Killed(SIGKILL)});
  EXPECT_EQ(Operation(reply.operation).state, OperationState::kRunning);
  AllReady();
  EXPECT_EQ(Operation(reply.operation).state, OperationState::kSucceeded);
  EXPECT_EQ(pool_->pool().restarts, 0u) << "a requested end is no crash";
}

TEST_F(PoolCommandsTest, AnotherLifeOfTheSlotIsNotTouched) {
  Dispatch(WorkerExited{0, 1, ExitStatus::Killed(SIGSEGV)});
  AllReady();
  ASSERT_EQ(pool_->slot(0).incarnation, 2u);
  for (const LinkCommand command : {LinkCommand::kDrainWorker, LinkCommand::kKillWorker}) {
    const LinkReply reply = Send(OfWorker(command, 0, 1));
    EXPECT_EQ(reply.code, static_cast<int>(absl::StatusCode::kAborted));
    EXPECT_EQ(reply.reason, RefusalReason::kWrongIncarnation);
    EXPECT_EQ(reply.incarnation, 2u);
    EXPECT_EQ(Send(OfWorker(command, 3, 1)).reason, RefusalReason::kWrongIncarnation);
    for (const int slot : {-1, 4, 1000}) {
      EXPECT_EQ(Send(OfWorker(command, slot, 1)).reason, RefusalReason::kNoSuchSlot);
    }
  }
  EXPECT_EQ(pool_->slot(0).state, WorkerState::kReady);
  EXPECT_EQ(notes_.size(), 10u) << "each refusal is told";
  EXPECT_EQ(board_.List().size(), 0u);
}

TEST_F(PoolCommandsTest, OnlyAReadyWorkerIsDrained) {
  Send(Resize(3));
  EXPECT_EQ(Send(OfWorker(LinkCommand::kDrainWorker, 2, 1)).reason, RefusalReason::kNotReady);
  EXPECT_EQ(Send(OfWorker(LinkCommand::kKillWorker, 2, 1)).code, 0) << "killing needs no READY";
}

TEST_F(PoolCommandsTest, ABreakerIsResetOnlyWhenItIsOpen) {
  Start({.desired = 2, .max_workers = 4, .breaker = {.deaths = 1}});
  LinkRequest reset = Request(LinkCommand::kResetBreaker);
  EXPECT_EQ(Send(reset).reason, RefusalReason::kBreakerClosed);
  reset.slot = 9;
  EXPECT_EQ(Send(reset).reason, RefusalReason::kNoSuchSlot);
  Dispatch(WorkerExited{1, 1, ExitStatus::Exited(3)});
  while (pool_->slot(1).state != WorkerState::kFailed) {
    AllStartingDie();
    Sleep(absl::Seconds(1));
  }
  const uint64_t waits = Send(Resize(2)).operation;
  EXPECT_EQ(Operation(waits).error, OperationError::kWorkersUnavailable);
  reset.slot = 0;
  EXPECT_EQ(Send(reset).reason, RefusalReason::kBreakerClosed);
  reset.slot = 1;
  reset.validate_only = 1;
  EXPECT_EQ(Send(reset).code, 0);
  EXPECT_EQ(pool_->slot(1).state, WorkerState::kFailed);
  reset.validate_only = 0;
  EXPECT_EQ(Send(reset).code, 0);
  EXPECT_EQ(pool_->slot(1).state, WorkerState::kStarting);
  EXPECT_FALSE(pool_->slot(1).on_trial) << "its past is forgotten";
}

TEST_F(PoolCommandsTest, AShutdownHasAMode) {
  LinkRequest shutdown = Request(LinkCommand::kShutdown);
  for (const int mode : {-1, static_cast<int>(ShutdownMode::kNone), 7}) {
    shutdown.target = mode;
    const LinkReply reply = Send(shutdown);
    EXPECT_EQ(reply.code, static_cast<int32_t>(absl::StatusCode::kInvalidArgument)) << mode;
    EXPECT_EQ(reply.reason, RefusalReason::kNoSuchMode) << mode;
    EXPECT_THAT(reply.message, HasSubstr("there is no shutdown mode")) << mode;
  }
  EXPECT_EQ(pool_->pool().shutdown, ShutdownMode::kNone);
}

TEST_F(PoolCommandsTest, AnOperationThatRunsKeepsItsCell) {
  const uint64_t drain = Send(OfWorker(LinkCommand::kDrainWorker, 0, 1)).operation;
  for (size_t i = 0; i < 2 * OperationBoard::kCapacity; ++i) Send(Resize(2));
  EXPECT_EQ(Operation(drain).state, OperationState::kRunning);
  EXPECT_THAT(Rows(WorkerState::kDraining), IsEmpty());
  AllReady();
  AllDrained();
  EXPECT_EQ(Operation(drain).state, OperationState::kSucceeded);
}

// Each change that was asked for, and each refusal, has a note with who asked for what.
TEST_F(PoolCommandsTest, EachRequestIsToldWithItsActor) {
  const auto told = [this](const LinkRequest& request) {
    told_.clear();
    Send(request);
    std::vector<std::string> texts;
    for (const PoolNote& note : told_) {
      if (note.method.empty()) continue;
      texts.push_back(absl::StrCat(note.method, " ", note.actor, " ", note.reason, " ", note.slot));
    }
    return texts;
  };
  EXPECT_THAT(told(Resize(3)), ElementsAre("ResizePool uid 1000  -1"));
  EXPECT_THAT(told(Resize(9)), ElementsAre("ResizePool uid 1000 SLOT_CAPACITY -1"));
  AllReady();
  EXPECT_THAT(told(OfWorker(LinkCommand::kDrainWorker, 0, 1)),
              ElementsAre("DrainWorker uid 1000  0"));
  EXPECT_THAT(told(OfWorker(LinkCommand::kDrainWorker, 0, 1)),
              ElementsAre("DrainWorker uid 1000  0"))
      << "also when there is nothing left to do";
  EXPECT_THAT(told(OfWorker(LinkCommand::kDrainWorker, 0, 7)),
              ElementsAre("DrainWorker uid 1000 WRONG_INCARNATION 0"));
  EXPECT_THAT(told(OfWorker(LinkCommand::kKillWorker, 1, 1)),
              ElementsAre("KillWorker uid 1000  1"));
  EXPECT_THAT(told(Request(LinkCommand::kResetBreaker)),
              ElementsAre("ResetBreaker uid 1000 BREAKER_CLOSED -1"));
  EXPECT_THAT(told(Request(LinkCommand::kRestart)), ElementsAre("RestartPool uid 1000  -1"));
  EXPECT_THAT(told(Request(LinkCommand::kRestart)),
              ElementsAre("RestartPool uid 1000 OPERATION_IN_PROGRESS -1"));
  EXPECT_THAT(told(Cancel(99)), ElementsAre("CancelOperation uid 1000 NO_SUCH_OPERATION -1"));
  const uint64_t grow = Send(Resize(4)).operation;
  EXPECT_THAT(told(Cancel(grow)), ElementsAre("CancelOperation uid 1000  -1"));
  LinkRequest would = Resize(2);
  would.validate_only = 1;
  EXPECT_THAT(told(would), IsEmpty()) << "nothing was changed";
  would.target = 9;
  EXPECT_THAT(told(would), ElementsAre("ResizePool uid 1000 SLOT_CAPACITY -1"));
  LinkRequest end = Request(LinkCommand::kShutdown);
  end.target = static_cast<int32_t>(ShutdownMode::kGraceful);
  EXPECT_THAT(told(end), ElementsAre("ShutdownServer uid 1000  -1"));

  told_.clear();
  Dispatch(ShutdownRequest{ShutdownMode::kFast, "signal INT"});
  ASSERT_EQ(told_[0].type, PoolNote::Type::kShutdownRequested);
  EXPECT_EQ(told_[0].actor, "signal INT");
  EXPECT_EQ(told_[0].method, "");
}

}  // namespace
}  // namespace squall
