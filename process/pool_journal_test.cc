#include "squall/process/pool_journal.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/process/event_log.h"
#include "squall/process/repeat_fold.h"

namespace squall {
namespace {

using ::testing::ElementsAre;

class PoolJournalTest : public ::testing::Test {
 protected:
  void Refuse(const std::string& actor, uint64_t count = 1) {
    journal_.Add({.type = PoolNote::Type::kRequestRefused,
                  .text = absl::StrCat("kill by ", actor, " refused"),
                  .actor = actor,
                  .method = "KillWorker",
                  .reason = "ROLE_TOO_LOW",
                  .count = count});
    journal_.Record(now_, absl::Now());
  }
  void Pass(absl::Duration time) {
    now_ += time;
    journal_.Record(now_, absl::Now());
  }
  std::vector<std::string> NewTexts() {
    std::vector<std::string> texts;
    LoggedEvent event;
    while (log_.Next(&cursor_, &event) == EventRead::kEvent) texts.push_back(event.note.text);
    return texts;
  }

  MonotonicTime now_ = MonotonicTime() + absl::Hours(1);
  EventLog log_ = EventLog::Create().value();
  EventCursor cursor_ = log_.End();
  PoolJournal journal_{log_};
};

TEST_F(PoolJournalTest, TellsEachNoteOnce) {
  journal_.Add({.text = "one"});
  journal_.Add({.text = "two"});
  EXPECT_TRUE(journal_.Record(now_, absl::Now()));
  EXPECT_FALSE(journal_.Record(now_, absl::Now()));
  EXPECT_THAT(NewTexts(), ElementsAre("one", "two"));
  EXPECT_TRUE(journal_.next_deadline().is_infinite());
}

TEST_F(PoolJournalTest, RefusalsThatAreAlikeAreCounted) {
  Refuse("uid 1");
  EXPECT_THAT(NewTexts(), ElementsAre("kill by uid 1 refused"));
  for (int i = 0; i < 1000; ++i) Refuse("uid 1");
  Refuse("uid 1", 50);
  Refuse("uid 2");
  EXPECT_THAT(NewTexts(), ElementsAre("kill by uid 2 refused"));
  EXPECT_EQ(journal_.next_deadline(), now_ + absl::Seconds(1));
  Pass(absl::Seconds(1));
  EXPECT_THAT(NewTexts(), ElementsAre("kill by uid 1 refused (1050 times)"));
  // The next window is longer.
  Refuse("uid 1");
  EXPECT_EQ(journal_.next_deadline(), now_ + absl::Seconds(2));
  Pass(absl::Seconds(2));
  EXPECT_THAT(NewTexts(), ElementsAre("kill by uid 1 refused"));
  // After a quiet one it is told at once, but not more often.
  Pass(absl::Seconds(4));
  Refuse("uid 1");
  EXPECT_THAT(NewTexts(), ElementsAre("kill by uid 1 refused"));
  Refuse("uid 1");
  EXPECT_EQ(journal_.next_deadline(), now_ + absl::Seconds(8));
  // Only after a long time it is new.
  Pass(absl::Seconds(8));
  Pass(absl::Minutes(5));
  NewTexts();
  Refuse("uid 1");
  Refuse("uid 1");
  EXPECT_EQ(journal_.next_deadline(), now_ + absl::Seconds(1));
}

TEST_F(PoolJournalTest, AFloodDoesNotPushTheRestOut) {
  journal_.Add({.text = "the first"});
  Pass(absl::ZeroDuration());
  // An hour of 100 refusals a second, each by somebody else.
  int actor = 0;
  for (int i = 0; i < 36'000; ++i) {
    for (int j = 0; j < 10; ++j) Refuse(absl::StrCat("uid ", ++actor % 200));
    Pass(absl::Milliseconds(100));
  }
  EXPECT_EQ(log_.range().first, 1u);
  EXPECT_LT(log_.range().next, 1500u);
  uint64_t told = 0;
  LoggedEvent event;
  while (log_.Next(&cursor_, &event) == EventRead::kEvent) {
    if (event.note.type == PoolNote::Type::kRequestRefused) told += event.note.count;
  }
  // Nothing is lost but what waits for the end of a window.
  EXPECT_GT(told, 300'000u);
  EXPECT_LE(told, 360'000u);
}

}  // namespace
}  // namespace squall
