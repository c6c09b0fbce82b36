// How a process stands among the siblings that accept from the same listeners, for
// AcceptPolicy::kBalanced.
//
//   AcceptOptions options{.policy = AcceptPolicy::kBalanced,
//                         .standing = [] { return Worker::Current()->StandingAmongSiblings(); }};
#ifndef SQUALL_NETUTIL_ACCEPT_STANDING_H_
#define SQUALL_NETUTIL_ACCEPT_STANDING_H_

#include <cstdint>

namespace squall {

// A sibling that does not accept, whose loop stands still, or that is at a request does not count.
struct AcceptStanding {
  // Connections that this process holds.
  int64_t held = 0;
  // Siblings that are not at a request and hold at most as many.
  int contenders = 0;
  // By how many connections this process is ahead of the sibling that holds the fewest; 0 if it
  // is not ahead of any.
  int64_t lead = 0;
};

}  // namespace squall

#endif  // SQUALL_NETUTIL_ACCEPT_STANDING_H_
