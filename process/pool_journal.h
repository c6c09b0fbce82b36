// Where the master tells what happens in its pool: each note becomes a line of the log and an event,
// in the same words.
//
//   PoolJournal journal(events);
//   journal.Add(note);
//   if (journal.Record(now, absl::Now())) TellReaders();
//   journal.Log();
//
// Refusals of the same method to the same actor for the same reason are folded: the first is told
// at once, further ones after 1 s, 2 s, 4 s, … 5 min with their number. There are 64 kinds of them at
// a time; what is beyond counts as one kind. So a flood of refused requests, whoever they are from,
// comes down to 800 events an hour, and cannot push everything else out of the log.
//
// The master's, in its one thread.
#ifndef SQUALL_PROCESS_POOL_JOURNAL_H_
#define SQUALL_PROCESS_POOL_JOURNAL_H_

#include <vector>

#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/process/control_link.h"
#include "squall/process/event_log.h"
#include "squall/process/pool_action.h"
#include "squall/process/repeat_fold.h"

namespace squall {

class PoolJournal {
 public:
  // `log` is not owned.
  explicit PoolJournal(EventLog& log) : log_(log), refusals_(RepeatFoldOptions()) {}

  // Keeps the note until Record().
  void Add(const PoolNote& note) { waiting_.push_back(note); }
  // What the sidecar refused. Its texts are somebody else's: they are told without what a terminal
  // minds.
  void Add(const LinkRefusal& refusal);

  // Makes events of the notes. True: there are new ones.
  bool Record(MonotonicTime now, absl::Time wall);
  // Writes the lines of those that were recorded. Apart, for a log may be slow.
  void Log();

  // When Record() has something to tell that nobody adds.
  MonotonicTime next_deadline() const { return refusals_.next_deadline(); }

 private:
  EventLog& log_;
  RepeatFold<PoolNote> refusals_;
  std::vector<PoolNote> waiting_;
  std::vector<PoolNote> recorded_;  // Not logged yet.
};

}  // namespace squall

#endif  // SQUALL_PROCESS_POOL_JOURNAL_H_
