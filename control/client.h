// A typed client of squall's control plane, for squallctl, tests and programs.
//
//   squall::ControlClient client("unix:/run/app/control.sock");
//   absl::StatusOr<squall::control::v1::Pool> pool = client.GetPool();
//   if (pool.ok() && pool->ready_workers() < 4) {
//     auto operation = client.ResizePool({.desired_workers = 4,
//                                         .wait_for = squall::control::v1::WAIT_FOR_READY,
//                                         .timeout = absl::Minutes(1)});
//   }
//
// Calls block; the object may be used from several threads. Errors are those of the API (the top of
// v1/control.proto); ErrorReason() has the reason. Unavailable without a reason comes from
// connecting, with a sentence that names the address and what is wrong.
//
// A server of another user is PermissionDenied, unless this process is root or `server_uid` names the
// user: somebody else may have taken the address first. Over TLS the server's certificate has to be for
// the host of the address.
//
// Unavailable is retried for up to a second, as AIP-194 allows: the control process may just be
// restarted. A refused connection is not: then no master is there.
//
// Uses gRPC: not before ForkProcesses() in the same process.
#ifndef SQUALL_CONTROL_CLIENT_H_
#define SQUALL_CONTROL_CLIENT_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "squall/control/client_tls.h"
#include "squall/control/v1/control.pb.h"

namespace squall {

// The reason in the error's details, "STALE_ETAG"; "" when there is none.
std::string ErrorReason(const absl::Status& status);

// Whether the connection was not made because connect(2) failed: no server is there.
bool IsConnectFailure(const absl::Status& status);
// What the reason's metadata says; empty when there is none.
std::map<std::string, std::string> ErrorMetadata(const absl::Status& status);

struct ControlClientOptions {
  // For calls that do not wait; connecting and retries included.
  absl::Duration timeout = absl::Seconds(5);
  // How long Unavailable is retried.
  absl::Duration retry_for = absl::Seconds(1);
  // For an address "tls:HOST:PORT".
  ClientTls tls = {};
  // Another user than root and the own one whose server at a unix socket is trusted. Whoever names the
  // address should know whose server it is.
  std::optional<uid_t> server_uid = {};
};

struct ResizeOptions {
  int32_t desired_workers = 0;
  std::string etag = {};
  // Empty: a random one, so that retries are safe.
  std::string request_id = {};
  bool validate_only = false;
  control::v1::WaitFor wait_for = control::v1::WAIT_FOR_ACCEPTED;
  // Zero: ControlClientOptions::timeout.
  absl::Duration timeout = absl::ZeroDuration();
};

class ControlClient {
 public:
  // `address` is "unix:/path", "unix-abstract:name" or "tls:host:port"; a wrong one is an error of each
  // call.
  explicit ControlClient(std::string address, ControlClientOptions options = {});
  ~ControlClient();

  ControlClient(const ControlClient&) = delete;
  ControlClient& operator=(const ControlClient&) = delete;

  absl::StatusOr<control::v1::Pool> GetPool();
  // All pages, each with the whole timeout.
  absl::StatusOr<std::vector<control::v1::Worker>> ListWorkers();
  absl::StatusOr<control::v1::GetServerInfoResponse> GetServerInfo();
  absl::StatusOr<control::v1::Operation> ResizePool(const ResizeOptions& options);

  // Reads the pool, adds `delta` and writes if the pool is still as read, else begins anew, up to
  // ten times. options.desired_workers and options.etag are ignored. FailedPrecondition when the
  // sum is negative.
  absl::StatusOr<control::v1::Operation> ResizePoolBy(int32_t delta, ResizeOptions options);

  // The worker that holds the slot now; in state EMPTY when there is none.
  absl::StatusOr<control::v1::Worker> GetWorker(int32_t slot);

  // The changes. Without a request_id they get a random one, so that retries are safe. What they
  // return goes on whether or not anybody waits; see WaitOperation.
  absl::StatusOr<control::v1::Operation> RestartPool(control::v1::RestartPoolRequest request);
  absl::StatusOr<control::v1::Operation> DrainWorker(control::v1::DrainWorkerRequest request);
  absl::StatusOr<control::v1::Operation> KillWorker(control::v1::KillWorkerRequest request);
  absl::StatusOr<control::v1::Pool> ResetBreaker(control::v1::ResetBreakerRequest request);
  absl::StatusOr<control::v1::Pool> ShutdownServer(control::v1::ShutdownServerRequest request);
  // The configuration, and a change of it. UpdatePool may be sent again as the changes above.
  absl::StatusOr<control::v1::GetPoolConfigResponse> GetPoolConfig();
  absl::StatusOr<control::v1::UpdatePoolResponse> UpdatePool(
      control::v1::UpdatePoolRequest request);
  // `name` is Operation.name.
  absl::StatusOr<control::v1::Operation> CancelOperation(const std::string& name);
  absl::StatusOr<control::v1::Operation> GetOperation(const std::string& name);
  // All pages, the newest first, without their pools.
  absl::StatusOr<std::vector<control::v1::Operation>> ListOperations();
  // Returns the operation when it has ended, or as it is when `timeout` is over. A control process
  // that ends meanwhile is no error: the call goes on with the next one.
  absl::StatusOr<control::v1::Operation> WaitOperation(const std::string& name,
                                                       absl::Duration timeout);

  // Calls `on_event` for each message until it returns false (then Ok) or the stream ends (then its
  // status). It begins with a GetPool, so that a server that does not answer is DeadlineExceeded;
  // after that there is no deadline. Does not reconnect.
  absl::Status WatchPool(
      absl::Duration counter_interval,
      const std::function<bool(const control::v1::WatchPoolResponse&)>& on_event);

  // All pages, the oldest event first. OutOfRange, EVENTS_COMPACTED, when what was wanted went while
  // they were read.
  absl::StatusOr<control::v1::ListEventsResponse> ListEvents(
      control::v1::ListEventsRequest request = {});

  // Calls `on_message` for each message, as WatchPool. A caller that wants to go on when the control
  // process was replaced (Unavailable) calls again with the version behind its last one.
  absl::Status WatchEvents(
      const control::v1::WatchEventsRequest& request,
      const std::function<bool(const control::v1::WatchEventsResponse&)>& on_message);

  const std::string& address() const { return address_; }

 private:
  class Connection;

  absl::StatusOr<std::shared_ptr<Connection>> Connect();
  // What a connection that broke means.
  absl::Status Broken(const absl::Status& why) const;
  // Runs `call` on a connection until it gives anything but Unavailable or time is up.
  absl::Status Retry(absl::Duration timeout,
                     const std::function<absl::Status(Connection&, absl::Time deadline)>& call);

  // One call of a method, retried.
  template <typename Method, typename Request, typename Response>
  absl::Status Call(Method method, absl::Duration timeout, const Request& request,
                    Response* response);

  // A stream, until `on_message` has enough.
  template <typename Method, typename Request, typename Response>
  absl::Status Watch(Method method, const Request& request,
                     const std::function<bool(const Response&)>& on_message);

  const std::string address_;
  const ControlClientOptions options_;
  std::mutex mutex_;
  std::shared_ptr<Connection> connection_;  // guarded by mutex_; null: to be made
};

}  // namespace squall

#endif  // SQUALL_CONTROL_CLIENT_H_
