// The methods of ControlService that are about events.
#include <optional>

#include "grpcpp/grpcpp.h"
#include "squall/control/control_service.h"
#include "squall/control/event_answers.h"
#include "squall/control/event_stream.h"
#include "squall/control/method_roles.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

// A stream that ends before it begins.
class RefusedStream final : public grpc::ServerWriteReactor<v1::WatchEventsResponse> {
 public:
  explicit RefusedStream(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace

grpc::ServerUnaryReactor* ControlService::ListEvents(grpc::CallbackServerContext* context,
                                                     const v1::ListEventsRequest* request,
                                                     v1::ListEventsResponse* response) {
  if (const auto error = Admit("ListEvents")) {
    return Answer(context, error->ToGrpc());
  }
  if (const auto error = internal::ListEvents(core_, caller_, *request, *response)) {
    return Answer(context, error->ToGrpc());
  }
  return Answer(context);
}

grpc::ServerWriteReactor<v1::WatchEventsResponse>* ControlService::WatchEvents(
    grpc::CallbackServerContext*, const v1::WatchEventsRequest* request) {
  if (const auto error = Admit("WatchEvents")) {
    return new RefusedStream(error->ToGrpc());
  }
  if (const auto error = CountWatch()) return new RefusedStream(error->ToGrpc());
  return EventStream::Start(core_, caller_, *request);
}

}  // namespace squall::internal
