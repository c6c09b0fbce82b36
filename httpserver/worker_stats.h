// The link of an HttpServer to the worker that it runs in: what it counts into the scoreboard row,
// and the worker's drain. Does nothing outside of a worker. The one place of this package that
// names process/.
//
//   squall::internal::WorkerStats stats;
//   stats.Attach([&](const DrainRequest& request, auto done) { ... });  // after ForkProcesses()
//   stats.ConnectionOpened();
//   stats.RequestStarted("GET", "/");
//   stats.RequestEnded(200);
//
// Internal to httpserver. The worker's loop thread only.
#ifndef SQUALL_HTTPSERVER_WORKER_STATS_H_
#define SQUALL_HTTPSERVER_WORKER_STATS_H_

#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "squall/base/clock.h"
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

  // Joins this process's worker if there is one; later calls only say what it is.
  Joined Attach(DrainHandler on_drain) {
    Worker* const worker = Worker::Current();
    if (worker == nullptr) return Joined::kNoWorker;
    if (row_ == nullptr) {
      row_ = &worker->row();
      drain_ = worker->OnDrain(std::move(on_drain));
    }
    return worker->draining() ? Joined::kDrainingWorker : Joined::kWorker;
  }

  // For AcceptPolicy::kBalanced.
  void SetAccepting(bool accepting) {
    if (row_ != nullptr) row_->SetAccepting(accepting);
  }
  int64_t LeadOverIdleSibling() const {
    const Worker* const worker = Worker::Current();
    return worker != nullptr ? worker->LeadOverIdleSibling() : -1;
  }

  void ConnectionOpened() {
    if (row_ == nullptr) return;
    row_->Add(WorkerCounter::kAccepted);
    row_->AddConnections(1);
  }
  void ConnectionClosed() {
    if (row_ != nullptr) row_->AddConnections(-1);
  }
  // Takes the total so far; accepts in vain are noticed with the next one that is not.
  void AcceptsWouldBlock(uint64_t total) {
    if (row_ == nullptr || total == would_block_) return;
    row_->Add(WorkerCounter::kAcceptWouldBlock, total - std::exchange(would_block_, total));
  }
  void RequestStarted(std::string_view method, std::string_view target) {
    if (row_ == nullptr) return;
    row_->Add(WorkerCounter::kRequests);
    // Not the loop's time, which is as old as the handlers of this turn took.
    row_->BeginRequest(method, target, Clock::Real().Now());
  }
  // The answer with this status is complete; 0: the request was given up without one.
  void RequestEnded(int status) {
    if (row_ == nullptr) return;
    row_->EndRequest();
    row_->CountResponse(status);
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
  WorkerRow* row_ = nullptr;  // not owned; lives as long as the process
  uint64_t would_block_ = 0;
  Worker::DrainRegistration drain_;
};

}  // namespace squall::internal

#endif  // SQUALL_HTTPSERVER_WORKER_STATS_H_
