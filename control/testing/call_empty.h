// Calls any method of ControlService with an empty request, which every change refuses when it is
// looked at, but for those that are good as they are.
#ifndef SQUALL_CONTROL_TESTING_CALL_EMPTY_H_
#define SQUALL_CONTROL_TESTING_CALL_EMPTY_H_

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "squall/control/v1/control.grpc.pb.h"

namespace squall::testing {

inline const google::protobuf::ServiceDescriptor& ControlServiceDescriptor() {
  return *control::v1::GetPoolRequest::descriptor()->file()->FindServiceByName("ControlService");
}

// A stream is cancelled after its first message.
inline grpc::Status CallEmpty(const std::shared_ptr<grpc::Channel>& channel,
                              const google::protobuf::MethodDescriptor& method) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(30)));
  grpc::CompletionQueue queue;
  grpc::ByteBuffer request;
  bool own = false;
  grpc::SerializationTraits<control::v1::GetPoolRequest>::Serialize(control::v1::GetPoolRequest(),
                                                                    &request, &own);
  auto call = stub.PrepareCall(
      &context, absl::StrCat("/", method.service()->full_name(), "/", method.name()), &queue);
  const auto next = [&queue] {
    void* tag;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  call->StartCall(nullptr);
  next();
  call->WriteLast(request, grpc::WriteOptions(), nullptr);
  next();
  grpc::ByteBuffer response;
  call->Read(&response, nullptr);
  if (next() && method.server_streaming()) context.TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  next();
  queue.Shutdown();
  return status;
}

}  // namespace squall::testing

#endif  // SQUALL_CONTROL_TESTING_CALL_EMPTY_H_
