#include "squall/control/event_answers.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "squall/control/event_to_proto.h"
#include "squall/control/pool_to_proto.h"
#include "squall/control/request_check.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

constexpr int kDefaultPage = 100;
constexpr int kMaxPage = 500;
// Of the first event, while others overwrite it.
constexpr int kMaxSeeks = 64;

}  // namespace

ControlError EventsNotKept(const EventLog& log, uint64_t version) {
  const EventLog::Range range = log.range();
  if (version > range.next) {
    return InvalidField("from_version", absl::StrCat("from_version must be at most ", range.next,
                                                     ", the next event to come: ", version));
  }
  return {.code = absl::StatusCode::kOutOfRange,
          .reason = "EVENTS_COMPACTED",
          .message =
              absl::StrCat("event ", version, " is not kept any more; the oldest is ", range.first),
          .metadata = {{"first_version", absl::StrCat(range.first)}}};
}

ControlError EventsOfAnotherInstance(const std::string& instance_id) {
  return {.code = absl::StatusCode::kAborted,
          .reason = "NEW_INSTANCE",
          .message = "the server was restarted since; its events begin anew with version 1",
          .metadata = {{"instance_id", instance_id}}};
}

std::optional<ControlError> ListEvents(ControlCore& core, const Caller& caller,
                                       const v1::ListEventsRequest& request,
                                       v1::ListEventsResponse& response) {
  const EventLog& log = core.reader.events();
  uint64_t from = request.from_version() == 0 ? log.range().first : request.from_version();
  if (const auto error = CheckPage(request.page_size(), request.page_token(), UINT64_MAX, &from)) {
    return error;
  }
  std::optional<EventCursor> cursor = log.Seek(from);
  // The oldest may have gone since.
  if (!cursor.has_value() && request.from_version() == 0 && request.page_token().empty()) {
    cursor = log.Seek(log.range().first);
  }
  if (!cursor.has_value()) return EventsNotKept(log, from);
  const int page_size =
      request.page_size() == 0 ? kDefaultPage : std::min(request.page_size(), kMaxPage);
  const EventFilter filter(request.kinds());
  const bool from_first = request.from_version() == 0 && request.page_token().empty();
  int seeks = 0;
  LoggedEvent event;
  while (response.events_size() < page_size) {
    const EventRead read = log.Next(&*cursor, &event);
    if (read == EventRead::kNone) break;
    // The client named no version and has nothing of it yet: the first is another one now.
    if (read == EventRead::kCompacted && from_first && response.events_size() == 0 &&
        seeks++ < kMaxSeeks) {
      if (const auto first = log.Seek(log.range().first); first.has_value()) *cursor = *first;
      continue;
    }
    // While the page is made: the client begins anew, as if it had been before.
    if (read == EventRead::kCompacted) return EventsNotKept(log, cursor->version);
    if (filter.Wants(event)) *response.add_events() = EventToProto(event, caller.role);
  }
  const EventLog::Range range = log.range();
  if (cursor->version < range.next) {
    response.set_next_page_token(absl::StrCat(cursor->version));
  }
  response.set_instance_id(InstanceIdToString(core.reader.Read().instance_id));
  response.set_oldest_version(range.first);
  response.set_newest_version(range.next - 1);
  return std::nullopt;
}

}  // namespace squall::internal
