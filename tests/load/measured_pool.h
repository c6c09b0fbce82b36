// A pool of real workers with an HttpServer each, and what each of them accepted, for programs and
// tests that ask how connections are spread.
//
//   MeasuredPool pool({.workers = 4, .policy = AcceptPolicy::kBalanced});
//   std::vector<UniqueFd> clients;
//   for (int i = 0; i < 400; ++i) clients.push_back(pool.Connect());
//   pool.WaitUntilAccepted(400);
//   const std::vector<WorkerTally> tallies = pool.Stop();
//
// GET `/` answers "ok", and `/block?ms=200` does so after having blocked its worker for that long.
// The calling process has one thread when it makes a pool. CHECK-fails when something cannot be
// had, or does not happen within a minute.
#ifndef SQUALL_TESTS_LOAD_MEASURED_POOL_H_
#define SQUALL_TESTS_LOAD_MEASURED_POOL_H_

#include <sys/types.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "squall/base/unique_fd.h"
#include "squall/netutil/accept.h"
#include "squall/netutil/address.h"
#include "squall/netutil/reuse_port_listeners.h"
#include "squall/netutil/sockets.h"
#include "squall/process/backoff.h"

namespace squall::testing {

// What one worker did in its life.
struct WorkerTally {
  AcceptStats accepts;
  absl::Duration cpu;  // user and system
  int64_t sleeps = 0;  // times that it gave the processor up to wait
};

// How evenly `counts` are spread.
struct Spread {
  int64_t min = 0;
  int64_t max = 0;
  double mean = 0;
  // Standard deviation by mean: 0 is even, sqrt(n - 1) is everything at one of n.
  double coefficient_of_variation = 0;
};
Spread SpreadOf(const std::vector<int64_t>& counts);

class MeasuredPool {
 public:
  struct Options {
    int workers = 2;
    AcceptPolicy policy = AcceptPolicy::kBalanced;
    BackoffOptions backoff = {};
  };

  // Returns when all workers accept.
  explicit MeasuredPool(Options options);
  MeasuredPool(const MeasuredPool&) = delete;
  MeasuredPool& operator=(const MeasuredPool&) = delete;
  // Stops it.
  ~MeasuredPool();

  const SocketAddress& address() const { return address_; }

  // A blocking socket, connected: the connection waits in the backlog, or is accepted.
  UniqueFd Connect() const;
  // Sends one request with `Connection: close`.
  static void SendRequest(const UniqueFd& connection, std::string_view target);
  // Reads to the end. The status of the answer; 0 when there was none, or only a part.
  static int ReadStatus(const UniqueFd& connection);
  // CHECK-fails unless the status is 200.
  static void ReadAnswer(const UniqueFd& connection);

  // The process of a worker, the last one that accepted.
  pid_t worker_pid(int worker) const;
  // How many workers are READY.
  int serving() const;
  void WaitUntilServing(int workers) const;

  // Of all workers together, so far.
  int64_t accepted() const;
  // By worker, so far.
  std::vector<int64_t> AcceptedByWorker() const;
  void WaitUntilAccepted(int64_t count) const;

  // Ends all workers and says what each did. Once, when all connections are closed. CHECK-fails
  // when a worker was killed.
  std::vector<WorkerTally> Stop();

 private:
  void End();

  struct Row;
  struct Shared;

  [[noreturn]] void RunPool(const Options& options, std::vector<ListenSocket> sockets);
  [[noreturn]] void RunPool(const Options& options, ReusePortListeners listeners);
  int Fork(const Options& options, absl::AnyInvocable<void(absl::Span<const int>)> on_serving);
  [[noreturn]] void RunWorker(const Options& options, int task_id,
                              std::vector<ListenSocket> sockets);

  const int workers_;
  Shared* shared_;  // with the master and the workers
  SocketAddress address_;
  pid_t master_ = 0;
};

// How long `pool` takes to answer `count` requests for `target` that are sent at once, each on a
// connection of its own that is opened just before.
absl::Duration AnswerAtOnce(const MeasuredPool& pool, int count, std::string_view target);

}  // namespace squall::testing

#endif  // SQUALL_TESTS_LOAD_MEASURED_POOL_H_
