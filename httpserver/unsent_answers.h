// Which answers of a connection the kernel does not have yet, and since when their requests were
// there: for how long requests take, to the last octet of their answers.
//
//   squall::internal::UnsentAnswers unsent;
//   unsent.Add(100, begun);                    // an answer ends behind the connection's octet 100
//   unsent.Sent(100, [&](MonotonicTime begun) { latency.Record(now - begun); });
//
// Internal to httpserver. There is mostly one: only pipelined answers wait for each other.
#ifndef SQUALL_HTTPSERVER_UNSENT_ANSWERS_H_
#define SQUALL_HTTPSERVER_UNSENT_ANSWERS_H_

#include <cstdint>

#include "absl/container/inlined_vector.h"
#include "squall/base/clock.h"

namespace squall::internal {

class UnsentAnswers {
 public:
  // An answer ends at octet `end` of all that the connection sends; none before ended later.
  void Add(uint64_t end, MonotonicTime begun) { answers_.push_back({end, begun}); }

  // Is there one that ends at octet `sent` or before?
  bool AnySent(uint64_t sent) const { return !answers_.empty() && answers_.front().end <= sent; }

  // Calls `answered` with the time of each of them, and forgets them.
  template <typename F>
  void TakeSent(uint64_t sent, F answered) {
    auto last = answers_.begin();
    for (; last != answers_.end() && last->end <= sent; ++last) answered(last->begun);
    // Not clear(), which gives the memory of a burst of pipelined requests back before the next one.
    answers_.erase(answers_.begin(), last);
  }

 private:
  struct Answer {
    uint64_t end;
    MonotonicTime begun;
  };

  absl::InlinedVector<Answer, 1> answers_;
};

}  // namespace squall::internal

#endif  // SQUALL_HTTPSERVER_UNSENT_ANSWERS_H_
