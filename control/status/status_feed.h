// Internal: what the status page is told while it is open, once a second, made once for all who look.
//
//   std::optional<StatusFeed::Seat> seat = feed.Sit();      // nullopt: too many look already
//   Write(feed.Latest());
//   absl::Status woken = co_await feed.Next();              // then there is a newer one
//
// Who is slow misses some and gets the latest. While nobody looks, nothing is read. Belongs to the
// thread of `loop`; owned by everybody who looks, so that it may outlive its server.
#ifndef SQUALL_CONTROL_STATUS_STATUS_FEED_H_
#define SQUALL_CONTROL_STATUS_STATUS_FEED_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/control/pool_backend.h"
#include "squall/control/status/pool_json.h"
#include "squall/ioloop/event.h"
#include "squall/ioloop/ioloop.h"

namespace squall::internal {

class StatusFeed {
 public:
  static constexpr int kMaxSeats = 32;
  static constexpr absl::Duration kInterval = absl::Seconds(1);

  // A place among those who look. Movable; gives the place up at its end, before the feed's.
  class Seat {
   public:
    explicit Seat(StatusFeed* feed) : feed_(feed) {}
    Seat(Seat&& other) noexcept : feed_(std::exchange(other.feed_, nullptr)) {}
    Seat& operator=(Seat&&) = delete;
    ~Seat() {
      if (feed_ != nullptr) feed_->Leave();
    }

   private:
    StatusFeed* feed_;
  };

  // Both outlive the feed.
  StatusFeed(IOLoop& loop, PoolReader& reader) : loop_(loop), reader_(reader) {}
  StatusFeed(const StatusFeed&) = delete;
  StatusFeed& operator=(const StatusFeed&) = delete;

  std::optional<Seat> Sit();
  int seats() const { return seats_; }

  // For who has a seat: an event of an event stream.
  const std::string& Latest() const { return latest_; }
  // Awaitable: OK when Latest() is another one.
  auto Next() { return changed_.Wait(); }

 private:
  void Leave();
  void Refresh();
  void Tick();

  IOLoop& loop_;
  PoolReader& reader_;
  int seats_ = 0;
  std::optional<TimedSnapshot> last_;
  std::string latest_;
  Timeout tick_;
  Event changed_;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_STATUS_STATUS_FEED_H_
