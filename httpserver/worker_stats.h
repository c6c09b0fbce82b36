// The link of an HttpServer to the worker that it runs in: what it counts into the scoreboard row,
// and the worker's drain. Does nothing outside of a worker. The one place of this package that
// names process/.
//
//   squall::internal::WorkerStats stats;
//   // After ForkProcesses(); `accepts` is an AcceptStats.
//   stats.Attach([&](const DrainRequest& request, auto done) { ... }, accepts);
//   stats.ConnectionOpened();
//   stats.RequestStarted("GET", "/", begun);
//   stats.RequestEnded(200);
//   stats.AnswerSent(begun, now);                                      // to its last octet
//
// Internal to httpserver. The worker's loop thread only.
#ifndef SQUALL_HTTPSERVER_WORKER_STATS_H_
#define SQUALL_HTTPSERVER_WORKER_STATS_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/netutil/accept.h"
#include "squall/netutil/accept_standing.h"
#include "squall/process/worker.h"
#include "squall/process/worker_row.h"

namespace squall::internal {

class WorkerStats {
 public:
  using DrainHandler = Worker::DrainHandler;

  enum class Joined {
    kNoWorker,
    kWorker,
    kDrainingWorker,  // nothing new should be accepted
  };

  WorkerStats() = default;
  WorkerStats(const WorkerStats&) = delete;
  WorkerStats& operator=(const WorkerStats&) = delete;
  ~WorkerStats() {
    if (row_ != nullptr) CountAccepts();
    *self_ = nullptr;
  }

  // Joins this process's worker if there is one; later calls only say what it is. `accepts`, not
  // owned, are counted now and then.
  Joined Attach(DrainHandler on_drain, const AcceptStats& accepts) {
    Worker* const worker = Worker::Current();
    if (worker == nullptr) return Joined::kNoWorker;
    if (row_ == nullptr) {
      row_ = &worker->row();
      drain_ = worker->OnDrain(std::move(on_drain));
      accepts_ = &accepts;
      worker->OnHeartbeat([self = self_] {
        if (*self == nullptr) return false;
        (*self)->CountAccepts();
        return true;
      });
    }
    return worker->draining() ? Joined::kDrainingWorker : Joined::kWorker;
  }

  // For AcceptPolicy::kBalanced.
  void SetAccepting(bool accepting) {
    if (row_ != nullptr) row_->SetAccepting(accepting);
  }
  AcceptStanding StandingAmongSiblings() const {
    const Worker* const worker = Worker::Current();
    return worker != nullptr ? worker->StandingAmongSiblings() : AcceptStanding();
  }

  void ConnectionOpened() {
    if (row_ == nullptr) return;
    row_->Add(WorkerCounter::kAccepted);
    row_->AddConnections(1);
  }
  // It is no load any more: closed, or only waits for the client to close.
  void ConnectionLeft() {
    if (row_ != nullptr) row_->AddConnections(-1);
  }
  // It did not come to that yet.
  void ConnectionHeld() {
    if (row_ != nullptr) row_->AddConnections(1);
  }
  // Its head was there at `begun`.
  void RequestStarted(std::string_view method, std::string_view target, MonotonicTime begun) {
    if (row_ == nullptr) return;
    row_->Add(WorkerCounter::kRequests);
    row_->BeginRequest(method, target, begun);
  }
  // The answer with this status is complete; 0: the request was given up without one.
  void RequestEnded(int status) {
    if (row_ == nullptr) return;
    row_->EndRequest();
    row_->CountResponse(status);
  }
  // The kernel has the last octet of the answer to the request that started at `begun`.
  void AnswerSent(MonotonicTime begun, MonotonicTime now) {
    if (row_ != nullptr) row_->RecordLatency(begun, now);
  }
  // An answer to something that never became a request.
  void Refused(int status) {
    if (row_ != nullptr) row_->CountResponse(status);
  }
  void BytesIn(uint64_t octets) {
    if (row_ != nullptr) row_->Add(WorkerCounter::kBytesIn, octets);
  }
  void BytesOut(uint64_t octets) {
    if (row_ != nullptr) row_->Add(WorkerCounter::kBytesOut, octets);
  }

 private:
  void CountAccepts() {
    const AcceptStats now = *accepts_;
    row_->Add(WorkerCounter::kAcceptWakeups, now.wakeups - counted_.wakeups);
    row_->Add(WorkerCounter::kAcceptWouldBlock, now.would_block - counted_.would_block);
    row_->Add(WorkerCounter::kAcceptYields, now.yielded - counted_.yielded);
    row_->Add(WorkerCounter::kAcceptRescues, now.rescued - counted_.rescued);
    row_->Add(WorkerCounter::kAcceptPauses, now.paused - counted_.paused);
    counted_ = now;
  }

  WorkerRow* row_ = nullptr;  // not owned; lives as long as the process
  Worker::DrainRegistration drain_;
  const AcceptStats* accepts_ = nullptr;
  AcceptStats counted_;  // What of them the row has.
  // The heartbeat sees through it whether this still lives.
  std::shared_ptr<WorkerStats*> self_ = std::make_shared<WorkerStats*>(this);
};

}  // namespace squall::internal

#endif  // SQUALL_HTTPSERVER_WORKER_STATS_H_
