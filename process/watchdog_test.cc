#include "squall/process/watchdog.h"

#include <algorithm>
#include <csignal>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/base/status_matchers.h"
#include "squall/process/process_stat.h"
#include "squall/process/watchdog_options.h"
#include "squall/process/worker_row.h"

namespace squall {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kNever = absl::InfiniteDuration();

RequestInFlight Request(std::string_view method, std::string_view target, MonotonicTime since) {
  RequestInFlight request;
  request.since = since;
  request.method_size = static_cast<uint8_t>(std::min<size_t>(method.size(), 15));
  request.target_size = static_cast<uint8_t>(std::min<size_t>(target.size(), 127));
  std::copy_n(method.begin(), request.method_size, request.method_data);
  std::copy_n(target.begin(), request.target_size, request.target_data);
  return request;
}

// A worker as the master sees it, looked at each second.
class WatchdogTest : public ::testing::Test {
 protected:
  void Make(const WatchdogOptions& options) {
    ASSERT_THAT(Validate(options), IsOk());
    options_ = options;
    watchdog_.emplace(options);
    Beat();
    Look();
  }

  void Beat() { sample_.heartbeat = now_; }
  void BeginRequest(std::string_view target = "/report?year=2026") {
    sample_.request = Request("GET", target, now_);
    sample_.in_flight = 1;
  }
  void EndRequest() {
    sample_.request.reset();
    sample_.in_flight = 0;
  }
  // From now on the kernel says `state` and gives that part of a processor.
  void Is(char state, double share = 0) {
    state_ = state;
    share_ = share;
  }

  const WatchdogVerdict& Look(absl::Duration after = absl::ZeroDuration()) {
    now_ += after;
    cpu_time_ += share_ * after;
    sample_.now = now_;
    if (state_ != 0) sample_.stat = ProcessStat{.state = state_, .cpu_time = cpu_time_};
    verdict_ = watchdog_->Judge(sample_);
    switch (verdict_.note) {
      case WatchdogNote::kNone:
        break;
      case WatchdogNote::kWarn:
        notes_.push_back(absl::StrCat("warn: ", verdict_.text));
        break;
      case WatchdogNote::kRecovered:
        notes_.push_back(verdict_.text);
        break;
    }
    if (verdict_.due.has_value()) {
      notes_.push_back(absl::StrCat(*verdict_.due == SIGABRT ? "ABRT: " : "KILL: ", verdict_.text));
    }
    return verdict_;
  }
  // A look each second; what was said, in order.
  std::vector<std::string> Watch(int seconds) {
    notes_.clear();
    for (int i = 0; i < seconds; ++i) Look(absl::Seconds(1));
    return notes_;
  }
  std::vector<std::string> WatchBeating(int seconds) {
    notes_.clear();
    for (int i = 0; i < seconds; ++i) {
      now_ += absl::Milliseconds(500);
      Beat();
      Look(absl::Milliseconds(500));
    }
    return notes_;
  }

  using Notes = std::vector<std::string>;

