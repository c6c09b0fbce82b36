#include "squall/control/status/status_feed.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "squall/base/clock.h"

namespace squall::internal {

std::optional<StatusFeed::Seat> StatusFeed::Sit() {
  if (seats_ >= kMaxSeats) return std::nullopt;
  if (seats_++ == 0) {
    Refresh();
    Tick();
  }
  return Seat(this);
}

void StatusFeed::Leave() {
  if (--seats_ > 0) return;
  tick_.Cancel();
  last_.reset();
}

void StatusFeed::Refresh() {
  TimedSnapshot now{.pool = reader_.Read(), .at = Clock::RealNow()};
  // An event stream ends an event with an empty line; JSON has no line breaks of its own.
  latest_ = absl::StrCat("data: ", PoolJson(now, last_.has_value() ? &*last_ : nullptr), "\n\n");
  last_ = std::move(now);
}

void StatusFeed::Tick() {
  tick_ = loop_.CallLater(kInterval, [this] {
    Refresh();
    changed_.Set();
    changed_.Clear();
    Tick();
  });
}

}  // namespace squall::internal
