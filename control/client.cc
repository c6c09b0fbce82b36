#include "squall/control/client.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/create_channel_posix.h"
#include "grpcpp/grpcpp.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"
#include "squall/base/unique_fd.h"
#include "squall/control/error_details.h"
#include "squall/control/error_details.pb.h"
#include "squall/control/pool_to_proto.h"
#include "squall/control/tls_channel.h"
#include "squall/control/v1/control.grpc.pb.h"
#include "squall/netutil/address.h"

namespace squall {
namespace {

namespace v1 = ::squall::control::v1;
using Stub = v1::ControlService::Stub;

// Marks a failed connect(2); the value is the errno.
constexpr char kConnectErrorUrl[] = "squall.control/connect-errno";
constexpr absl::Duration kRetryPause = absl::Milliseconds(50);
constexpr int kConditionalWrites = 10;

std::optional<control::internal::ErrorInfo> ErrorInfoOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(internal::kErrorInfoUrl);
  control::internal::ErrorInfo info;
  if (!payload.has_value() || !info.ParseFromString(std::string(*payload))) return std::nullopt;
  return info;
}

absl::Status ConnectError(int error_number, const std::string& address) {
  // Whatever the errno: for the caller the server is out of reach.
  absl::Status status = absl::UnavailableError(
      absl::StrCat("no squall server answers at ", address, " (", strerror(error_number), ")"));
  status.SetPayload(kConnectErrorUrl, absl::Cord(absl::StrCat(error_number)));
  return status;
}

// Ok when the server at the other end of a connected unix socket may be trusted: the default
// address lies in /tmp, where any user may have been first. Root looks after the servers of all.
absl::Status CheckServer(int fd, const std::string& address, std::optional<uid_t> trusted) {
  const uid_t self = geteuid();
  if (self == 0) return absl::OkStatus();
  ucred server = {};
  socklen_t size = sizeof(server);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &server, &size) != 0) {
    return StatusFromErrno(errno, absl::StrCat("cannot ask whose server is at ", address));
  }
  if (server.uid == self || server.uid == 0 || server.uid == trusted) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("the server at ", address, " is one of uid ", server.uid,
                   "; only one of root or of this user, uid ", self,
                   ", is trusted unless another user is named (squallctl --server-user)"));
}

// Whether trying again soon may help.
bool IsTransient(const absl::Status& status) {
  if (status.code() != absl::StatusCode::kUnavailable) return false;
  const absl::optional<absl::Cord> connect_error = status.GetPayload(kConnectErrorUrl);
  // Only a full backlog passes by itself: a control process that is restarted leaves the listener
  // open in the master.
  return !connect_error.has_value() || *connect_error == absl::StrCat(EAGAIN);
}

// With a random request_id unless it has one, so that retries are safe.
template <typename Request>
Request Identified(Request request) {
  char bytes[16];
  if (request.request_id().empty() && getrandom(bytes, sizeof(bytes), 0) == sizeof(bytes)) {
    request.set_request_id(absl::BytesToHexString(absl::string_view(bytes, sizeof(bytes))));
  }
  return request;
}

void SetDeadline(grpc::ClientContext& context, absl::Time deadline) {
  if (deadline != absl::InfiniteFuture()) context.set_deadline(absl::ToChronoTime(deadline));
}

}  // namespace

bool IsConnectFailure(const absl::Status& status) {
  return status.GetPayload(kConnectErrorUrl).has_value();
}

std::string ErrorReason(const absl::Status& status) {
  const std::optional<control::internal::ErrorInfo> info = ErrorInfoOf(status);
  return info.has_value() ? info->reason() : "";
}

std::map<std::string, std::string> ErrorMetadata(const absl::Status& status) {
  const std::optional<control::internal::ErrorInfo> info = ErrorInfoOf(status);
  if (!info.has_value()) return {};
  return {info->metadata().begin(), info->metadata().end()};
}

class ControlClient::Connection {
 public:
  explicit Connection(UniqueFd socket)
      : Connection(grpc::CreateInsecureChannelFromFd("squall", socket.release())) {}
  explicit Connection(std::shared_ptr<grpc::Channel> channel)
      : channel_(std::move(channel)), stub_(v1::ControlService::NewStub(channel_)) {}

  v1::ControlService::Stub& stub() { return *stub_; }

 private:
  // Owns the socket. One from a descriptor never reconnects; a new Connection does.
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::ControlService::Stub> stub_;
};

ControlClient::ControlClient(std::string address, ControlClientOptions options)
    : address_(std::move(address)), options_(options) {}

