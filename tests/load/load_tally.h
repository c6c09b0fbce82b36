// What a load client saw: answers, how long they took, and each way in which a request was lost.
//
//   LoadTally tally;
//   tally.Answered(absl::Microseconds(300));
//   tally.Lost(Loss::kReset, "after 12 octets");   // one line on stderr, for the first ones
//   std::cout << tally.ToJson() << std::endl;
#ifndef SQUALL_TESTS_LOAD_LOAD_TALLY_H_
#define SQUALL_TESTS_LOAD_LOAD_TALLY_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace squall::testing {

// Each is the end of one request that was not answered as it should be.
enum class Loss {
  kRefused,     // connect(2) failed
  kReset,       // the connection was reset, before the answer or in it
  kUnanswered,  // closed before the first octet of the answer
  kShort,       // closed in the middle of the answer
  kTimeout,
  kMalformed,  // an answer, but no HTTP
  kStatus,     // an answer, but no 200
  kBody,       // an answer, but with another body
};
inline constexpr int kNumLosses = 8;

class LoadTally {
 public:
  LoadTally();

  void Answered(absl::Duration latency);
  void Lost(Loss loss, std::string_view details);
  // The server closed a kept connection after an answer that said so, or without a word and while
  // no request was out. Neither loses anything.
  void AnnouncedClose() { ++announced_closes_; }
  void SilentClose() { ++silent_closes_; }
  void Connected() { ++connections_; }

  // Answers and losses.
  int64_t requests() const { return static_cast<int64_t>(latencies_.size()) + failures(); }
  int64_t failures() const;

  // One line. Latencies are those of answers, in milliseconds.
  std::string ToJson() const;

 private:
  const absl::Time start_;
  std::vector<uint32_t> latencies_;  // in microseconds
  std::array<int64_t, kNumLosses> losses_ = {};
  int64_t announced_closes_ = 0;
  int64_t silent_closes_ = 0;
  int64_t connections_ = 0;
};

}  // namespace squall::testing

#endif  // SQUALL_TESTS_LOAD_LOAD_TALLY_H_
