// The pool as a watch stream tells of it: rows as last sent, aged to now, with request rates.
//
//   WatchedPool watched;
//   watched.Apply(response, absl::Now());
//   const WatchedPool::View view = watched.At(absl::Now());
#ifndef SQUALL_CONTROL_SQUALLCTL_WATCHED_POOL_H_
#define SQUALL_CONTROL_SQUALLCTL_WATCHED_POOL_H_

#include <cstdint>
#include <map>
#include <vector>

#include "absl/time/time.h"
#include "squall/control/squallctl/render.h"
#include "squall/control/v1/control.pb.h"

namespace squall::internal {

class WatchedPool {
 public:
  struct View {
    control::v1::Pool pool;
    std::vector<control::v1::Worker> workers;  // by slot
    Rates rates;
  };

  // Rates are taken over at least this long.
  explicit WatchedPool(absl::Duration rate_period = absl::Seconds(1)) : period_(rate_period) {}

  void Apply(const control::v1::WatchPoolResponse& response, absl::Time now);

  // False before the first snapshot.
  bool known() const { return known_; }

  // Times do not go back from one call to the next.
  View At(absl::Time now);

 private:
  struct Row {
    control::v1::Worker worker;
    absl::Time received;
  };
  // Counts at the begin of the period over which a rate is taken.
  struct Mark {
    uint64_t incarnation = 0;
    uint64_t requests = 0;
  };

  void UpdateRates(absl::Time now);

  const absl::Duration period_;
  bool known_ = false;
  control::v1::Pool pool_;
  absl::Time pool_received_;
  std::map<int, Row> rows_;
  absl::Time marked_at_ = absl::InfinitePast();
  uint64_t marked_total_ = 0;
  std::map<int, Mark> marks_;
  Rates rates_;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_WATCHED_POOL_H_
