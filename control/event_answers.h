// The answer to ListEvents, and what ListEvents and WatchEvents refuse.
#ifndef SQUALL_CONTROL_EVENT_ANSWERS_H_
#define SQUALL_CONTROL_EVENT_ANSWERS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "squall/control/control_core.h"
#include "squall/control/error_details.h"
#include "squall/control/v1/control.pb.h"
#include "squall/process/event_log.h"

namespace squall::internal {

// `version` is not there: it is not kept any more, or is none that will come next.
ControlError EventsNotKept(const EventLog& log, uint64_t version);

// The client speaks of another start of the server than `instance_id`.
ControlError EventsOfAnotherInstance(const std::string& instance_id);

// Fills in a page, or says what is wrong with the request.
std::optional<ControlError> ListEvents(ControlCore& core, const Caller& caller,
                                       const control::v1::ListEventsRequest& request,
                                       control::v1::ListEventsResponse& response);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_EVENT_ANSWERS_H_
