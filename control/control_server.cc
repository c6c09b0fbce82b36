#include "squall/control/control_server.h"

#include <chrono>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpc/support/log.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/health_check_service_interface.h"
#include "squall/base/logging.h"
#include "squall/control/control_service.h"
#include "src/proto/grpc/health/v1/health.pb.h"

namespace squall::internal {
namespace {

constexpr char kPoolHealth[] = "squall.pool";
// For calls that are open when a connection is too old.
constexpr absl::Duration kAgeGrace = absl::Minutes(1);

void SetTime(grpc::ServerBuilder& builder, const char* argument, absl::Duration time) {
  builder.AddChannelArgument(argument, static_cast<int>(absl::ToInt64Milliseconds(time)));
}

void LogFromGrpc(gpr_log_func_args* args) {
  if (args->severity == GPR_LOG_SEVERITY_ERROR) LOG(WARNING) << "gRPC: " << args->message;
}

void InitGrpcOnce() {
  static std::once_flag once;
  std::call_once(once, [] {
    gpr_set_log_function(&LogFromGrpc);
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    // gRPC's own health service has no descriptor; reflection can describe it because the
    // generated one is linked in, which this makes sure of.
    (void)grpc::health::v1::HealthCheckRequest::descriptor();
  });
}

class GrpcControlServer final : public ControlServer {
 public:
  GrpcControlServer(ControlCore& core, Caller caller)
      : limits_(core.limits), has_certificate_(caller.has_certificate()), service_(core, caller) {}

  ~GrpcControlServer() override {
    if (server_ != nullptr) Shutdown(absl::ZeroDuration());
  }

  absl::Status Build() {
    grpc::ServerBuilder builder;
    acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
        grpc::InsecureServerCredentials());
    builder.RegisterService(&service_);
    builder.SetMaxReceiveMessageSize(limits_.max_message_octets);
    builder.SetMaxSendMessageSize(limits_.max_answer_octets);
    builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, limits_.max_metadata_octets);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, limits_.max_streams_per_connection);
    // It binds nothing; should it ever, then not beside another server.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    SetTime(builder, GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, limits_.handshake_timeout);
    // Callers that watch an idle pool may ping, too.
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    SetTime(builder, GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
            limits_.min_ping_interval);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 2);
    SetTime(builder, GRPC_ARG_KEEPALIVE_TIME_MS, limits_.keepalive_time);
    SetTime(builder, GRPC_ARG_KEEPALIVE_TIMEOUT_MS, limits_.keepalive_timeout);
    SetTime(builder, GRPC_ARG_MAX_CONNECTION_IDLE_MS, limits_.max_connection_idle);
    if (has_certificate_) {
      SetTime(builder, GRPC_ARG_MAX_CONNECTION_AGE_MS, limits_.max_connection_age);
      SetTime(builder, GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, kAgeGrace);
    }
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) return absl::InternalError("gRPC could not start its server");
    return absl::OkStatus();
  }

  void Adopt(UniqueFd connection) override {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
    parameters.fd = connection.release();
    acceptor_->HandleNewConnection(&parameters);
  }

  void SetServing(bool serving) override {
    if (grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService()) {
      health->SetServingStatus("", serving);
      health->SetServingStatus(kPoolHealth, serving);
    }
  }

  void Shutdown(absl::Duration patience) override {
    if (grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService()) {
      health->Shutdown();
    }
    server_->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(patience));
  }

 private:
  const ControlLimits limits_;
  const bool has_certificate_;
  ControlService service_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ControlServer>> ControlServer::Start(ControlCore& core,
                                                                    Caller caller) {
  InitGrpcOnce();
  auto server = std::make_unique<GrpcControlServer>(core, caller);
  absl::Status status = server->Build();
  if (!status.ok()) return status;
  return server;
}

}  // namespace squall::internal