  WatchdogOptions options_;
  std::optional<Watchdog> watchdog_;
  MonotonicTime now_ = MonotonicTime::FromNanos(0) + absl::Hours(1);
  absl::Duration cpu_time_;
  char state_ = 'S';
  double share_ = 0;
  WatchdogSample sample_;
  WatchdogVerdict verdict_;
  Notes notes_;
};

TEST_F(WatchdogTest, HealthyWhileTheHeartbeatIsFresh) {
  Make({.stall_kill = absl::Seconds(10), .request_timeout = absl::Seconds(10)});
  BeginRequest();
  EXPECT_EQ(WatchBeating(100), Notes());
  EXPECT_EQ(verdict_.health, WorkerHealth::kHealthy);
  EXPECT_TRUE(verdict_.since.is_infinite());
  EXPECT_EQ(verdict_.text, "");
}

TEST_F(WatchdogTest, BeforeTheFirstHeartbeatTheBootTimeoutCounts) {
  Make({.stall_kill = absl::Seconds(10)});
  sample_.heartbeat = MonotonicTime::Infinite();
  EXPECT_EQ(Watch(100), Notes());
  Is('T');
  EXPECT_EQ(Watch(100), Notes());
  EXPECT_EQ(verdict_.health, WorkerHealth::kHealthy);
}

TEST_F(WatchdogTest, SaysWhatAWorkerIsAt) {
  struct Case {
    char state;
    double share;
    const char* target;
    uint64_t in_flight;
    WorkerHealth health;
    const char* text;
  };
  for (const Case& c : std::vector<Case>{
           {'S', 0, "/a?b=c", 1, WorkerHealth::kStalled, "stalled for 12s in GET /a?b=c (asleep)"},
           {'R', 0.9, "/a", 1, WorkerHealth::kStalled, "stalled for 12s in GET /a (running)"},
           {'R', 0.11, "/a", 1, WorkerHealth::kStalled, "stalled for 12s in GET /a (running)"},
           {'S', 0, "/a", 3, WorkerHealth::kStalled,
            "stalled for 12s in GET /a, the last begun of 3 (asleep)"},
           {'S', 0, nullptr, 0, WorkerHealth::kStalled,
            "stalled for 12s outside any request (asleep)"},
           {'S', 0, nullptr, 2, WorkerHealth::kStalled,
            "stalled for 12s with 2 requests in flight (asleep)"},
           {0, 0, "/a", 1, WorkerHealth::kStalled, "stalled for 12s in GET /a"},
           {'D', 0, "/a", 1, WorkerHealth::kInKernel,
            "stalled for 12s in GET /a (in the kernel, state D: a disk or network file system)"},
           {'R', 0.04, "/a", 1, WorkerHealth::kStarved,
            "starved for 12s in GET /a (runnable, but it got 4% of a processor)"},
           {'T', 0, "/a", 1, WorkerHealth::kStopped, "stopped for 12s by a signal in GET /a"},
           {'t', 0, nullptr, 0, WorkerHealth::kStopped,
            "stopped for 12s by a debugger outside any request"},
           {'S', 0, "/\x1b[31m\n\xc3\xa4", 1, WorkerHealth::kStalled,
            "stalled for 12s in GET /\\x1b[31m\\n\\xc3\\xa4 (asleep)"},
       }) {
    sample_ = {};
    Is(c.state, c.share);
    Make({});
    Look();
    Watch(0);
    EndRequest();
    if (c.target != nullptr) BeginRequest(c.target);
    sample_.in_flight = c.in_flight;
    const MonotonicTime begin = now_;
    Watch(12);
    EXPECT_EQ(verdict_.health, c.health) << c.text;
    EXPECT_EQ(verdict_.since, begin) << c.text;
    EXPECT_EQ(verdict_.text, c.text);
    EXPECT_EQ(verdict_.due, std::nullopt);
    EXPECT_EQ(notes_.size(), 1u) << c.text;
  }
}

TEST_F(WatchdogTest, SaysThatALongTargetWasCut) {
  Make({});
  BeginRequest(absl::StrCat("/", std::string(200, 'x')));
  Watch(12);
  EXPECT_EQ(verdict_.text,
            absl::StrCat("stalled for 12s in GET /", std::string(126, 'x'), "... (asleep)"));
}

TEST_F(WatchdogTest, WarnsOnceForEachSilenceAndSaysWhenItEnds) {
  Make({});
  BeginRequest("/slow");
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(Watch(9), Notes());
    EXPECT_EQ(Watch(1), Notes{"warn: stalled for 10s in GET /slow (asleep)"});
    EXPECT_EQ(Watch(500), Notes());
    EXPECT_EQ(WatchBeating(1), Notes{"runs again; it was stalled for 8m30s in GET /slow (asleep)"});
    EXPECT_EQ(WatchBeating(50), Notes());
  }
}

