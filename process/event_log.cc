#include "squall/process/event_log.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/base/status_macros.h"
#include "squall/process/seqlock.h"

namespace squall {
namespace {

constexpr size_t kWord = sizeof(uint64_t);
constexpr size_t kLeastBytes = 8 * 1024;
constexpr char kCut[] = "…";

// How often a reader begins anew when the master overwrites what it reads.
constexpr int kReadAttempts = 64;

// At most `size` octets, and no half of a character of UTF-8.
std::string_view Cut(std::string_view text, size_t size) {
  if (text.size() <= size) return text;
  size_t end = size;
  while (end > 0 && size - end < 3 && (text[end] & 0xc0) == 0x80) --end;
  return text.substr(0, (text[end] & 0xc0) == 0x80 ? size : end);
}

std::string CutText(std::string_view text) {
  if (text.size() <= EventLog::kMaxText) return std::string(text);
  std::string cut(Cut(text, EventLog::kMaxText - (sizeof(kCut) - 1)));
  return cut.append(kCut);
}

}  // namespace

// Positions count words since the log began and only grow; a word stands in the cell of its position
// modulo the capacity.
struct EventLog::Bounds {
  uint64_t head = 0;   // Of the oldest event that is kept.
  uint64_t tail = 0;   // Behind the newest.
  uint64_t first = 1;  // The version at `head`.
  uint64_t next = 1;   // That of the event which will stand at `tail`.
};

struct EventLog::Header {
  internal::Seqlock<Bounds> bounds;
};

// Followed by actor, method, reason and text.
struct EventLog::Record {
  static constexpr size_t kTexts = 4;

  uint64_t version = 0;
  uint64_t words = 0;  // Of all of it.
  int64_t at_ns = 0;
  uint64_t incarnation = 0;
  uint64_t generation = 0;
  int64_t time_left_ns = 0;
  uint64_t count = 0;
  int32_t slot = 0;
  int32_t pid = 0;
  uint16_t sizes[kTexts] = {};
  PoolNote::Severity severity = PoolNote::Severity::kInfo;
  PoolNote::Type type = PoolNote::Type::kPoolStarted;
  uint8_t reserved[6] = {};

