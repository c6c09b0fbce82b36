#include "squall/control/squallctl/watched_pool.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "squall/control/pool_to_proto.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

void Age(google::protobuf::Duration* age, absl::Duration by) { ToProto(FromProto(*age) + by, age); }

void CountDown(google::protobuf::Duration* left, absl::Duration by) {
  ToProto(std::max(absl::ZeroDuration(), FromProto(*left) - by), left);
}

v1::Worker Aged(v1::Worker worker, absl::Duration by) {
  if (worker.has_state_age()) Age(worker.mutable_state_age(), by);
  if (worker.has_current_request()) {
    Age(worker.mutable_current_request()->mutable_running_for(), by);
  }
  if (worker.has_next_start_in()) CountDown(worker.mutable_next_start_in(), by);
  if (worker.has_next_step_in()) CountDown(worker.mutable_next_step_in(), by);
  // A row that is not sent again says nothing about a live worker's heartbeat; the server tells
  // when it is late by the state STALLED.
  if (worker.state() == v1::WORKER_STATE_STALLED) Age(worker.mutable_heartbeat_age(), by);
  return worker;
}

}  // namespace

void WatchedPool::Apply(const v1::WatchPoolResponse& response, absl::Time now) {
  const google::protobuf::RepeatedPtrField<v1::Worker>* rows = nullptr;
  switch (response.event_case()) {
    case v1::WatchPoolResponse::kSnapshot:
      if (pool_.instance_id() != response.snapshot().pool().instance_id()) {
        marked_at_ = absl::InfinitePast();
        rates_ = {};
      }
      rows_.clear();
      pool_ = response.snapshot().pool();
      rows = &response.snapshot().workers();
      known_ = true;
      break;
    case v1::WatchPoolResponse::kChange:
      pool_ = response.change().pool();
      rows = &response.change().workers();
      break;
    case v1::WatchPoolResponse::kBookmark:
    case v1::WatchPoolResponse::EVENT_NOT_SET:
      return;
  }
  pool_received_ = now;
  for (const v1::Worker& row : *rows) {
    if (row.state() == v1::WORKER_STATE_EMPTY) {
      rows_.erase(row.slot());
    } else {
      rows_[row.slot()] = {row, now};
    }
  }
}

WatchedPool::View WatchedPool::At(absl::Time now) {
  UpdateRates(now);
  View view;
  view.pool = pool_;
  if (view.pool.has_uptime()) Age(view.pool.mutable_uptime(), now - pool_received_);
  for (const auto& [slot, row] : rows_) {
    view.workers.push_back(Aged(row.worker, now - row.received));
  }
  view.rates = rates_;
  view.rates.shown = true;
  return view;
}

void WatchedPool::UpdateRates(absl::Time now) {
  if (!known_) return;
  const absl::Duration elapsed = now - marked_at_;
  // A little early is early enough: the caller's timer is not exact.
  if (elapsed < period_ * 0.9) return;
  Rates rates;
  if (marked_at_ != absl::InfinitePast()) {
    const double seconds = absl::ToDoubleSeconds(elapsed);
    // A new control process reads the same scoreboard, so that totals go on.
    const uint64_t total = std::max(pool_.totals().requests(), marked_total_);
    rates.pool = static_cast<double>(total - marked_total_) / seconds;
    for (const auto& [slot, row] : rows_) {
      const auto mark = marks_.find(slot);
      if (mark == marks_.end() || mark->second.incarnation != row.worker.incarnation()) continue;
      const uint64_t requests = std::max(row.worker.counters().requests(), mark->second.requests);
      rates.by_slot[slot] = static_cast<double>(requests - mark->second.requests) / seconds;
    }
  }
  rates_ = std::move(rates);
  marked_at_ = now;
  marked_total_ = pool_.totals().requests();
  marks_.clear();
  for (const auto& [slot, row] : rows_) {
    marks_[slot] = {row.worker.incarnation(), row.worker.counters().requests()};
  }
}

}  // namespace squall::internal