TEST_F(WatchdogTest, AShortSilenceIsNotWorthANote) {
  Make({});
  for (int round = 0; round < 10; ++round) {
    EXPECT_EQ(Watch(9), Notes());
    EXPECT_EQ(verdict_.health, WorkerHealth::kStalled);
    EXPECT_EQ(WatchBeating(1), Notes());
    EXPECT_EQ(verdict_.health, WorkerHealth::kHealthy);
  }
}

// Between two handlers that block for long there may be a single heartbeat, and no look at a moment
// when it is fresh.
TEST_F(WatchdogTest, AHeartbeatThatIsOldAgainStillEndsASilence) {
  Make({.interval = absl::Seconds(4)});
  Look(absl::Seconds(4));
  Look(absl::Seconds(4));
  EXPECT_EQ(Look(absl::Seconds(4)).note, WatchdogNote::kWarn);
  sample_.heartbeat = now_ + absl::Seconds(1);
  EXPECT_EQ(Look(absl::Seconds(4)).note, WatchdogNote::kRecovered);
  EXPECT_EQ(verdict_.health, WorkerHealth::kStalled);
  EXPECT_EQ(verdict_.text, "runs again; it was stalled for 12s outside any request (asleep)");
  EXPECT_EQ(Look(absl::Seconds(4)).note, WatchdogNote::kNone);
  EXPECT_EQ(Look(absl::Seconds(4)).note, WatchdogNote::kWarn);
  EXPECT_EQ(verdict_.text, "stalled for 11s outside any request (asleep)");
}

TEST_F(WatchdogTest, NothingIsKilledUnlessAskedFor) {
  Make({});
  for (const char state : {'S', 'R', 'D', 'T', 't'}) {
    Is(state, 0.5);
    for (const std::string& note : Watch(5000)) {
      EXPECT_THAT(note, HasSubstr("warn: ")) << state;
    }
    WatchBeating(2);
  }
}

TEST_F(WatchdogTest, StallKillIsDueUntilTheWorkerIsGone) {
  Make({.stall_kill = absl::Seconds(30)});
  BeginRequest("/slow");
  EXPECT_EQ(Watch(29), Notes{"warn: stalled for 10s in GET /slow (asleep)"});
  EXPECT_EQ(Watch(2), (Notes{"ABRT: stalled for 30s in GET /slow (asleep), limit 30s",
                             "ABRT: stalled for 31s in GET /slow (asleep), limit 30s"}));
  EXPECT_EQ(WatchBeating(2), Notes{"runs again; it was stalled for 31s in GET /slow (asleep)"});
}

TEST_F(WatchdogTest, AStoppedWorkerIsNotAStalledOne) {
  Make({.stall_kill = absl::Seconds(10)});
  EXPECT_EQ(Watch(5), Notes());
  Is('T');
  EXPECT_EQ(Watch(10), Notes());
  EXPECT_EQ(Watch(1), Notes{"warn: stopped for 10s by a signal outside any request"});
  EXPECT_EQ(Watch(1000), Notes());
  // Continued inside its handler, it gets a fresh period, which begins with the last look at which it
  // was stopped.
  Is('S');
  EXPECT_EQ(Watch(9),
            Notes{"runs again; it was stopped for 16m50s by a signal outside any request"});
  EXPECT_EQ(Watch(1), (Notes{"warn: stalled for 10s outside any request (asleep), limit 10s",
                             "ABRT: stalled for 10s outside any request (asleep), limit 10s"}));
}

TEST_F(WatchdogTest, StopsAreCountedFromWhenTheyWereSeen) {
  Make({.stall_warn = absl::Seconds(2), .stopped_kill = absl::Seconds(5)});
  Watch(60);
  Is('T');
  EXPECT_EQ(Watch(5), Notes{"warn: stopped for 2s by a signal outside any request"});
  EXPECT_EQ(Watch(2), (Notes{"KILL: stopped for 5s by a signal outside any request, limit 5s",
                             "KILL: stopped for 6s by a signal outside any request, limit 5s"}));
}

