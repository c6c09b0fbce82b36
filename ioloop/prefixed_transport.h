// A transport whose first octets have been read already: for whoever takes a connection over from
// somebody that reads in large pieces.
//
//   std::unique_ptr<squall::Transport> all =
//       squall::internal::MakePrefixedTransport(std::move(transport), "octets read too far");
//   squall::IOStream stream(std::move(all));  // reads those first
//
// Internal to squall. As any transport, one thread at a time.
#ifndef SQUALL_IOLOOP_PREFIXED_TRANSPORT_H_
#define SQUALL_IOLOOP_PREFIXED_TRANSPORT_H_

#include <memory>
#include <string>

#include "squall/ioloop/transport.h"

namespace squall::internal {

// `transport` itself when there is no prefix. Release() gives nothing up before the prefix is read.
std::unique_ptr<Transport> MakePrefixedTransport(std::unique_ptr<Transport> transport,
                                                 std::string prefix);

// What such a transport reads from behind the prefix; any other one itself, and null for null.
const Transport* WithoutPrefix(const Transport* transport);

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_PREFIXED_TRANSPORT_H_
