// The connections that a TcpServer serves by HandleStream(): how many there are, their place in the
// worker's scoreboard row, and their drain. Outlives its server as long as one of them is served.
//
//   auto serving = std::make_shared<squall::internal::StreamServing>();
//   serving->JoinWorker([&](const DrainRequest& request, auto done) { ... });
//   {
//     const squall::internal::StreamServing::Connection connection(serving);
//     co_await HandleStream(std::move(stream), peer);
//   }
//   serving->Drain([] { ... });  // when no Connection is left
//
// Internal to httpserver. One loop's thread.
#ifndef SQUALL_HTTPSERVER_STREAM_SERVING_H_
#define SQUALL_HTTPSERVER_STREAM_SERVING_H_

#include <cstddef>
#include <memory>
#include <stop_token>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "squall/httpserver/worker_stats.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/accept.h"
#include "squall/netutil/accept_standing.h"

namespace squall::internal {

class StreamServing : public std::enable_shared_from_this<StreamServing> {
 public:
  // Counts as a connection as long as it lives.
  class Connection {
   public:
    explicit Connection(std::shared_ptr<StreamServing> serving);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();

   private:
    const std::shared_ptr<StreamServing> serving_;
  };

  StreamServing() = default;
  StreamServing(const StreamServing&) = delete;
  StreamServing& operator=(const StreamServing&) = delete;

  // Takes part in the drain of this process's worker, if there is one, by `on_drain`. False when
  // the worker drains already and nothing should be accepted.
  bool JoinWorker(WorkerStats::DrainHandler on_drain);
  // From here on Drain() takes the place of `on_drain`.
  void LoseServer() {
    on_drain_ = nullptr;
    server_lost_ = true;
  }
  // Nothing more may be asked of it.
  bool server_lost() const { return server_lost_; }

  size_t connection_count() const { return connections_; }
  // Connections that are accepted and still to come; a drain waits for them, too.
  void SetExpected(size_t connections) {
    expected_ = connections;
    MaybeFinishDrain();
  }
  std::stop_token drain_token() const { return drain_.get_token(); }
  // Asks drain_token() to stop, and calls `done` once from the loop when no connection is left.
  void Drain(absl::AnyInvocable<void()> done);

  void SetAccepting(bool accepting) { stats_.SetAccepting(accepting); }
  AcceptStanding StandingAmongSiblings() const { return stats_.StandingAmongSiblings(); }
  // Of the listeners of the server.
  AcceptStats& accept_stats() { return accept_stats_; }

 private:
  bool drained() const { return connections_ == 0 && expected_ == 0; }
  void MaybeFinishDrain();

  WorkerStats::DrainHandler on_drain_;
  // Before stats_, which counts them for the last time in its destructor.
  AcceptStats accept_stats_;
  WorkerStats stats_;
  size_t connections_ = 0;
  size_t expected_ = 0;
  bool server_lost_ = false;
  std::stop_source drain_;
  std::vector<absl::AnyInvocable<void()>> drain_done_;
};

}  // namespace squall::internal

#endif  // SQUALL_HTTPSERVER_STREAM_SERVING_H_
