// An event of the log in the words of squall.control.v1.
#ifndef SQUALL_CONTROL_EVENT_TO_PROTO_H_
#define SQUALL_CONTROL_EVENT_TO_PROTO_H_

#include <vector>

#include "squall/control/v1/control.pb.h"
#include "squall/process/event_log.h"

namespace squall::internal {

control::v1::EventKind KindOf(PoolNote::Type type);

// As `role` may see it: what workers are asked is for operators.
control::v1::Event EventToProto(const LoggedEvent& event, control::v1::Role role);

// Which kinds a caller wants to hear of.
class EventFilter {
 public:
  // None: all.
  explicit EventFilter(const google::protobuf::RepeatedField<int>& kinds)
      : kinds_(kinds.begin(), kinds.end()) {}

  bool Wants(const LoggedEvent& event) const;

 private:
  std::vector<int> kinds_;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_EVENT_TO_PROTO_H_
