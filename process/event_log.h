// What happened in the pool, for whoever looks later or follows along: a ring in shared memory,
// written by the master alone, with a bound in octets. When it is full the oldest events go.
//
//   // The master:
//   ASSIGN_OR_RETURN(EventLog log, EventLog::Create());
//   log.Append(note, absl::Now());
//   // The control process:
//   std::optional<EventCursor> cursor = log.Seek(17);      // nullopt: 17 is not kept any more
//   LoggedEvent event;
//   while (log.Next(&*cursor, &event) == EventRead::kEvent) Show(event);
//
// A reader waits for nobody. What it copies counts only if the master has not begun to overwrite it
// meanwhile, and an event that the master died, or was stopped, in the middle of writing is not
// there.
#ifndef SQUALL_PROCESS_EVENT_LOG_H_
#define SQUALL_PROCESS_EVENT_LOG_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "squall/process/pool_action.h"
#include "squall/process/shared_memory.h"

namespace squall {

struct LoggedEvent {
  uint64_t version = 0;  // 1, 2, … without a gap, anew with each start of the master.
  absl::Time at{};
  // Texts are cut to what EventLog keeps of them; `text` has a "…" then.
  PoolNote note{};
};

// A place between two events of one log.
struct EventCursor {
  uint64_t version = 1;   // Of the event behind it.
  uint64_t position = 0;  // Opaque.
};

enum class EventRead {
  kEvent,
  kNone,       // The cursor is at the end.
  kCompacted,  // The event behind the cursor is not kept any more.
};

class EventLog {
 public:
  static constexpr size_t kDefaultBytes = size_t{1} << 20;
  // Octets of the texts of one event that are kept.
  static constexpr size_t kMaxText = 1024;
  static constexpr size_t kMaxName = 96;  // actor, method and reason

  // `bytes` is what all events together take at most, at least 8 KiB. A usual one takes 150.
  static absl::StatusOr<EventLog> Create(size_t bytes = kDefaultBytes);

  // The master. Returns the event's version.
  uint64_t Append(const PoolNote& note, absl::Time at);

  // A child of the master: from now on this process can only read.
  absl::Status RestrictToReading() { return memory_.RestrictToReading(); }

  // --- Any process, at any time.

  struct Range {
    uint64_t first = 1;  // The oldest event that is kept; next when there is none.
    uint64_t next = 1;   // What the next one will be.
  };
  Range range() const;

  // Behind the last event.
  EventCursor End() const;

  // Before the event with this version; nullopt when it is below range().first or above
  // range().next. Walks over what is kept.
  std::optional<EventCursor> Seek(uint64_t version) const;

  // Copies the event behind the cursor and takes the cursor over it.
  EventRead Next(EventCursor* cursor, LoggedEvent* event) const;

 private:
  struct Header;
  struct Bounds;
  struct Record;

  explicit EventLog(internal::SharedMemory memory) : memory_(std::move(memory)) {}

  Header& header() const;
  // As the master last published them.
  Bounds bounds() const;
  uint64_t capacity() const;  // In words.
  void CopyOut(uint64_t position, void* out, uint64_t words) const;
  void CopyIn(uint64_t position, const void* data, uint64_t words);

  internal::SharedMemory memory_;
};

}  // namespace squall

#endif  // SQUALL_PROCESS_EVENT_LOG_H_
