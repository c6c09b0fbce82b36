// Where a squall server listens for operators, and where squallctl looks, when nobody says
// otherwise. One function, so that the two cannot disagree.
//
//   std::string address = squall::DefaultControlAddress();      // "unix:/run/user/1000/squall/…"
//   absl::Status ready = squall::EnsurePrivateDirectory(address);  // the server, before it binds
#ifndef SQUALL_CONTROL_DEFAULT_ADDRESS_H_
#define SQUALL_CONTROL_DEFAULT_ADDRESS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace squall {

// "unix:" and the first of these that applies:
//   $XDG_RUNTIME_DIR/squall/control.sock   when that variable holds an absolute path
//   /run/squall/control.sock               for root
//   /tmp/squall-UID/control.sock           for everybody else
std::string DefaultControlAddress();

// Makes the directory of a "unix:/PATH" address with mode 0700 when it is missing, one level only,
// and refuses one in which somebody else could put a socket of his own in our place: not a
// directory, a symbolic link, another owner, writable for group or others. For the default address;
// who names a path of his own answers for its directory. Errors: FailedPrecondition with the path
// and what is wrong with it, InvalidArgument for an address that names no path, or what mkdir(2)
// said.
absl::Status EnsurePrivateDirectory(std::string_view address);

}  // namespace squall

#endif  // SQUALL_CONTROL_DEFAULT_ADDRESS_H_
