// What an HttpServer counts into the scoreboard row of the worker it runs in; nothing outside of a
// worker. The one place of this package that names process/.
//
//   squall::internal::WorkerStats stats;      // after ForkProcesses(), in the worker
//   stats.ConnectionOpened();
//   stats.RequestStarted("GET", "/", now);
//   stats.RequestEnded(200);
//
// Internal to httpserver. The worker's loop thread only.
#ifndef SQUALL_HTTPSERVER_WORKER_STATS_H_
#define SQUALL_HTTPSERVER_WORKER_STATS_H_

#include <cstdint>
#include <string_view>

namespace squall::internal {

class WorkerStats {
 public:
  void ConnectionOpened() {}
  void ConnectionClosed() {}
  void RequestStarted(std::string_view method, std::string_view target) {
    (void)method;
    (void)target;
  }
  // The answer with this status is complete; 0: the request was given up without one.
  void RequestEnded(int status) { (void)status; }
  // An answer to something that never became a request.
  void Refused(int status) { (void)status; }
  void BytesIn(uint64_t octets) { (void)octets; }
  void BytesOut(uint64_t octets) { (void)octets; }
};

}  // namespace squall::internal

#endif  // SQUALL_HTTPSERVER_WORKER_STATS_H_
