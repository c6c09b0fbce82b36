#include "squall/process/event_log.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace squall {
namespace {

constexpr size_t kSmall = 8 * 1024;

PoolNote Note(uint64_t number, size_t extra = 0) {
  return {.severity = PoolNote::Severity::kWarning,
          .type = PoolNote::Type::kWorkerDied,
          .slot = static_cast<int>(number % 7),
          .incarnation = number,
          .generation = 3,
          .pid = 4711,
          .time_left = absl::Milliseconds(250),
          .text = absl::StrCat("event ", number, std::string(extra, '.')),
          .actor = "uid 1000",
          .method = "KillWorker",
          .reason = "NONE",
          .count = number + 1};
}

// All that the log has from `cursor` on. Each must be whole, and they must be in order.
void ReadOn(const EventLog& log, EventCursor* cursor, std::vector<LoggedEvent>* events) {
  LoggedEvent event;
  while (true) {
    const uint64_t expected = cursor->version;
    switch (log.Next(cursor, &event)) {
      case EventRead::kNone:
        return;
      case EventRead::kCompacted:
        if (const auto again = log.Seek(log.range().first)) *cursor = *again;
        break;
      case EventRead::kEvent:
        ASSERT_EQ(event.version, expected);
        ASSERT_EQ(event.note.incarnation, event.version);
        ASSERT_EQ(event.note.text.substr(0, event.note.text.find('.')),
                  absl::StrCat("event ", event.version));
        ASSERT_EQ(event.note.actor, "uid 1000");
        events->push_back(event);
        break;
    }
  }
}

TEST(EventLog, KeepsEverythingOfAnEvent) {
  EventLog log = EventLog::Create().value();
  EXPECT_EQ(log.range().first, 1u);
  EXPECT_EQ(log.range().next, 1u);
  EventCursor cursor = *log.Seek(1);
  LoggedEvent event;
  EXPECT_EQ(log.Next(&cursor, &event), EventRead::kNone);

  const absl::Time at = absl::FromUnixMicros(1'800'000'000'123'456);
  EXPECT_EQ(log.Append(Note(1), at), 1u);
  ASSERT_EQ(log.Next(&cursor, &event), EventRead::kEvent);
  EXPECT_EQ(event.version, 1u);
  EXPECT_EQ(event.at, at);
  EXPECT_EQ(event.note.severity, PoolNote::Severity::kWarning);
  EXPECT_EQ(event.note.type, PoolNote::Type::kWorkerDied);
  EXPECT_EQ(event.note.slot, 1);
  EXPECT_EQ(event.note.generation, 3u);
  EXPECT_EQ(event.note.pid, 4711);
  EXPECT_EQ(event.note.time_left, absl::Milliseconds(250));
  EXPECT_EQ(event.note.text, "event 1");
  EXPECT_EQ(event.note.actor, "uid 1000");
  EXPECT_EQ(event.note.method, "KillWorker");
  EXPECT_EQ(event.note.reason, "NONE");
  EXPECT_EQ(event.note.count, 2u);
  EXPECT_EQ(log.Next(&cursor, &event), EventRead::kNone);
}

TEST(EventLog, LongTextsAreCut) {
  EventLog log = EventLog::Create(kSmall).value();
  PoolNote note;
  note.text = std::string(5000, 'x');
  note.actor = std::string(500, 'a');
  log.Append(note, absl::Now());
  EventCursor cursor = *log.Seek(1);
  LoggedEvent event;
  ASSERT_EQ(log.Next(&cursor, &event), EventRead::kEvent);
  EXPECT_EQ(event.note.text, absl::StrCat(std::string(EventLog::kMaxText - 3, 'x'), "…"));
  EXPECT_EQ(event.note.actor, std::string(EventLog::kMaxName, 'a'));
}

TEST(EventLog, NoCharacterIsCutInHalf) {
  EventLog log = EventLog::Create(kSmall).value();
  PoolNote note;
  note.text = "x";
  for (int i = 0; i < 1000; ++i) note.text += "é";
  note.actor = "x" + note.text.substr(1, 200);
  log.Append(note, absl::Now());
  EventCursor cursor = *log.Seek(1);
  LoggedEvent event;
  ASSERT_EQ(log.Next(&cursor, &event), EventRead::kEvent);
  // 1021 octets are left for the text, and 96 for the name: whole characters only.
  EXPECT_EQ(event.note.text, note.text.substr(0, 1021) + "…");
  EXPECT_EQ(event.note.actor, note.actor.substr(0, 95));
}

TEST(EventLog, TheOldestGoWhenItIsFull) {
  EventLog log = EventLog::Create(kSmall).value();
  EventCursor old = *log.Seek(1);
  constexpr uint64_t kEvents = 5000;
  for (uint64_t i = 1; i <= kEvents; ++i) {
    log.Append(Note(i, i % 97), absl::Now());
    const EventLog::Range range = log.range();
    ASSERT_EQ(range.next, i + 1);
    ASSERT_LE(range.first, i);
    // Whatever is kept can be found and read to the end.
    if (i % 250 != 0) continue;
    for (uint64_t version = range.first; version <= range.next; ++version) {
      std::optional<EventCursor> cursor = log.Seek(version);
      ASSERT_TRUE(cursor.has_value()) << version;
      std::vector<LoggedEvent> events;
      ReadOn(log, &*cursor, &events);
      ASSERT_EQ(events.size(), range.next - version);
    }
  }
  // A bound in octets: some 200 octets each.
  EXPECT_GT(log.range().first, kEvents - 60);
  EXPECT_LT(log.range().first, kEvents - 20);
  LoggedEvent event;
  EXPECT_EQ(log.Next(&old, &event), EventRead::kCompacted);
  EXPECT_FALSE(log.Seek(log.range().first - 1).has_value());
  EXPECT_FALSE(log.Seek(log.range().next + 1).has_value());
  EXPECT_EQ(log.End().version, kEvents + 1);
  EXPECT_EQ(log.End().position, log.Seek(kEvents + 1)->position);
}

TEST(EventLog, AReaderBesideTheWriterNeverSeesHalfAnEvent) {
  EventLog log = EventLog::Create(kSmall).value();
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (uint64_t i = 1; i <= 300'000; ++i) log.Append(Note(i, i % 61), absl::UnixEpoch());
    done = true;
  });
  std::vector<std::thread> readers;
  std::atomic<size_t> seen = 0;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      EventCursor cursor;
      while (!done) {
        std::vector<LoggedEvent> events;
        ReadOn(log, &cursor, &events);
        seen += events.size();
      }
    });
  }
  writer.join();
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(seen, 0u);
  EXPECT_EQ(log.range().next, 300'001u);
}