ControlClient::~ControlClient() = default;

absl::StatusOr<std::shared_ptr<ControlClient::Connection>> ControlClient::Connect() {
  std::lock_guard lock(mutex_);
  if (connection_ != nullptr) return connection_;
  if (internal::IsTlsAddress(address_)) {
    ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel,
                     internal::OpenTlsChannel(address_, options_.tls));
    connection_ = std::make_shared<Connection>(std::move(channel));
    return connection_;
  }
  const absl::StatusOr<SocketAddress> address = SocketAddress::Parse(address_);
  if (!address.ok() || !address->is_unix()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", address_, "\" is not a control address such as unix:/run/app/control", ".sock",
        address.ok() ? "; over TCP it is served with TLS alone, as tls:host:port" : ""));
  }
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid() || connect(socket.get(), address->data(), address->size()) != 0) {
    return ConnectError(errno, address_);
  }
  absl::Status status = CheckServer(socket.get(), address_, options_.server_uid);
  if (!status.ok()) return status;
  connection_ = std::make_shared<Connection>(std::move(socket));
  return connection_;
}

absl::Status ControlClient::Broken(const absl::Status& why) const {
  if (internal::IsTlsAddress(address_)) {
    if (absl::StrContains(why.message(), "certificate verify failed")) {
      return absl::UnavailableError(absl::StrCat(
          "the certificate of the server at ", address_, " does not lead to a root of tls-ca, ",
          options_.tls.ca_file, ", or has expired (", why.message(), ")"));
    }
    return absl::UnavailableError(absl::StrCat(
        "no squall server can be used at ", address_, " (", why.message(),
        "); it lets in only those whose certificate leads to its control_tls.client_ca and has a ",
        "name with a role there"));
  }
  return absl::UnavailableError(
      absl::StrCat("the squall server at ", address_, " closed the connection (", why.message(),
                   "); it lets in only those who have a role there, and so many at a time"));
}

absl::Status ControlClient::Retry(
    absl::Duration timeout, const std::function<absl::Status(Connection&, absl::Time)>& call) {
  const absl::Time deadline = absl::Now() + timeout;
  absl::Time retry_until = absl::InfinitePast();
  while (true) {
    const absl::Time begin = absl::Now();
    absl::StatusOr<std::shared_ptr<Connection>> connection = Connect();
    absl::Status status = connection.ok() ? call(**connection, deadline) : connection.status();
    const bool has_reason = !ErrorReason(status).empty();
    if (status.code() == absl::StatusCode::kDeadlineExceeded && !has_reason) {
      return absl::DeadlineExceededError(absl::StrCat("no answer from the squall server at ",
                                                      address_, " within ",
                                                      absl::FormatDuration(timeout)));
    }
    const bool broke =
        connection.ok() && status.code() == absl::StatusCode::kUnavailable && !has_reason;
    if (broke) {
      // The next attempt makes a new connection.
      std::lock_guard lock(mutex_);
      if (connection_ == *connection) connection_.reset();
      status = Broken(status);
    }
    if (!IsTransient(status)) return status;
    const absl::Time now = absl::Now();
    // A connection that broke after a long wait is the first failure anew.
    if (retry_until == absl::InfinitePast() || (broke && now - begin > options_.retry_for)) {
      retry_until = now + options_.retry_for;
    }
    if (now + kRetryPause > std::min(deadline, retry_until)) return status;
    absl::SleepFor(kRetryPause);
  }
}

template <typename Method, typename Request, typename Response>
absl::Status ControlClient::Call(Method method, absl::Duration timeout, const Request& request,
                                 Response* response) {
  return Retry(timeout, [&](Connection& connection, absl::Time deadline) {
    grpc::ClientContext context;
    SetDeadline(context, deadline);
    return internal::StatusFromGrpc((connection.stub().*method)(&context, request, response));
  });
}

absl::StatusOr<v1::Pool> ControlClient::GetPool() {
  v1::GetPoolResponse response;
  RETURN_IF_ERROR(Call(&Stub::GetPool, options_.timeout, v1::GetPoolRequest(), &response));
  return std::move(*response.mutable_pool());
}