TEST_F(WatchdogTest, StoppedAndContinuedInTimeNothingHappens) {
  Make({.stall_kill = absl::Seconds(10), .stopped_kill = absl::Seconds(8)});
  for (int round = 0; round < 10; ++round) {
    Is('T');
    EXPECT_EQ(Watch(8), Notes());
    Is('S');
    EXPECT_EQ(Watch(1), Notes());
    EXPECT_EQ(WatchBeating(3), Notes());
  }
}

TEST_F(WatchdogTest, StarvedTimeIsNotHeldAgainstAWorker) {
  Make({.stall_kill = absl::Seconds(30)});
  BeginRequest("/sum");
  Is('R', 0.02);
  EXPECT_EQ(Watch(1000),
            Notes{"warn: starved for 10s in GET /sum (runnable, but it got 2% of a processor)"});
  EXPECT_EQ(verdict_.health, WorkerHealth::kStarved);
  // Of what follows, all counts; of what was before, only the first two seconds, whose looks had
  // nothing to compare with or found the heartbeat fresh.
  Is('R', 1);
  EXPECT_EQ(Watch(28), Notes());
  EXPECT_EQ(Watch(1).size(), 1u);
  EXPECT_THAT(notes_[0], HasSubstr("ABRT: stalled for 17m"));
}

TEST_F(WatchdogTest, TimeInTheKernelIsNotHeldAgainstAWorker) {
  Make({.stall_kill = absl::Seconds(30)});
  Is('D');
  EXPECT_EQ(Watch(1000).size(), 1u);
  // A handler that reads a slow disk: half of the looks find it there. It is ended in the end.
  WatchBeating(2);
  std::vector<std::string> all;
  int seconds = 0;
  for (; seconds < 100 && verdict_.due == std::nullopt; ++seconds) {
    Is(seconds % 2 == 0 ? 'D' : 'S');
    Watch(1);
  }
  EXPECT_GE(seconds, 58);
  EXPECT_LE(seconds, 62);
  EXPECT_EQ(verdict_.due, SIGABRT);
}

TEST_F(WatchdogTest, WhatHinderedBeforeAFreshPeriodIsNoPartOfIt) {
  Make({.stall_kill = absl::Seconds(30)});
  for (const bool stops : {true, false}) {
    WatchBeating(2);
    Is('D');
    Watch(20);
    Is(stops ? 'T' : 'S');
    Look(stops ? absl::Seconds(1) : absl::Seconds(60));
    Is('S');
    Watch(29);
    EXPECT_EQ(verdict_.due, std::nullopt);
    Watch(1);
    EXPECT_EQ(verdict_.due, SIGABRT);
    watchdog_.emplace(options_);
  }
}

TEST_F(WatchdogTest, NothingHindersBeforeTheSilence) {
  Make({.interval = absl::Seconds(3), .stall_kill = absl::Seconds(11)});
  sample_.heartbeat = now_ + absl::Seconds(1);
  Is('D');
  Look(absl::Seconds(4));  // Three seconds of silence, all of them in the kernel.
  Is('S');
  for (int i = 0; i < 10; ++i) {
    Look(absl::Seconds(1));
    EXPECT_EQ(verdict_.due, std::nullopt);
  }
  EXPECT_EQ(Look(absl::Seconds(1)).due, SIGABRT);
}

TEST_F(WatchdogTest, ContinuedAndStoppedAgainBetweenTwoLooks) {
  Make({.stopped_kill = absl::Seconds(10)});
  Is('T');
  EXPECT_EQ(Watch(9), Notes());
  Beat();
  EXPECT_EQ(Watch(10), Notes());
  EXPECT_EQ(Watch(1).size(), 2u);
  EXPECT_EQ(verdict_.due, SIGKILL);
}

TEST_F(WatchdogTest, ALookTooSoonSaysNothingAboutProcessorTime) {
  Make({});
  Is('R', 1);
  Watch(2);
  Is('R', 0);
  Look(absl::Milliseconds(20));
  EXPECT_EQ(verdict_.health, WorkerHealth::kStalled);
}

