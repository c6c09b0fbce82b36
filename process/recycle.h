// When a healthy worker is replaced by a new one, against what its handlers leak: after so many
// requests, after so long, or when it holds so much memory.
//
//   const RecycleOptions options{.max_requests = 100000, .max_rss = int64_t{512} << 20};
//   RETURN_IF_ERROR(Validate(options));
//   std::minstd_rand random(seed);
//   const RecycleLimits limits(options, random);  // One for each process: draws its limits.
//   const uint64_t requests = worker.counters[WorkerCounter::kRequests];  // A WorkerSnapshot's.
//   if (auto reason = limits.Due({.requests = requests, .age = now - view.ready_at,
//                                 .rss_bytes = stat.rss_bytes})) {
//     pool.Step(ReplaceWorker{slot, incarnation, *reason}, now);
//   }
//
// Each worker's limits are a bit smaller than the options, by chance, so that workers that were
// started together do not leave together. That no two slots are replaced at the same time is the
// pool's business.
//
// Pure: no clock, no system call, randomness comes from the caller. Used by the master, for READY
// workers, about once a second: a limit is passed by what happens between two calls.
#ifndef SQUALL_PROCESS_RECYCLE_H_
#define SQUALL_PROCESS_RECYCLE_H_

#include <cstdint>
#include <optional>
#include <random>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace squall {

struct RecycleOptions {
  // Requests that a worker serves. 0: any number.
  int64_t max_requests = 0;
  // How long a worker serves, from its READY.
  absl::Duration max_lifetime = absl::InfiniteDuration();
  // Bytes of resident memory, shared pages included. 0: any number.
  int64_t max_rss = 0;
  // No worker is replaced younger than this, so that a limit that a new worker passes at once costs
  // a start now and then and not a busy loop of starts.
  absl::Duration min_lifetime = absl::Seconds(10);
  // A limit x becomes a random one in [(1 − jitter)·x, x], so that x stays the maximum.
  double jitter = 0.1;
};

// OK, or INVALID_ARGUMENT naming the first option that makes no sense.
absl::Status Validate(const RecycleOptions& options);

// What a worker has come to.
struct RecycleSample {
  uint64_t requests = 0;   // Since its start.
  absl::Duration age;      // Since its READY.
  uint64_t rss_bytes = 0;  // ProcessStat::rss_bytes; 0: unknown. Of no use without max_rss.
};

class RecycleLimits {
 public:
  RecycleLimits(const RecycleOptions& options, std::minstd_rand& random);

  // Why the worker is to be replaced, for people; nullopt as long as it is not.
  //   served 10432 requests, limit 10400
  //   served for 1h2s, limit 58m31s
  //   uses 212.4 MiB of memory, limit 200.1 MiB
  std::optional<std::string> Due(const RecycleSample& sample) const;

 private:
  uint64_t max_requests_;  // 0: none.
  absl::Duration max_lifetime_;
  uint64_t max_rss_;  // 0: none.
  absl::Duration min_lifetime_;
};

}  // namespace squall

#endif  // SQUALL_PROCESS_RECYCLE_H_
