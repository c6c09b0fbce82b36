#include "squall/control/status/master_probe.h"

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"
#include "squall/process/control_link.h"

namespace squall::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A master that answers when the test says so.
struct FakeMaster : PoolCommander {
  void Send(const LinkRequest& request, Done done) override {
    EXPECT_EQ(request.command, LinkCommand::kPing);
    ++pings;
    waiting.push_back(std::move(done));
  }
  void Report(const LinkRefusal&) override {}
  void Answer(const absl::StatusOr<LinkReply>& reply) {
    for (Done& done : std::exchange(waiting, {})) done(reply);
  }

  int pings = 0;
  std::vector<Done> waiting;
};

class MasterProbeTest : public ::testing::Test {
 protected:
  ~MasterProbeTest() override {
    probe_.reset();
    IOLoop::ClearCurrent();
  }

  void Ask() { IOLoop::Current().Spawn(AskNow(this)); }
  // What was asked for and answered so far is done then.
  static void Turn() { EXPECT_THAT(IOLoop::Current().RunSync(SomeTurns()), IsOk()); }

  FakeMaster master_;
  std::unique_ptr<MasterProbe> probe_ = std::make_unique<MasterProbe>(IOLoop::Current(), master_);
  std::vector<absl::Status> answers_;

 private:
  static Task<> AskNow(MasterProbeTest* test) {
    test->answers_.push_back(co_await test->probe_->Ask());
  }
  static Task<> SomeTurns() {
    for (int i = 0; i < 4; ++i) co_await Sleep(absl::ZeroDuration());
  }
};

TEST_F(MasterProbeTest, ManyQuestionsAreOnePing) {
  for (int i = 0; i < 5; ++i) Ask();
  Turn();
  EXPECT_EQ(master_.pings, 1);
  EXPECT_THAT(answers_, IsEmpty());
  master_.Answer(LinkReply{});
  Turn();
  EXPECT_THAT(answers_, ElementsAre(IsOk(), IsOk(), IsOk(), IsOk(), IsOk()));
  Ask();
  Turn();
  EXPECT_EQ(answers_.size(), 6u) << "the answer is fresh";
  EXPECT_EQ(master_.pings, 1);
}

TEST_F(MasterProbeTest, AnOldAnswerIsNone) {
  Ask();
  master_.Answer(LinkReply{});
  Turn();
  absl::SleepFor(MasterProbe::kFresh);  // It is the clock that is waited for.
  Ask();
  Turn();
  EXPECT_EQ(master_.pings, 2);
  EXPECT_EQ(answers_.size(), 1u);
}

TEST_F(MasterProbeTest, ARefusalIsAnAnswer) {
  Ask();
  LinkReply refusal;
  refusal.code = static_cast<int32_t>(absl::StatusCode::kFailedPrecondition);
  master_.Answer(refusal);
  Turn();
  EXPECT_THAT(answers_, ElementsAre(IsOk()));
}

TEST_F(MasterProbeTest, NoAnswerIsSaid) {
  Ask();
  master_.Answer(absl::UnavailableError("the master did not answer within 1s"));
  Turn();
  EXPECT_THAT(answers_, ElementsAre(StatusIs(absl::StatusCode::kUnavailable,
                                             "the master did not answer within 1s")));
}

TEST_F(MasterProbeTest, MayGoBeforeTheAnswerComes) {
  Ask();
  Turn();
  probe_.reset();
  Turn();
  EXPECT_THAT(answers_, ElementsAre(StatusIs(absl::StatusCode::kCancelled)));
  master_.Answer(LinkReply{});
  Turn();
}

}  // namespace
}  // namespace squall::internal