// The writer is another process, and is killed wherever it is.
TEST(EventLog, AWriterThatIsKilledLeavesWholeEvents) {
  for (int round = 0; round < 30; ++round) {
    EventLog log = EventLog::Create(kSmall).value();
    const pid_t writer = fork();
    if (writer == 0) {
      for (uint64_t i = 1;; ++i) log.Append(Note(i, i % 61), absl::UnixEpoch());
    }
    ASSERT_GT(writer, 0);
    while (log.range().first < 2 + static_cast<uint64_t>(round) * 37) {
    }
    ASSERT_EQ(kill(writer, SIGKILL), 0);
    ASSERT_EQ(waitpid(writer, nullptr, 0), writer);

    const EventLog::Range range = log.range();
    std::optional<EventCursor> cursor = log.Seek(range.first);
    ASSERT_TRUE(cursor.has_value());
    std::vector<LoggedEvent> events;
    ReadOn(log, &*cursor, &events);
    EXPECT_EQ(events.size(), range.next - range.first);
    EXPECT_GT(events.size(), 20u);
  }
}

TEST(EventLog, AChildMayBeHeldToReading) {
  EventLog log = EventLog::Create(kSmall).value();
  log.Append(Note(1), absl::Now());
  const pid_t child = fork();
  if (child == 0) {
    if (!log.RestrictToReading().ok()) _exit(1);
    EventCursor cursor = *log.Seek(1);
    LoggedEvent event;
    if (log.Next(&cursor, &event) != EventRead::kEvent) _exit(2);
    signal(SIGSEGV, [](int) { _exit(3); });
    log.Append(Note(2), absl::Now());
    _exit(4);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 3);
}

}  // namespace
}  // namespace squall