absl::StatusOr<std::vector<v1::Worker>> ControlClient::ListWorkers() {
  std::vector<v1::Worker> workers;
  v1::ListWorkersRequest request;
  do {
    v1::ListWorkersResponse response;
    RETURN_IF_ERROR(Call(&Stub::ListWorkers, options_.timeout, request, &response));
    std::move(response.mutable_workers()->begin(), response.mutable_workers()->end(),
              std::back_inserter(workers));
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return workers;
}

absl::StatusOr<v1::GetServerInfoResponse> ControlClient::GetServerInfo() {
  v1::GetServerInfoResponse response;
  RETURN_IF_ERROR(
      Call(&Stub::GetServerInfo, options_.timeout, v1::GetServerInfoRequest(), &response));
  return response;
}

absl::StatusOr<v1::Operation> ControlClient::ResizePool(const ResizeOptions& options) {
  v1::ResizePoolRequest request;
  request.set_desired_workers(options.desired_workers);
  request.set_etag(options.etag);
  request.set_request_id(options.request_id);
  request.set_validate_only(options.validate_only);
  request.set_wait_for(options.wait_for);
  const absl::Duration timeout =
      options.timeout == absl::ZeroDuration() ? options_.timeout : options.timeout;
  v1::ResizePoolResponse response;
  RETURN_IF_ERROR(Call(&Stub::ResizePool, timeout, Identified(std::move(request)), &response));
  return std::move(*response.mutable_operation());
}

absl::StatusOr<v1::Worker> ControlClient::GetWorker(int32_t slot) {
  v1::GetWorkerRequest request;
  request.set_slot(slot);
  v1::GetWorkerResponse response;
  RETURN_IF_ERROR(Call(&Stub::GetWorker, options_.timeout, request, &response));
  return std::move(*response.mutable_worker());
}

absl::StatusOr<v1::Operation> ControlClient::RestartPool(v1::RestartPoolRequest request) {
  v1::RestartPoolResponse response;
  RETURN_IF_ERROR(
      Call(&Stub::RestartPool, options_.timeout, Identified(std::move(request)), &response));
  return std::move(*response.mutable_operation());
}

absl::StatusOr<v1::Operation> ControlClient::DrainWorker(v1::DrainWorkerRequest request) {
  v1::DrainWorkerResponse response;
  RETURN_IF_ERROR(
      Call(&Stub::DrainWorker, options_.timeout, Identified(std::move(request)), &response));
  return std::move(*response.mutable_operation());
}

absl::StatusOr<v1::Operation> ControlClient::KillWorker(v1::KillWorkerRequest request) {
  v1::KillWorkerResponse response;
  RETURN_IF_ERROR(
      Call(&Stub::KillWorker, options_.timeout, Identified(std::move(request)), &response));
  return std::move(*response.mutable_operation());
}

absl::StatusOr<v1::Pool> ControlClient::ResetBreaker(v1::ResetBreakerRequest request) {
  v1::ResetBreakerResponse response;
  RETURN_IF_ERROR(
      Call(&Stub::ResetBreaker, options_.timeout, Identified(std::move(request)), &response));
  return std::move(*response.mutable_pool());
}

absl::StatusOr<v1::Pool> ControlClient::ShutdownServer(v1::ShutdownServerRequest request) {
  v1::ShutdownServerResponse response;
  RETURN_IF_ERROR(
      Call(&Stub::ShutdownServer, options_.timeout, Identified(std::move(request)), &response));
  return std::move(*response.mutable_pool());
}

absl::StatusOr<v1::GetPoolConfigResponse> ControlClient::GetPoolConfig() {
  v1::GetPoolConfigResponse response;
  RETURN_IF_ERROR(
      Call(&Stub::GetPoolConfig, options_.timeout, v1::GetPoolConfigRequest(), &response));
  return response;
}

absl::StatusOr<v1::UpdatePoolResponse> ControlClient::UpdatePool(v1::UpdatePoolRequest request) {
  v1::UpdatePoolResponse response;
  RETURN_IF_ERROR(
      Call(&Stub::UpdatePool, options_.timeout, Identified(std::move(request)), &response));
  return response;
}

absl::StatusOr<v1::Operation> ControlClient::CancelOperation(const std::string& name) {
  v1::CancelOperationRequest request;
  request.set_name(name);
  v1::CancelOperationResponse response;
  RETURN_IF_ERROR(
      Call(&Stub::CancelOperation, options_.timeout, Identified(std::move(request)), &response));
  return std::move(*response.mutable_operation());
}

absl::StatusOr<v1::Operation> ControlClient::GetOperation(const std::string& name) {
  v1::GetOperationRequest request;
  request.set_name(name);
  v1::GetOperationResponse response;
  RETURN_IF_ERROR(Call(&Stub::GetOperation, options_.timeout, request, &response));
  return std::move(*response.mutable_operation());
}

absl::StatusOr<std::vector<v1::Operation>> ControlClient::ListOperations() {
  std::vector<v1::Operation> operations;
  v1::ListOperationsRequest request;
  do {
    v1::ListOperationsResponse response;
    RETURN_IF_ERROR(Call(&Stub::ListOperations, options_.timeout, request, &response));
    std::move(response.mutable_operations()->begin(), response.mutable_operations()->end(),
              std::back_inserter(operations));
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return operations;
}

absl::StatusOr<v1::Operation> ControlClient::WaitOperation(const std::string& name,
                                                           absl::Duration timeout) {
  v1::WaitOperationRequest request;
  request.set_name(name);
  const absl::Time end = absl::Now() + timeout;
  v1::WaitOperationResponse response;
  // The server ends the wait; the deadline is for one that does not answer at all.
  RETURN_IF_ERROR(Retry(timeout + options_.timeout, [&](Connection& connection,
                                                        absl::Time deadline) {
    grpc::ClientContext context;
    SetDeadline(context, deadline);
    internal::ToProto(std::max(end - absl::Now(), absl::Milliseconds(1)),
                      request.mutable_timeout());
    return internal::StatusFromGrpc(connection.stub().WaitOperation(&context, request, &response));
  }));
  return std::move(*response.mutable_operation());
}

absl::StatusOr<v1::Operation> ControlClient::ResizePoolBy(int32_t delta, ResizeOptions options) {
  absl::Status status;
  for (int i = 0; i < kConditionalWrites; ++i) {
    absl::StatusOr<v1::Pool> pool = GetPool();
    if (!pool.ok()) return pool.status();
    const int64_t target = int64_t{pool->desired_workers()} + delta;
    if (target < 0) {
      return absl::FailedPreconditionError(absl::StrCat(
          "cannot take ", -int64_t{delta}, " away from ", pool->desired_workers(), " workers"));
    }
    options.desired_workers =
        static_cast<int32_t>(std::min<int64_t>(target, std::numeric_limits<int32_t>::max()));
    options.etag = pool->etag();
    absl::StatusOr<v1::Operation> operation = ResizePool(options);
    if (operation.ok() || ErrorReason(operation.status()) != "STALE_ETAG") return operation;
    status = operation.status();
  }
  return absl::AbortedError(absl::StrCat("the pool was changed by others each of ",
                                         kConditionalWrites, " times: ", status.message()));
}

template <typename Method, typename Request, typename Response>
absl::Status ControlClient::Watch(Method method, const Request& request,
                                  const std::function<bool(const Response&)>& on_message) {
  // The stream has no deadline, so this finds out whether anybody answers.
  absl::StatusOr<v1::Pool> pool = GetPool();
  if (!pool.ok()) return pool.status();
  absl::StatusOr<std::shared_ptr<Connection>> connection = Connect();
  if (!connection.ok()) return connection.status();
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReader<Response>> reader =
      ((*connection)->stub().*method)(&context, request);
  Response response;
  bool wanted = true;
  while (wanted && reader->Read(&response)) wanted = on_message(response);
  if (!wanted) context.TryCancel();
  const absl::Status status = internal::StatusFromGrpc(reader->Finish());
  if (!wanted) return absl::OkStatus();
  if (status.code() == absl::StatusCode::kUnavailable) {
    std::lock_guard lock(mutex_);
    if (connection_ == *connection) connection_.reset();
  }
  return status;
}

absl::Status ControlClient::WatchPool(
    absl::Duration counter_interval,
    const std::function<bool(const v1::WatchPoolResponse&)>& on_event) {
  v1::WatchPoolRequest request;
  internal::ToProto(counter_interval, request.mutable_counter_interval());
  return Watch(&Stub::WatchPool, request, on_event);
}

absl::StatusOr<v1::ListEventsResponse> ControlClient::ListEvents(v1::ListEventsRequest request) {
  v1::ListEventsResponse all;
  do {
    v1::ListEventsResponse page;
    RETURN_IF_ERROR(Call(&Stub::ListEvents, options_.timeout, request, &page));
    if (!all.instance_id().empty() && page.instance_id() != all.instance_id()) {
      return absl::AbortedError("the server was restarted while its events were read");
    }
    std::move(page.mutable_events()->begin(), page.mutable_events()->end(),
              google::protobuf::RepeatedFieldBackInserter(all.mutable_events()));
    page.clear_events();
    all.MergeFrom(page);
    all.clear_next_page_token();
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

absl::Status ControlClient::WatchEvents(
    const v1::WatchEventsRequest& request,
    const std::function<bool(const v1::WatchEventsResponse&)>& on_message) {
  return Watch(&Stub::WatchEvents, request, on_message);
}

}  // namespace squall
