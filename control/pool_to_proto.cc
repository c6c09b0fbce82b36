#include "squall/control/pool_to_proto.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/base/string_view.h"
#include "squall/control/autoscaler_to_proto.h"
#include "squall/process/pool_snapshot.h"
#include "squall/process/worker_row.h"
#include "squall/process/worker_state.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

void ToProto(const WorkerCounters& counters, v1::Counters* out) {
  out->set_accepted_connections(counters[WorkerCounter::kAccepted]);
  out->set_requests(counters[WorkerCounter::kRequests]);
  out->set_responses_1xx(counters[WorkerCounter::kResponses1xx]);
  out->set_responses_2xx(counters[WorkerCounter::kResponses2xx]);
  out->set_responses_3xx(counters[WorkerCounter::kResponses3xx]);
  out->set_responses_4xx(counters[WorkerCounter::kResponses4xx]);
  out->set_responses_5xx(counters[WorkerCounter::kResponses5xx]);
  out->set_bytes_in(counters[WorkerCounter::kBytesIn]);
  out->set_bytes_out(counters[WorkerCounter::kBytesOut]);
  out->set_accept_would_block(counters[WorkerCounter::kAcceptWouldBlock]);
}

absl::Time Wall(MonotonicTime time, const Moment& now) { return now.wall - (now.monotonic - time); }

absl::Duration Since(MonotonicTime time, const Moment& now) {
  return std::max(absl::ZeroDuration(), now.monotonic - time);
}

absl::Duration Until(MonotonicTime time, const Moment& now) {
  return std::max(absl::ZeroDuration(), time - now.monotonic);
}

v1::PoolState StateOf(const PoolSnapshot& snapshot) {
  if (snapshot.pool.shutdown != ShutdownMode::kNone) return v1::POOL_STATE_SHUTTING_DOWN;
  return snapshot.ready() > 0 ? v1::POOL_STATE_SERVING : v1::POOL_STATE_UNAVAILABLE;
}

v1::WorkerState StateOf(const WorkerSnapshot& worker) {
  switch (worker.slot.state) {
    case WorkerState::kEmpty:
      return v1::WORKER_STATE_EMPTY;
    case WorkerState::kStarting:
      return v1::WORKER_STATE_STARTING;
    case WorkerState::kReady:
      return worker.heartbeat_age.value_or(absl::ZeroDuration()) > kStalledAfter
                 ? v1::WORKER_STATE_STALLED
                 : v1::WORKER_STATE_READY;
    case WorkerState::kDraining:
      return v1::WORKER_STATE_DRAINING;
    case WorkerState::kBackoff:
      return v1::WORKER_STATE_BACKOFF;
    case WorkerState::kFailed:
      return v1::WORKER_STATE_FAILED;
    case WorkerState::kDone:
      return v1::WORKER_STATE_DONE;
  }
  return v1::WORKER_STATE_UNSPECIFIED;
}

v1::DeathCause CauseOf(DeathCause cause) {
  switch (cause) {
    case DeathCause::kNone:
      return v1::DEATH_CAUSE_UNSPECIFIED;
    case DeathCause::kExited:
      return v1::DEATH_CAUSE_EXITED;
    case DeathCause::kSignaled:
      return v1::DEATH_CAUSE_SIGNALED;
    case DeathCause::kBootFailure:
      return v1::DEATH_CAUSE_BOOT_FAILURE;
    case DeathCause::kBootTimeout:
      return v1::DEATH_CAUSE_BOOT_TIMEOUT;
    case DeathCause::kHung:
      return v1::DEATH_CAUSE_HUNG;
    case DeathCause::kOutOfMemory:
      return v1::DEATH_CAUSE_OUT_OF_MEMORY;
  }
  return v1::DEATH_CAUSE_UNSPECIFIED;
}

bool ParseNumber(std::string_view text, int base, uint64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return error == std::errc() && end == text.data() + text.size();
}

v1::RestartPhase PhaseOf(RestartPhase phase) {
  switch (phase) {
    case RestartPhase::kNone:
      return v1::RESTART_PHASE_UNSPECIFIED;
    case RestartPhase::kRunning:
      return v1::RESTART_PHASE_RUNNING;
    case RestartPhase::kRollingBack:
      return v1::RESTART_PHASE_ROLLING_BACK;
    case RestartPhase::kSucceeded:
      return v1::RESTART_PHASE_SUCCEEDED;
    case RestartPhase::kFailed:
      return v1::RESTART_PHASE_FAILED;
  }
  return v1::RESTART_PHASE_UNSPECIFIED;
}

v1::RestartStatus RestartToProto(const RestartView& restart, const Moment& now) {
  v1::RestartStatus status;
  status.set_phase(PhaseOf(restart.phase));
  status.set_generation(restart.generation);
  status.set_remaining_workers(restart.remaining);
  status.set_failures(restart.failures);
  internal::ToProto(now.wall - (now.monotonic - restart.started_at), status.mutable_start_time());
  if (!restart.ended_at.is_infinite()) {
    internal::ToProto(now.wall - (now.monotonic - restart.ended_at), status.mutable_end_time());
  }
  return status;
}

}  // namespace

Moment RightNow() { return {Clock::Real().Now(), absl::Now()}; }

