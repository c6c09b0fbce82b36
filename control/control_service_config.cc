// The methods of ControlService that show and change the configuration.
#include "grpcpp/grpcpp.h"
#include "squall/control/command_call.h"
#include "squall/control/config_to_proto.h"
#include "squall/control/control_service.h"
#include "squall/control/pool_to_proto.h"
#include "squall/control/request_check.h"

namespace squall::internal {

namespace v1 = ::squall::control::v1;

grpc::ServerUnaryReactor* ControlService::GetPoolConfig(grpc::CallbackServerContext* context,
                                                        const v1::GetPoolConfigRequest*,
                                                        v1::GetPoolConfigResponse* response) {
  if (const auto error = Admit("GetPoolConfig")) {
    return Answer(context, error->ToGrpc());
  }
  const PoolSnapshot snapshot = core_.reader.Read();
  *response->mutable_config() = ConfigToProto(snapshot.config, snapshot.pool);
  response->set_etag(MakeEtag(snapshot.instance_id, snapshot.pool.generation));
  return Answer(context);
}

grpc::ServerUnaryReactor* ControlService::UpdatePool(grpc::CallbackServerContext* context,
                                                     const v1::UpdatePoolRequest* request,
                                                     v1::UpdatePoolResponse* response) {
  if (const auto error = Admit("UpdatePool")) {
    return Answer(context, error->ToGrpc());
  }
  if (const auto error = CheckRequestId(request->request_id())) {
    return Answer(context, error->ToGrpc());
  }
  const PoolSnapshot snapshot = core_.reader.Read();
  LinkRequest command =
      Command(LinkCommand::kUpdate, request->request_id(), request->validate_only());
  if (const auto error = ReadChange(*request, snapshot, command.config)) {
    return Answer(context, error->ToGrpc());
  }
  if (const auto error = CheckEtag(request->etag(), snapshot, command)) {
    return Answer(context, error->ToGrpc());
  }
  return CommandCall::Start(
      core_, command, "the change of the configuration", [response](const CommandAnswer& answer) {
        PoolConfig config = answer.snapshot.config;
        if (answer.request.validate_only != 0) {
          for (size_t i = 0; i < kNumConfigFields; ++i) {
            if (!answer.request.config.Has(i)) continue;
            static_cast<void>(ConfigFields()[i].set(config, answer.request.config.values[i]));
          }
        }
        *response->mutable_config() = ConfigToProto(config, answer.snapshot.pool);
        *response->mutable_pool() = PoolToProto(answer.snapshot, RightNow());
      });
}

}  // namespace squall::internal
