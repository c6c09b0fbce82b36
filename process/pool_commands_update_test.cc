// LinkCommand::kUpdate, above a pool whose workers do what the test says.
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/process/config_field.h"
#include "squall/process/operation_board.h"
#include "squall/process/pool_commands.h"
#include "squall/process/pool_state.h"

namespace squall {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

size_t Index(std::string_view path) {
  for (size_t i = 0; i < kNumConfigFields; ++i) {
    if (ConfigFields()[i].path == path) return i;
  }
  ADD_FAILURE() << "there is no field " << path;
  return 0;
}

int64_t Seconds(int seconds) { return absl::ToInt64Nanoseconds(absl::Seconds(seconds)); }

class PoolCommandsUpdateTest : public ::testing::Test {
 protected:
  PoolCommandsUpdateTest() {
    Dispatch(PoolStart{});
    for (int slot = 0; slot < 2; ++slot) Dispatch(WorkerReady{slot, 1});
  }

  void Dispatch(PoolEvent first) {
    std::deque<PoolEvent> events = {std::move(first)};
    for (; !events.empty(); events.pop_front()) {
      for (const PoolAction& action : pool_.Step(events.front(), now_)) {
        if (const auto* spawn = std::get_if<SpawnWorker>(&action)) {
          events.push_back(WorkerSpawned{spawn->slot, spawn->incarnation, 100 + spawn->slot});
        } else if (const auto* resize = std::get_if<ResizeResult>(&action)) {
          commands_.On(*resize);
        } else if (const auto* note = std::get_if<PoolNote>(&action)) {
          if (note->type == PoolNote::Type::kConfigChanged) notes_.push_back(note->text);
        }
      }
    }
  }

  LinkReply Send(const LinkRequest& request) {
    const std::optional<LinkReply> reply = commands_.Handle(
        request, pool_, now_,
        {.dispatch =
             [this](PoolEvent event) {
               Dispatch(std::move(event));
               return true;
             },
         .reload = [] { return absl::OkStatus(); },
         .config = [this] { return config_; },
         .configure = [this](const PoolConfig& config) { config_ = config; },
         .note = [this](const PoolNote& note) { refusals_.push_back(note.text); }});
    return *reply;
  }

  static LinkRequest Update(std::string_view path, int64_t value, const char* id = "") {
    LinkRequest request;
    request.command = LinkCommand::kUpdate;
    SetLinkText(request.actor, "uid 1000");
    request.config.Set(Index(path), value);
    SetLinkText(request.request_id, id);
    return request;
  }