v1::Pool PoolToProto(const PoolSnapshot& snapshot, const Moment& now) {
  const PoolView& view = snapshot.pool;
  v1::Pool pool;
  pool.set_instance_id(InstanceIdToString(snapshot.instance_id));
  pool.set_etag(MakeEtag(snapshot.instance_id, view.generation));
  pool.set_generation(view.generation);
  pool.set_observed_generation(view.observed_generation);
  pool.set_state(StateOf(snapshot));
  pool.set_desired_workers(view.desired);
  pool.set_max_workers(view.max_workers);
  pool.set_ready_workers(snapshot.ready());
  pool.set_starting_workers(snapshot.starting());
  pool.set_draining_workers(snapshot.draining());
  pool.set_backoff_workers(snapshot.backoff());
  pool.set_failed_workers(snapshot.failed());
  pool.set_done_workers(snapshot.done());
  pool.set_reconciling(snapshot.starting() + snapshot.draining() + snapshot.backoff() > 0 ||
                       view.observed_generation < view.generation);
  ToProto(snapshot.started_at, pool.mutable_start_time());
  if (view.started_at != MonotonicTime::Infinite()) {
    ToProto(Since(view.started_at, now), pool.mutable_uptime());
  }
  pool.set_connections(std::max<int64_t>(0, snapshot.connections));
  ToProto(snapshot.totals, pool.mutable_totals());
  if (view.restart.phase != RestartPhase::kNone) {
    *pool.mutable_restart() = RestartToProto(view.restart, now);
  }
  *pool.mutable_autoscaler() = AutoscalerToProto(snapshot, now);
  pool.set_restarts(view.restarts);
  pool.set_spawn_failures(view.spawn_failures);
  return pool;
}

v1::Worker WorkerToProto(const WorkerSnapshot& worker, const Moment& now) {
  const SlotView& slot = worker.slot;
  v1::Worker out;
  out.set_slot(slot.slot);
  out.set_torn(worker.torn);
  if (!worker.torn) {
    out.set_incarnation(slot.incarnation);
    out.set_generation(slot.generation);
    out.set_pid(slot.pid);
    out.set_state(StateOf(worker));
    if (slot.incarnation != 0) ToProto(Wall(slot.started_at, now), out.mutable_start_time());
    if (slot.pid != 0 && slot.ready_at != MonotonicTime::Infinite()) {
      ToProto(Wall(slot.ready_at, now), out.mutable_ready_time());
    }
    ToProto(Since(slot.since, now), out.mutable_state_age());
    if (slot.state == WorkerState::kDraining && slot.deadline != MonotonicTime::Infinite()) {
      ToProto(Until(slot.deadline, now), out.mutable_next_step_in());
    }
    out.set_restarts(slot.restarts);
    if (slot.last_exit.has_value()) {
      v1::LastExit* exit = out.mutable_last_exit();
      exit->set_status(slot.last_exit->status.code);
      exit->set_signal(slot.last_exit->status.signal);
      exit->set_core_dumped(slot.last_exit->status.core_dumped);
      exit->set_cause(CauseOf(slot.last_exit->cause));
      exit->set_pid(slot.last_exit->pid);
      exit->set_incarnation(slot.last_exit->incarnation);
      ToProto(Wall(slot.last_exit->at, now), exit->mutable_time());
    }
    if (worker.next_restart_in.has_value()) {
      ToProto(std::max(absl::ZeroDuration(), *worker.next_restart_in), out.mutable_next_start_in());
    }
  }
  if (worker.heartbeat_age.has_value()) {
    ToProto(std::max(absl::ZeroDuration(), *worker.heartbeat_age), out.mutable_heartbeat_age());
  }
  out.set_connections(std::max<int64_t>(0, worker.connections));
  out.set_requests_in_flight(worker.in_flight);
  ToProto(worker.counters, out.mutable_counters());
  if (worker.request.has_value()) {
    v1::CurrentRequest* request = out.mutable_current_request();
    // Escaped: a protobuf string must be UTF-8 and a client's target need not be.
    request->set_method(absl::CHexEscape(ToAbsl(worker.request->method())));
    request->set_target(absl::CHexEscape(ToAbsl(worker.request->target())));
    ToProto(Since(worker.request->since, now), request->mutable_running_for());
  }
  return out;
}

std::string InstanceIdToString(uint64_t instance_id) {
  return absl::StrFormat("%016x", instance_id);
}

std::string MakeEtag(uint64_t instance_id, uint64_t generation) {
  return absl::StrCat(InstanceIdToString(instance_id), "-", generation);
}

std::optional<Etag> ParseEtag(std::string_view text) {
  constexpr size_t kInstanceDigits = 16;
  Etag etag;
  if (text.size() <= kInstanceDigits + 1 || text[kInstanceDigits] != '-' ||
      !ParseNumber(text.substr(0, kInstanceDigits), 16, etag.instance_id) ||
      !ParseNumber(text.substr(kInstanceDigits + 1), 10, etag.generation)) {
    return std::nullopt;
  }
  return etag;
}

void ToProto(absl::Duration duration, google::protobuf::Duration* out) {
  // The proto's range is ±315,576,000,000 s; what is longer is "never" here.
  constexpr absl::Duration kMax = absl::Seconds(315576000000);
  duration = std::clamp(duration, -kMax, kMax);
  absl::Duration rest;
  out->set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &rest));
  out->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
}

void ToProto(absl::Time time, google::protobuf::Timestamp* out) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  out->set_seconds(seconds);
  out->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

}  // namespace squall::internal
