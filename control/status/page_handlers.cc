#include "squall/control/status/page_handlers.h"

#include <optional>

#include "absl/status/status.h"
#include "squall/control/status/status_page.h"
#include "squall/ioloop/with_stop.h"

namespace squall::internal {
namespace {

constexpr char kEventStream[] = "text/event-stream; charset=utf-8";

Task<absl::Status> Next(std::shared_ptr<StatusFeed> feed) { co_return co_await feed->Next(); }

}  // namespace

void PageHandler::Get() {
  SetHeader("Content-Type", "text/html; charset=utf-8");
  SetHeader("Content-Security-Policy", kStatusPagePolicy);
  Finish(kStatusPage);
}

Task<> StreamHandler::Get() {
  const std::shared_ptr<StatusFeed> feed = feed_;
  const std::optional<StatusFeed::Seat> seat = feed->Sit();
  if (!seat.has_value()) {
    Answer(503, "too many look at the page already");
    co_return;
  }
  SetHeader("Content-Type", kEventStream);
  Write("retry: 1000\n");
  while (!closed()) {
    Write(feed->Latest());
    if (!(co_await Flush()).ok()) co_return;
    if (!(co_await WithStop(stop_token(), Next(feed))).ok()) co_return;
  }
}

void StreamHandler::Head() { SetHeader("Content-Type", kEventStream); }

}  // namespace squall::internal