TEST_F(WatchdogTest, AnOlderProcessorTimeIsBetterThanNone) {
  Make({});
  Is('R', 0.5);
  Look(absl::Seconds(1));
  Is(0);
  sample_.stat.reset();
  WatchBeating(20);
  Is('R', 0.001);
  Watch(2);
  EXPECT_EQ(verdict_.health, WorkerHealth::kStarved);
}

TEST_F(WatchdogTest, AMasterThatStoodStillGivesOneMorePeriod) {
  Make({.stall_kill = absl::Seconds(30)});
  EXPECT_EQ(Watch(20).size(), 1u);
  EXPECT_EQ(Look(absl::Seconds(60)).due, std::nullopt);  // SIGSTOP of the master.
  EXPECT_EQ(Watch(29), Notes());
  EXPECT_EQ(Watch(1), Notes{"ABRT: stalled for 30s outside any request (asleep), limit 30s"});
}

TEST_F(WatchdogTest, AMasterThatIsOnlySlowDoesNot) {
  Make({.stall_kill = absl::Seconds(30)});
  for (int i = 0; i < 4; ++i) Look(absl::Seconds(6));
  EXPECT_EQ(verdict_.due, std::nullopt);
  EXPECT_EQ(Look(absl::Seconds(6)).due, SIGABRT);
}

TEST_F(WatchdogTest, AMasterThatStoodStillExcusesTheStoppedAndTheWarning) {
  Make({.stopped_kill = absl::Seconds(30)});
  Is('T');
  Watch(5);
  EXPECT_EQ(Look(absl::Seconds(60)).due, std::nullopt);
  EXPECT_EQ(verdict_.note, WatchdogNote::kNone);
  EXPECT_EQ(Watch(29), Notes{"warn: stopped for 10s by a signal outside any request"});
  Watch(1);
  EXPECT_EQ(verdict_.due, SIGKILL);
}

TEST_F(WatchdogTest, WhatWasBeforeTheFirstLookIsUnknown) {
  Make({.stall_kill = absl::Seconds(30)});
  watchdog_.emplace(options_);  // As after an exec of the master.
  sample_.heartbeat = now_ - absl::Hours(1);
  EXPECT_EQ(Look().note, WatchdogNote::kNone);
  EXPECT_EQ(Watch(29), Notes{"warn: stalled for 10s outside any request (asleep)"});
  EXPECT_EQ(Watch(1).size(), 1u);
}

TEST_F(WatchdogTest, RequestTimeoutNeedsAStall) {
  Make({.request_timeout = absl::Seconds(30)});
  // A long request on a loop that runs.
  BeginRequest("/stream");
  EXPECT_EQ(WatchBeating(1000), Notes());
  // One that blocks for a while each time: old, but not yet stalled.
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(Watch(9), Notes());
    EXPECT_EQ(WatchBeating(1), Notes());
  }
  // The warning and the end come together then.
  EXPECT_EQ(Watch(9), Notes());
  Watch(1);
  EXPECT_EQ(verdict_.note, WatchdogNote::kWarn);
  EXPECT_EQ(verdict_.due, SIGABRT);
  EXPECT_EQ(verdict_.text, "stalled for 10s in GET /stream (asleep), begun 18m30s ago, limit 30s");
}

TEST_F(WatchdogTest, RequestTimeoutCountsFromTheRequest) {
  Make({.request_timeout = absl::Seconds(30)});
  EXPECT_EQ(Watch(1000), Notes{"warn: stalled for 10s outside any request (asleep)"});
  WatchBeating(5);
  BeginRequest("/slow");
  WatchBeating(5);
  EXPECT_EQ(Watch(24), Notes{"warn: stalled for 10s in GET /slow (asleep)"});
  EXPECT_EQ(Watch(1),
            Notes{"ABRT: stalled for 25s in GET /slow (asleep), begun 30s ago, limit 30s"});
}

