// Internal: a pool as the status page shows it: JSON, with rates over the time since an earlier
// snapshot.
//
//   std::string text = PoolJson(now, &a_second_ago);   // {"version":"0.1.0","pool":{…},"workers":[…]}
//
// What the role viewer may see: no request lines. Durations are numbers of seconds, what is not
// known is null. Pure. Any thread.
#ifndef SQUALL_CONTROL_STATUS_POOL_JSON_H_
#define SQUALL_CONTROL_STATUS_POOL_JSON_H_

#include <string>

#include "squall/base/clock.h"
#include "squall/process/pool_snapshot.h"

namespace squall::internal {

struct TimedSnapshot {
  PoolSnapshot pool;
  MonotonicTime at;
};

// `before` may be null: there are no rates then.
std::string PoolJson(const TimedSnapshot& now, const TimedSnapshot* before);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_STATUS_POOL_JSON_H_
