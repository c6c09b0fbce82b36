// Tells the first of many alike at once and counts the others, so that somebody who repeats a
// mistake does not fill a log: after each time that a kind is told a window begins in which it is
// only counted, twice as long as the one before. What came in it is told at its end.
//
//   RepeatFold<PoolNote> fold({.first_window = absl::Seconds(1), .max_window = absl::Minutes(5)});
//   if (fold.Add("uid 1000 ResizePool SLOT_CAPACITY", note, 1, now)) Tell(note);
//   for (auto& repeated : fold.Due(now)) Tell(repeated.last, repeated.count);
//
// A kind that does not come for max_window is forgotten. What it keeps is bounded: kinds beyond
// max_kinds are one kind together. Pure: no clock of its own. Not thread-safe.
#ifndef SQUALL_PROCESS_REPEAT_FOLD_H_
#define SQUALL_PROCESS_REPEAT_FOLD_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "squall/base/clock.h"

namespace squall {

struct RepeatFoldOptions {
  absl::Duration first_window = absl::Seconds(1);
  absl::Duration max_window = absl::Minutes(5);
  size_t max_kinds = 64;
};

template <typename T>
class RepeatFold {
 public:
  struct Repeated {
    T last;
    uint64_t count = 0;  // Since the kind was told last.
  };

  explicit RepeatFold(const RepeatFoldOptions& options) : options_(options) {}

  // True: tell it now. False: it is counted `count` times and comes out of Due().
  bool Add(const std::string& kind, T value, uint64_t count, MonotonicTime now) {
    auto it = kinds_.find(kind);
    if (it == kinds_.end() && kinds_.size() >= options_.max_kinds) {
      std::erase_if(kinds_, [&](const auto& entry) { return IsForgotten(entry.second, now); });
      if (kinds_.size() >= options_.max_kinds) it = kinds_.try_emplace("").first;
    }
    if (it == kinds_.end()) it = kinds_.try_emplace(kind).first;
    Kind& known = it->second;
    if (IsForgotten(known, now)) known = {};
    known.seen = now;
    if (known.count == 0 && known.ends <= now) {
      BeginWindow(known, now);
      return true;
    }
    known.count += count;
    known.last = std::move(value);
    return false;
  }

  // Those whose window is over and that came again in it.
  std::vector<Repeated> Due(MonotonicTime now) {
    std::vector<Repeated> due;
    for (auto& [name, kind] : kinds_) {
      if (kind.count == 0 || now < kind.ends) continue;
      due.push_back({std::move(kind.last), std::exchange(kind.count, 0)});
      BeginWindow(kind, now);
    }
    return due;
  }

  // When Due() will have something; infinite while there is nothing.
  MonotonicTime next_deadline() const {
    MonotonicTime next = MonotonicTime::Infinite();
    for (const auto& [name, kind] : kinds_) {
      if (kind.count > 0) next = std::min(next, kind.ends);
    }
    return next;
  }

 private:
  struct Kind {
    absl::Duration window = absl::ZeroDuration();
    MonotonicTime ends{};
    MonotonicTime seen{};
    uint64_t count = 0;
    T last{};
  };

  bool IsForgotten(const Kind& kind, MonotonicTime now) const {
    return kind.count == 0 && kind.ends <= now && now - kind.seen >= options_.max_window;
  }

  void BeginWindow(Kind& kind, MonotonicTime now) {
    kind.window = kind.window == absl::ZeroDuration()
                      ? options_.first_window
                      : std::min(2 * kind.window, options_.max_window);
    kind.ends = now + kind.window;
  }

  const RepeatFoldOptions options_;
  std::map<std::string, Kind> kinds_;
};

}  // namespace squall

#endif  // SQUALL_PROCESS_REPEAT_FOLD_H_
