#include "squall/control/watch_stream.h"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "squall/control/method_roles.h"
#include "squall/control/pool_to_proto.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

// What a client should hear of at once.
std::string StateOf(const v1::Pool& pool) {
  return absl::StrJoin(
      std::make_tuple(pool.instance_id(), pool.generation(), pool.observed_generation(),
                      static_cast<int>(pool.state()), pool.desired_workers(), pool.ready_workers(),
                      pool.starting_workers(), pool.draining_workers(), pool.backoff_workers(),
                      pool.failed_workers(), pool.done_workers(),
                      static_cast<int>(pool.restart().phase()), pool.restart().generation(),
                      pool.restart().remaining_workers()),
      " ");
}

std::string StateOf(const v1::Worker& worker) {
  return absl::StrCat(static_cast<int>(worker.state()), " ", worker.pid(), " ",
                      worker.incarnation(), " ", worker.restarts(), " ", worker.torn());
}

// Everything that does not change merely because time passes. Wall times are left out too: they are
// made from monotonic ones at each reading and differ by nanoseconds; incarnation and restarts
// change with them.
std::string LastingPart(v1::Pool pool) {
  pool.clear_uptime();
  if (pool.has_restart()) {
    pool.mutable_restart()->clear_start_time();
    pool.mutable_restart()->clear_end_time();
  }
  if (pool.has_autoscaler()) {
    pool.mutable_autoscaler()->clear_look_time();
    pool.mutable_autoscaler()->clear_next_look_in();
    if (pool.autoscaler().has_last_decision()) {
      pool.mutable_autoscaler()->mutable_last_decision()->clear_decide_time();
    }
  }
  return pool.SerializeAsString();
}

std::string LastingPart(v1::Worker worker) {
  worker.clear_start_time();
  worker.clear_ready_time();
  worker.clear_state_age();
  worker.clear_heartbeat_age();
  worker.clear_next_start_in();
  worker.clear_next_step_in();
  if (worker.has_last_exit()) worker.mutable_last_exit()->clear_time();
  if (worker.has_current_request()) worker.mutable_current_request()->clear_running_for();
  return worker.SerializeAsString();
}

// While a slot is handed over two processes share it; a watcher sees the one that holds it, and so a
// row for each slot. ListWorkers has both.
std::vector<const WorkerSnapshot*> OnePerSlot(const PoolSnapshot& snapshot) {
  std::vector<const WorkerSnapshot*> rows;
  for (const WorkerSnapshot& worker : snapshot.workers) {
    if (rows.empty() || rows.back()->slot.slot != worker.slot.slot) {
      rows.push_back(&worker);
    } else if (worker.slot.role == RowRole::kHolder || worker.slot.role == RowRole::kRefill) {
      rows.back() = &worker;
    }
  }
  return rows;
}

}  // namespace

grpc::ServerWriteReactor<v1::WatchPoolResponse>* WatchStream::Start(ControlCore& core,
                                                                    const Caller& caller,
                                                                    absl::Duration interval) {
  std::shared_ptr<WatchStream> stream(new WatchStream(core, caller, interval));
  stream->self_ = stream;
  core.hub.Subscribe(stream);
  stream->OnSnapshot(core.reader.Read());
  return stream.get();
}

void WatchStream::OnSnapshot(const PoolSnapshot& snapshot) {
  std::lock_guard lock(mutex_);
  if (finished_) return;
  if (writing_) {
    newest_ = snapshot;
    return;
  }
  if (!Compose(snapshot)) return;
  writing_ = true;
  StartWrite(&message_);
}

void WatchStream::OnWriteDone(bool ok) {
  if (!ok) {
    FinishOnce(grpc::Status(grpc::StatusCode::CANCELLED, ""));
    return;
  }
  std::lock_guard lock(mutex_);
  writing_ = false;
  if (finished_ || !newest_.has_value()) return;
  const PoolSnapshot snapshot = *std::exchange(newest_, std::nullopt);
  if (!Compose(snapshot)) return;
  writing_ = true;
  StartWrite(&message_);
}

bool WatchStream::ComposeSnapshot(const PoolSnapshot& snapshot) {
  const Moment now = RightNow();
  message_.Clear();
  v1::WatchSnapshot* whole = message_.mutable_snapshot();
  *whole->mutable_pool() = PoolToProto(snapshot, now);
  sent_pool_state_ = StateOf(whole->pool());
  sent_pool_ = LastingPart(whole->pool());
  sent_workers_.clear();
  for (const WorkerSnapshot* worker : OnePerSlot(snapshot)) {
    v1::Worker* row = whole->add_workers();
    *row = WorkerToProto(*worker, now);
    ShowTo(caller_.role, *row);
    sent_workers_[row->slot()] = {StateOf(*row), LastingPart(*row)};
  }
  sent_snapshot_ = true;
  last_counters_ = last_message_ = now.monotonic;
  return true;
}

bool WatchStream::Compose(const PoolSnapshot& snapshot) {
  // Half a pool would look like a change; the next reading is whole again. The first message has to
  // be sent all the same: the master may stay stopped.
  if (!sent_snapshot_) return ComposeSnapshot(snapshot);
  if (snapshot.torn) return false;

  const Moment now = RightNow();
  const bool counters_due = now.monotonic - last_counters_ >= interval_;
  message_.Clear();
  v1::WatchChange* change = message_.mutable_change();
  *change->mutable_pool() = PoolToProto(snapshot, now);
  std::string pool_state = StateOf(change->pool());
  std::string pool_all = LastingPart(change->pool());
  bool send = pool_state != sent_pool_state_ || (counters_due && pool_all != sent_pool_);

  std::set<int> present;
  for (const WorkerSnapshot* worker : OnePerSlot(snapshot)) {
    present.insert(worker->slot.slot);
    v1::Worker row = WorkerToProto(*worker, now);
    ShowTo(caller_.role, row);
    SentWorker& sent = sent_workers_[row.slot()];
    SentWorker fresh{StateOf(row), LastingPart(row)};
    if (fresh.state != sent.state || (counters_due && fresh.all != sent.all)) {
      sent = std::move(fresh);
      *change->add_workers() = std::move(row);
      send = true;
    }
  }
  for (auto it = sent_workers_.begin(); it != sent_workers_.end();) {
    if (present.contains(it->first)) {
      ++it;
      continue;
    }
    v1::Worker* gone = change->add_workers();
    gone->set_slot(it->first);
    gone->set_state(v1::WORKER_STATE_EMPTY);
    it = sent_workers_.erase(it);
    send = true;
  }
  if (counters_due) last_counters_ = now.monotonic;
  if (send) {
    sent_pool_state_ = std::move(pool_state);
    sent_pool_ = std::move(pool_all);
    last_message_ = now.monotonic;
    return true;
  }
  if (now.monotonic - last_message_ < core_.limits.bookmark_interval) return false;
  const std::string etag = change->pool().etag();
  message_.mutable_bookmark()->set_etag(etag);
  last_message_ = now.monotonic;
  return true;
}

void WatchStream::FinishOnce(const grpc::Status& status) {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(finished_, true)) return;
  }
  core_.hub.Unsubscribe(this);
  Finish(status);
}

void WatchStream::OnCancel() { FinishOnce(grpc::Status(grpc::StatusCode::CANCELLED, "")); }

void WatchStream::OnDone() {
  core_.watches.fetch_sub(1);
  caller_.use->watches.fetch_sub(1);
  self_.reset();
}

}  // namespace squall::internal
