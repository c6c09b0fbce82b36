// What the callers of the control plane may use of it. What is above is refused with RESOURCE_EXHAUSTED
// and a reason, or the connection is closed, counted and logged.
//
//   options.limits = {.max_connections = 64};  // of ControlOptions
#ifndef SQUALL_CONTROL_CONTROL_LIMITS_H_
#define SQUALL_CONTROL_CONTROL_LIMITS_H_

#include "absl/time/time.h"

namespace squall {

struct ControlLimits {
  // Of a request; of an answer, which has one page at most; of a call's metadata.
  int max_message_octets = 64 * 1024;
  int max_answer_octets = 4 * 1024 * 1024;
  int max_metadata_octets = 8 * 1024;
  // Of all callers, of which the last eighth is for admins, and of one.
  int max_connections = 128;
  int max_connections_per_caller = 32;
  // Each has a gRPC server. The last eighth is for admins.
  int max_callers = 32;
  int max_streams_per_connection = 64;
  // Of all callers, of which the last eighth is for admins, and of one.
  int max_watches = 512;
  int max_watches_per_caller = 256;
  // Calls that wait for the pool: of all callers and of one.
  int max_waits = 1024;
  int max_waits_per_caller = 512;
  // What a caller may change: so much at once, and then so much a second. Together no more in ten
  // minutes than the master remembers request ids (RequestMemory::kCapacity), so that one caller
  // cannot use up those of all.
  int changes_burst = 2000;
  double changes_per_second = 20;
  // Until a connection has shown that it speaks HTTP/2, and before that TLS.
  absl::Duration handshake_timeout = absl::Seconds(5);
  // A caller that is not heard of for the one gets a ping, and has the other to answer it.
  absl::Duration keepalive_time = absl::Minutes(1);
  absl::Duration keepalive_timeout = absl::Seconds(10);
  // A caller that pings more often, two times over, is cut.
  absl::Duration min_ping_interval = absl::Seconds(30);
  absl::Duration max_connection_idle = absl::Minutes(15);
  // Of those with a certificate, which may have run out meanwhile.
  absl::Duration max_connection_age = absl::Hours(12);
  // A call that waits for the pool ends after this even if its caller has more patience.
  absl::Duration max_wait = absl::Hours(1);
  absl::Duration bookmark_interval = absl::Seconds(10);
  // A reader of events that takes no message for so long is cut.
  absl::Duration event_patience = absl::Seconds(10);
};

}  // namespace squall

#endif  // SQUALL_CONTROL_CONTROL_LIMITS_H_