  static constexpr uint64_t WordsFor(size_t text) {
    return (sizeof(Record) + text + kWord - 1) / kWord;
  }
};

absl::StatusOr<EventLog> EventLog::Create(size_t bytes) {
  static_assert(sizeof(Record) % kWord == 0);
  bytes = std::max(bytes, kLeastBytes) / kWord * kWord;
  ASSIGN_OR_RETURN(internal::SharedMemory memory,
                   internal::SharedMemory::Create("the events", sizeof(Header) + bytes));
  auto* const header = new (memory.data()) Header;
  header->bounds.Store(Bounds());
  // Zeroes are valid words.
  return EventLog(std::move(memory));
}

EventLog::Header& EventLog::header() const {
  return *std::launder(reinterpret_cast<Header*>(memory_.data()));
}

EventLog::Bounds EventLog::bounds() const {
  Bounds bounds;
  bounds.next = 0;
  // When the master stands still in the middle of it, what it published before that is as good.
  while (!header().bounds.Load(&bounds) && bounds.next == 0) {
  }
  return bounds;
}

uint64_t EventLog::capacity() const { return (memory_.size() - sizeof(Header)) / kWord; }

void EventLog::CopyOut(uint64_t position, void* out, uint64_t words) const {
  const auto* const cells =
      reinterpret_cast<const std::atomic<uint64_t>*>(memory_.data() + sizeof(Header));
  for (uint64_t i = 0; i < words; ++i) {
    const uint64_t word = cells[(position + i) % capacity()].load(std::memory_order_relaxed);
    std::memcpy(static_cast<char*>(out) + i * kWord, &word, kWord);
  }
}

void EventLog::CopyIn(uint64_t position, const void* data, uint64_t words) {
  auto* const cells = reinterpret_cast<std::atomic<uint64_t>*>(memory_.data() + sizeof(Header));
  for (uint64_t i = 0; i < words; ++i) {
    uint64_t word;
    std::memcpy(&word, static_cast<const char*>(data) + i * kWord, kWord);
    cells[(position + i) % capacity()].store(word, std::memory_order_relaxed);
  }
}

uint64_t EventLog::Append(const PoolNote& note, absl::Time at) {
  const std::string text = CutText(note.text);
  const std::string_view texts[Record::kTexts] = {
      Cut(note.actor, kMaxName), Cut(note.method, kMaxName), Cut(note.reason, kMaxName), text};
  constexpr size_t kLongest = sizeof(Record) + 3 * kMaxName + kMaxText;
  static_assert(kLongest + kWord < kLeastBytes / 4);
  char bytes[(kLongest / kWord + 1) * kWord] = {};

  Bounds bounds = this->bounds();
  Record record{.version = bounds.next,
                .at_ns = absl::ToUnixNanos(at),
                .incarnation = note.incarnation,
                .generation = note.generation,
                .time_left_ns = absl::ToInt64Nanoseconds(note.time_left),
                .count = note.count,
                .slot = note.slot,
                .pid = note.pid,
                .severity = note.severity,
                .type = note.type};
  size_t size = 0;
  for (size_t i = 0; i < Record::kTexts; ++i) {
    texts[i].copy(bytes + sizeof(Record) + size, texts[i].size());
    record.sizes[i] = static_cast<uint16_t>(texts[i].size());
    size += texts[i].size();
  }
  record.words = Record::WordsFor(size);
  std::memcpy(bytes, &record, sizeof(Record));

  // First what has to go is gone for every reader, then it is overwritten, then the new one is
  // there. So a reader that finds its event still kept after copying it has copied all of it.
  while (bounds.tail + record.words - bounds.head > capacity()) {
    Record oldest;
    CopyOut(bounds.head, &oldest, sizeof(Record) / kWord);
    bounds.head += oldest.words;
    bounds.first = oldest.version + 1;
  }
  header().bounds.Store(bounds);
  std::atomic_thread_fence(std::memory_order_release);
  CopyIn(bounds.tail, bytes, record.words);
  bounds.tail += record.words;
  ++bounds.next;
  header().bounds.Store(bounds);
  return record.version;
}

EventLog::Range EventLog::range() const {
  const Bounds now = bounds();
  return {.first = now.first, .next = now.next};
}

EventCursor EventLog::End() const {
  const Bounds now = bounds();
  return {.version = now.next, .position = now.tail};
}

std::optional<EventCursor> EventLog::Seek(uint64_t version) const {
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    const Bounds before = bounds();
    if (version < before.first || version > before.next) return std::nullopt;
    EventCursor cursor{.version = before.first, .position = before.head};
    bool sound = true;
    while (cursor.version < version && sound) {
      uint64_t head[2];  // version, words
      CopyOut(cursor.position, head, 2);
      sound = head[0] == cursor.version && head[1] <= capacity();
      cursor.position += head[1];
      ++cursor.version;
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    if (sound && bounds().head == before.head) return cursor;
  }
  return std::nullopt;
}

EventRead EventLog::Next(EventCursor* cursor, LoggedEvent* event) const {
  const Bounds before = bounds();
  if (cursor->version >= before.next) return EventRead::kNone;
  if (cursor->position < before.head) return EventRead::kCompacted;
  Record record;
  CopyOut(cursor->position, &record, sizeof(Record) / kWord);
  size_t size = 0;
  for (const uint16_t part : record.sizes) size += part;
  std::string text;
  if (record.words == Record::WordsFor(size) && record.words <= capacity()) {
    const uint64_t words = record.words - sizeof(Record) / kWord;
    text.resize(words * kWord);
    CopyOut(cursor->position + sizeof(Record) / kWord, text.data(), words);
  }
  std::atomic_thread_fence(std::memory_order_acquire);
  if (cursor->position < bounds().head) return EventRead::kCompacted;
  CHECK_EQ(record.version, cursor->version) << "the event log is damaged";

  event->version = record.version;
  event->at = absl::FromUnixNanos(record.at_ns);
  PoolNote& note = event->note;
  note = PoolNote{.severity = record.severity,
                  .type = record.type,
                  .slot = record.slot,
                  .incarnation = record.incarnation,
                  .generation = record.generation,
                  .pid = record.pid,
                  .time_left = absl::Nanoseconds(record.time_left_ns),
                  .count = record.count};
  size_t begin = 0;
  std::string* const parts[Record::kTexts] = {&note.actor, &note.method, &note.reason, &note.text};
  for (size_t i = 0; i < Record::kTexts; ++i) {
    *parts[i] = text.substr(begin, record.sizes[i]);
    begin += record.sizes[i];
  }
  ++cursor->version;
  cursor->position += record.words;
  return EventRead::kEvent;
}

}  // namespace squall
