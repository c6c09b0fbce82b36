#include "squall/control/event_stream.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "squall/control/error_details.h"
#include "squall/control/event_answers.h"
#include "squall/control/method_roles.h"
#include "squall/control/pool_to_proto.h"

namespace squall::internal {

namespace v1 = ::squall::control::v1;

grpc::ServerWriteReactor<v1::WatchEventsResponse>* EventStream::Start(
    ControlCore& core, const Caller& caller, const v1::WatchEventsRequest& request) {
  std::shared_ptr<EventStream> stream(new EventStream(core, caller, request));
  stream->self_ = stream;
  stream->Begin(request);
  return stream.get();
}

void EventStream::Begin(const v1::WatchEventsRequest& request) {
  // The place first: the pool is then at least as new as the events before it.
  const EventLog& log = core_.reader.events();
  EventCursor cursor = log.End();
  const PoolSnapshot snapshot = core_.reader.Read();
  instance_id_ = InstanceIdToString(snapshot.instance_id);
  if (!request.instance_id().empty() && request.instance_id() != instance_id_) {
    return FinishOnce(EventsOfAnotherInstance(instance_id_).ToGrpc());
  }
  v1::WatchEventsResponse first;
  if (request.from_version() == 0) {
    const Moment now = RightNow();
    v1::EventSnapshot& whole = *first.mutable_snapshot();
    whole.set_instance_id(instance_id_);
    whole.set_version(cursor.version - 1);
    *whole.mutable_pool() = PoolToProto(snapshot, now);
    for (const WorkerSnapshot& worker : snapshot.workers) {
      v1::Worker& row = *whole.add_workers();
      row = WorkerToProto(worker, now);
      ShowTo(caller_.role, row);
    }
  } else {
    const std::optional<EventCursor> wanted = log.Seek(request.from_version());
    if (!wanted.has_value()) {
      return FinishOnce(EventsNotKept(log, request.from_version()).ToGrpc());
    }
    cursor = *wanted;
    first.mutable_bookmark()->set_instance_id(instance_id_);
    first.mutable_bookmark()->set_version(cursor.version - 1);
  }
  {
    const std::lock_guard lock(mutex_);
    cursor_ = cursor;
    message_ = std::move(first);
    last_message_ = Clock::RealNow();
    writing_ = true;
    StartWrite(&message_);
  }
  // gRPC does not run OnDone before it has got the reactor.
  core_.hub.Subscribe(self_);
}

void EventStream::OnSnapshot(const PoolSnapshot&) {
  const MonotonicTime now = Clock::RealNow();
  std::optional<ControlError> error;
  {
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    if (writing_ && now - last_message_ >= core_.limits.event_patience) {
      error =
          ControlError{.code = absl::StatusCode::kResourceExhausted,
                       .reason = "SLOW_READER",
                       .message = absl::StrCat("no message was taken for ",
                                               absl::FormatDuration(core_.limits.event_patience),
                                               "; go on from version ", cursor_.version),
                       .metadata = {{"resume_version", absl::StrCat(cursor_.version)},
                                    {"instance_id", instance_id_}}};
    }
  }
  if (error.has_value()) return FinishOnce(error->ToGrpc());
  SendNext();
}

void EventStream::OnWriteDone(bool ok) {
  if (!ok) return FinishOnce(grpc::Status(grpc::StatusCode::CANCELLED, ""));
  {
    const std::lock_guard lock(mutex_);
    writing_ = false;
  }
  SendNext();
}

void EventStream::SendNext() {
  std::optional<ControlError> error;
  {
    const std::lock_guard lock(mutex_);
    if (writing_ || finished_) return;
    const MonotonicTime now = Clock::RealNow();
    LoggedEvent event;
    bool found = false;
    while (!found && !error.has_value()) {
      const EventRead read = core_.reader.events().Next(&cursor_, &event);
      if (read == EventRead::kNone) break;
      if (read == EventRead::kCompacted) {
        error = EventsNotKept(core_.reader.events(), cursor_.version);
      } else {
        found = filter_.Wants(event);
      }
    }
    if (found) {
      message_.Clear();
      *message_.mutable_event() = EventToProto(event, caller_.role);
    } else if (!error.has_value()) {
      if (now - last_message_ < core_.limits.bookmark_interval) return;
      message_.Clear();
      message_.mutable_bookmark()->set_instance_id(instance_id_);
      message_.mutable_bookmark()->set_version(cursor_.version - 1);
    }
    if (!error.has_value()) {
      last_message_ = now;
      writing_ = true;
      return StartWrite(&message_);
    }
  }
  FinishOnce(error->ToGrpc());
}

void EventStream::FinishOnce(const grpc::Status& status) {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(finished_, true)) return;
  }
  core_.hub.Unsubscribe(this);
  Finish(status);
}

void EventStream::OnCancel() { FinishOnce(grpc::Status(grpc::StatusCode::CANCELLED, "")); }

void EventStream::OnDone() {
  core_.watches.fetch_sub(1);
  caller_.use->watches.fetch_sub(1);
  self_.reset();
}

}  // namespace squall::internal
