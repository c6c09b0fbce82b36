#include "squall/control/link_client.h"

#include <sys/socket.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/process/control_link.h"

namespace squall::internal {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

class LinkClientTest : public ::testing::Test {
 protected:
  LinkClientTest() : loop_(IOLoop::Current()) {
    auto ends = MakeControlLink().value();
    master_ = std::move(ends.first);
    sidecar_ = std::move(ends.second);
  }

  ~LinkClientTest() override {
    client_.reset();
    IOLoop::ClearCurrent();
  }

  void Start(LinkClientOptions options = {}) {
    options.on_notice = [this] {
      ++notices_;
      loop_.Stop();
    };
    options.on_end = [this](const absl::Status& why) {
      end_ = why;
      loop_.Stop();
    };
    client_fd_ = sidecar_.get();
    client_.emplace(loop_, std::move(sidecar_), std::move(options));
  }

  // Its answer goes to the end of answers_.
  void Resize(int workers) {
    LinkRequest request;
    request.target = workers;
    client_->Send(request, [this](absl::StatusOr<LinkReply> reply) {
      answers_.push_back(std::move(reply));
      if (answers_.size() >= wanted_answers_) loop_.Stop();
    });
  }

  // Runs the loop until somebody stops it.
  void RunLoop() {
    bool late = false;
    Timeout timeout = loop_.CallLater(kPatience, [&] {
      late = true;
      loop_.Stop();
    });
    loop_.Start();
    EXPECT_FALSE(late);
  }

  void Refuse(const char* actor) {
    LinkRefusal refusal;
    SetLinkText(refusal.actor, actor);
    SetLinkText(refusal.method, "KillWorker");
    client_->Report(refusal);
  }

  // "uid 1: 1", …
  std::vector<std::string> Refusals() {
    std::vector<std::string> refusals;
    for (;;) {
      const LinkRead read = ReceiveLink(master_.get());
      const auto* refusal = std::get_if<LinkRefusal>(&read);
      if (refusal == nullptr) return refusals;
      refusals.push_back(absl::StrCat(refusal->actor, ": ", refusal->count));
    }
  }

  // Runs the loop for the callbacks that are there.
  void RunOnce() {
    loop_.AddCallback([this] { loop_.Stop(); });
    loop_.Start();
  }

  std::optional<LinkRequest> NextRequest() {
    const LinkRead read = ReceiveLink(master_.get());
    const auto* request = std::get_if<LinkRequest>(&read);
    return request == nullptr ? std::nullopt : std::optional(*request);
  }

  bool Reply(uint64_t sequence, int desired) {
    LinkReply reply;
    reply.sequence = sequence;
    reply.desired = desired;
    return SendLink(master_.get(), reply);
  }

  IOLoop& loop_;
  UniqueFd master_;
  UniqueFd sidecar_;
  int client_fd_ = -1;  // sidecar_'s, once it is the client's
  Timeout next_look_;
  std::optional<LinkClient> client_;
  std::vector<absl::StatusOr<LinkReply>> answers_;
  size_t wanted_answers_ = 1;
  int notices_ = 0;
  std::optional<absl::Status> end_;
};

TEST_F(LinkClientTest, MatchesAnswersToQuestions) {
  Start();
  wanted_answers_ = 2;
  Resize(3);
  Resize(5);
  RunOnce();
  const std::optional<LinkRequest> first = NextRequest();
  const std::optional<LinkRequest> second = NextRequest();
  ASSERT_TRUE(first.has_value() && second.has_value());
  EXPECT_EQ(first->target, 3);
  EXPECT_EQ(second->target, 5);
  ASSERT_TRUE(Reply(second->sequence, 50) && Reply(12345, 99) && Reply(first->sequence, 30));
  RunLoop();
  ASSERT_EQ(answers_.size(), 2u);
  EXPECT_EQ(answers_[0]->desired, 50);
  EXPECT_EQ(answers_[1]->desired, 30);
}

TEST_F(LinkClientTest, SendsTheWholeCommand) {
  Start();
  LinkRequest whole;
  whole.command = LinkCommand::kRestart;
  whole.target = 3;
  whole.expected_generation = 7;
  SetLinkText(whole.request_id, "id");
  whole.validate_only = 1;
  SetLinkText(whole.actor, "uid 1000");
  whole.restart.soak_ns = 5;
  client_->Send(whole, [](const absl::StatusOr<LinkReply>&) {});
  RunOnce();
  const std::optional<LinkRequest> request = NextRequest();
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->command, LinkCommand::kRestart);
  EXPECT_EQ(request->restart.soak_ns, 5);
  EXPECT_EQ(request->target, 3);
  EXPECT_EQ(request->expected_generation, 7u);
  EXPECT_STREQ(request->request_id, "id");
  EXPECT_EQ(request->validate_only, 1u);
  EXPECT_STREQ(request->actor, "uid 1000");
}