TEST_F(WatchdogTest, RequestTimeoutExcusesAsTheOthersDo) {
  Make({.request_timeout = absl::Seconds(30)});
  BeginRequest();
  Watch(20);
  Is('T');
  Watch(20);
  Is('S');
  Watch(29);
  EXPECT_EQ(verdict_.due, std::nullopt);
  Watch(1);
  EXPECT_EQ(verdict_.due, SIGABRT);
}

TEST_F(WatchdogTest, RequestTimeoutDoesNotCountWhatHinders) {
  Make({.request_timeout = absl::Seconds(30)});
  BeginRequest();
  Is('D');
  Watch(20);
  Is('S');
  Watch(28);  // In the first of those twenty seconds the heartbeat was fresh.
  EXPECT_EQ(verdict_.due, std::nullopt);
  Watch(1);
  EXPECT_EQ(verdict_.due, SIGABRT);
}

TEST_F(WatchdogTest, WithoutStallWarnItSaysNothing) {
  Make({.stall_warn = kNever});
  EXPECT_EQ(Watch(10000), Notes());
  EXPECT_EQ(verdict_.health, WorkerHealth::kStalled);
  EXPECT_EQ(WatchBeating(1), Notes());
}

// Whatever a worker, the machine and the master do: nobody is ended who had not the whole period to
// itself, and warnings alternate with recoveries.
TEST_F(WatchdogTest, InvariantsUnderRandomFaults) {
  for (uint32_t seed = 1; seed <= 1000; ++seed) {
    std::minstd_rand random(seed);
    const auto below = [&random](uint32_t n) { return static_cast<int>(random() % n); };
    state_ = 'S';
    sample_ = {};
    Make({.stall_warn = absl::Seconds(2 + below(8)),
          .stall_kill = absl::Seconds(10 + below(30)),
          .stopped_kill = below(2) == 0 ? kNever : absl::Seconds(1 + below(30))});
    MonotonicTime at_fault_since = now_;  // Of the unbroken time in which it was able to beat.
    std::optional<MonotonicTime> stopped_since;
    bool warned = false;
    for (int step = 0; step < 300; ++step) {
      switch (below(12)) {
        case 0:
          Is('S');
          break;
        case 1:
          Is('R', 1);
          break;
        case 2:
          Is('R', 0.01);
          break;
        case 3:
          Is('D');
          break;
        case 4:
          Is('T');
          break;
        default:
          break;
      }
      const bool beats = below(20) == 0;
      if (beats) Beat();
      const absl::Duration gap = absl::Milliseconds(below(50) == 0 ? 60000 : 500 + below(1000));
      const WatchdogVerdict& verdict = Look(gap);
      const bool stopped = state_ == 'T';
      if (beats || stopped || gap > absl::Seconds(6)) at_fault_since = now_;
      if (beats) at_fault_since = sample_.heartbeat;
      if (!stopped) stopped_since.reset();
      if (stopped && !stopped_since.has_value()) stopped_since = now_ - gap;

      SCOPED_TRACE(absl::StrCat("seed ", seed, ", step ", step, ": ", verdict.text));
      EXPECT_EQ(stopped, verdict.health == WorkerHealth::kStopped);
      EXPECT_EQ(verdict.health == WorkerHealth::kHealthy, verdict.since.is_infinite());
      EXPECT_FALSE(verdict.note != WatchdogNote::kNone && verdict.text.empty());
      if (verdict.note == WatchdogNote::kRecovered) {
        EXPECT_TRUE(warned);
        warned = false;
      }
      if (verdict.note == WatchdogNote::kWarn) {
        EXPECT_GE(now_ - verdict.since, options_.stall_warn);
        warned = true;
      }
      if (verdict.due == SIGABRT) {
        EXPECT_EQ(verdict.health, WorkerHealth::kStalled);
        EXPECT_GE(now_ - at_fault_since, options_.stall_kill);
      } else if (verdict.due == SIGKILL) {
        ASSERT_TRUE(stopped_since.has_value());
        EXPECT_GE(now_ - *stopped_since, options_.stopped_kill);
      }
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace squall