  MonotonicTime now_ = MonotonicTime() + absl::Hours(1);
  OperationBoard board_ = OperationBoard::Create().value();
  PoolCommands commands_{board_};
  PoolState pool_{{.desired = 2, .max_workers = 4, .surge_slots = 1}, 1};
  PoolConfig config_;
  std::vector<std::string> notes_;
  std::vector<std::string> refusals_;
};

TEST_F(PoolCommandsUpdateTest, IsTakenAtOnceAndSaid) {
  LinkRequest request = Update("drain.grace", Seconds(7));
  request.config.Set(Index("autoscaler.mode"), static_cast<int64_t>(AutoscalerMode::kSpare));
  const LinkReply reply = Send(request);
  EXPECT_EQ(reply.code, 0) << reply.message;
  EXPECT_EQ(reply.generation, 2u);
  EXPECT_EQ(pool_.pool().observed_generation, 2u) << "nothing is on its way";
  EXPECT_EQ(config_.drain.grace, absl::Seconds(7));
  EXPECT_EQ(config_.autoscaler.mode, AutoscalerMode::kSpare);
  EXPECT_EQ(pool_.options().drain.grace, absl::Seconds(7));
  EXPECT_EQ(pool_.options().max_workers, 4);
  EXPECT_THAT(notes_, ElementsAre("configuration changed by uid 1000: drain.grace from 30s to 7s, "
                                  "autoscaler.mode from static to spare"));

  Dispatch(ResizeRequest{.target = 1});
  EXPECT_EQ(pool_.slot(1).deadline, now_ + absl::Seconds(7));
}

TEST_F(PoolCommandsUpdateTest, WhatHasBegunKeepsItsTimes) {
  Dispatch(ResizeRequest{.target = 1});
  const MonotonicTime term_at = pool_.row(1).deadline;
  EXPECT_EQ(term_at, now_ + absl::Seconds(30));
  Send(Update("drain.grace", Seconds(1)));
  EXPECT_EQ(pool_.row(1).deadline, term_at);
}

TEST_F(PoolCommandsUpdateTest, TheNextBackOffIsTheNewOne) {
  LinkRequest request = Update("backoff.initial", Seconds(3));
  request.config.Set(Index("backoff.max"), Seconds(3));
  request.config.Set(Index("backoff.jitter"), 0);  // The octets of 0.0.
  ASSERT_EQ(Send(request).code, 0);
  Dispatch(WorkerExited{1, 1, ExitStatus::Exited(3)});
  Dispatch(WorkerExited{1, 2, ExitStatus::Exited(3)});
  EXPECT_EQ(pool_.slot(1).state, WorkerState::kBackoff);
  EXPECT_EQ(pool_.slot(1).deadline, now_ + absl::Seconds(3));
}

TEST_F(PoolCommandsUpdateTest, TheBreakerCountsAsIsConfiguredNow) {
  ASSERT_EQ(Send(Update("breaker.deaths", 0)).code, 0);
  Dispatch(WorkerExited{1, 1, ExitStatus::Exited(3)});
  EXPECT_EQ(pool_.slot(1).state, WorkerState::kFailed);
}

TEST_F(PoolCommandsUpdateTest, NonsenseIsRefusedWholeAndNamesTheField) {
  LinkRequest request = Update("drain.grace", Seconds(7));
  request.config.Set(Index("breaker.window"), 0);
  const LinkReply reply = Send(request);
  EXPECT_EQ(reply.code, static_cast<int32_t>(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(reply.reason, RefusalReason::kBadConfig);
  EXPECT_STREQ(reply.message, "breaker.window must be positive and finite, not 0");
  EXPECT_EQ(config_.drain.grace, absl::Seconds(30));
  EXPECT_EQ(pool_.options().drain.grace, absl::Seconds(30));
  EXPECT_EQ(pool_.pool().generation, 1u);
  EXPECT_THAT(notes_, IsEmpty());
  EXPECT_THAT(refusals_, ElementsAre(HasSubstr("by uid 1000 refused: breaker.window")));
  EXPECT_EQ(Send(Update("autoscaler.mode", 17)).reason, RefusalReason::kBadConfig);
}

TEST_F(PoolCommandsUpdateTest, AStaleGenerationIsRefused) {
  LinkRequest request = Update("drain.grace", Seconds(7));
  request.expected_generation = 9;
  const LinkReply reply = Send(request);
  EXPECT_EQ(reply.code, static_cast<int32_t>(absl::StatusCode::kAborted));
  EXPECT_EQ(reply.reason, RefusalReason::kStaleGeneration);
  request.expected_generation = 1;
  EXPECT_EQ(Send(request).code, 0);
}

TEST_F(PoolCommandsUpdateTest, ARepeatedRequestDoesNothingAgain) {
  const LinkRequest request = Update("drain.grace", Seconds(7), "u1");
  EXPECT_EQ(Send(request).generation, 2u);
  ASSERT_EQ(Send(Update("drain.grace", Seconds(9))).generation, 3u);
  const LinkReply again = Send(request);
  EXPECT_EQ(again.replayed, 1);
  EXPECT_EQ(again.generation, 2u);
  EXPECT_EQ(config_.drain.grace, absl::Seconds(9));
  EXPECT_EQ(Send(Update("drain.grace", Seconds(8), "u1")).reason, RefusalReason::kRequestIdReused);
  EXPECT_EQ(Send(Update("drain.kill_after", Seconds(7), "u1")).reason,
            RefusalReason::kRequestIdReused);
}

TEST_F(PoolCommandsUpdateTest, ToChangeNothingMakesNoGeneration) {
  EXPECT_EQ(Send(Update("drain.grace", Seconds(30))).generation, 1u);
  LinkRequest request = Update("drain.grace", Seconds(7));
  request.validate_only = 1;
  EXPECT_EQ(Send(request).code, 0);
  EXPECT_EQ(pool_.pool().generation, 1u);
  EXPECT_EQ(config_.drain.grace, absl::Seconds(30));
}

TEST_F(PoolCommandsUpdateTest, IsRefusedAtTheEnd) {
  Dispatch(ShutdownRequest{});
  EXPECT_EQ(Send(Update("drain.grace", Seconds(7))).reason, RefusalReason::kShuttingDown);
}

}  // namespace
}  // namespace squall