TEST_F(LinkClientTest, GivesUpAfterTheDeadlineAndIgnoresTheLateAnswer) {
  Start({.reply_deadline = absl::Milliseconds(20)});
  Resize(3);
  RunLoop();
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].status().code(), absl::StatusCode::kUnavailable);
  const std::optional<LinkRequest> request = NextRequest();
  ASSERT_TRUE(request.has_value());
  ASSERT_TRUE(Reply(request->sequence, 3) && SendLink(master_.get(), LinkNotice{}));
  RunLoop();
  EXPECT_EQ(notices_, 1);
  EXPECT_EQ(answers_.size(), 1u);
}

TEST_F(LinkClientTest, KeepsFewCommandsInFlightAndSendsTheRestLater) {
  Start({.max_in_flight = 2, .max_pending = 5});
  wanted_answers_ = 99;
  for (int i = 0; i < 6; ++i) Resize(i);
  RunOnce();
  ASSERT_EQ(answers_.size(), 1u) << "the sixth is one too many";
  EXPECT_EQ(answers_[0].status().code(), absl::StatusCode::kUnavailable);
  std::vector<int> targets;
  for (const size_t in_flight : {2, 2, 1}) {
    std::vector<LinkRequest> requests;
    while (const std::optional<LinkRequest> request = NextRequest()) requests.push_back(*request);
    EXPECT_EQ(requests.size(), in_flight);
    for (const LinkRequest& request : requests) {
      targets.push_back(request.target);
      ASSERT_TRUE(Reply(request.sequence, request.target));
    }
    // The loop stops at it, so after the replies.
    ASSERT_TRUE(SendLink(master_.get(), LinkNotice{}));
    RunLoop();
  }
  EXPECT_EQ(targets, (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_EQ(answers_.size(), 6u);
}

TEST_F(LinkClientTest, EndOfFileEndsTheLinkAndWhatIsPending) {
  Start();
  wanted_answers_ = 99;
  Resize(3);
  RunOnce();
  master_.reset();
  RunLoop();
  ASSERT_TRUE(end_.has_value());
  EXPECT_TRUE(end_->ok());
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].status().code(), absl::StatusCode::kUnavailable);
  Resize(4);
  RunOnce();
  EXPECT_EQ(answers_.size(), 2u);
}

TEST_F(LinkClientTest, AnUnknownPacketEndsTheLink) {
  Start();
  ASSERT_EQ(send(master_.get(), "nonsense", 8, 0), 8);
  RunLoop();
  ASSERT_TRUE(end_.has_value());
  EXPECT_EQ(end_->code(), absl::StatusCode::kInternal);
}

TEST_F(LinkClientTest, ACommandThatComesAfterTheClientIsAnswered) {
  Start();
  Resize(3);
  client_.reset();
  RunOnce();
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(LinkClientTest, RefusalsThatAreAlikeGoTogether) {
  Start();
  for (int i = 0; i < 100; ++i) Refuse("uid 1");
  Refuse("uid 2");
  RunOnce();
  EXPECT_EQ(Refusals(), std::vector<std::string>({"uid 1: 1", "uid 2: 1"}));
  std::vector<std::string> later;
  const std::function<void()> look = [&] {
    later = Refusals();
    if (!later.empty()) return loop_.Stop();
    next_look_ = loop_.CallLater(absl::Milliseconds(5), look);
  };
  look();
  RunLoop();
  EXPECT_EQ(later, std::vector<std::string>({"uid 1: 99"}));
}

// The master does not read: what it was not told is told when it does.
TEST_F(LinkClientTest, RefusalsWaitForAFullLink) {
  Start();
  for (int i = 0; i < 40; ++i) Refuse("uid 1");
  RunOnce();
  EXPECT_EQ(Refusals().size(), 1u);
  while (SendLink(client_fd_, LinkRefusal{})) {
  }
  Refuse("uid 2");
  RunOnce();
  std::vector<std::string> told;
  const std::function<void()> look = [&] {
    for (std::string& refusal : Refusals()) {
      if (refusal[0] == 'u') told.push_back(std::move(refusal));
    }
    if (told.size() == 2) return loop_.Stop();
    next_look_ = loop_.CallLater(absl::Milliseconds(5), look);
  };
  look();
  RunLoop();
  EXPECT_THAT(told, ::testing::UnorderedElementsAre("uid 1: 39", "uid 2: 1"));
}

}  // namespace
}  // namespace squall::internal
