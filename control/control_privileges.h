// Internal: what a control process gives up before it hears anybody: its user, its capabilities, and
// writing to files.
//
//   RETURN_IF_ERROR(internal::GiveUpPrivileges({.identity = options.identity}));  // first of all
//
// In a freshly forked process with one thread. After an error it is half way and must end.
#ifndef SQUALL_CONTROL_CONTROL_PRIVILEGES_H_
#define SQUALL_CONTROL_CONTROL_PRIVILEGES_H_

#include <optional>

#include "absl/status/status.h"
#include "squall/process/privilege_drop.h"

namespace squall::internal {

// RLIMIT_NOFILE of the control process, and what takes of it: a connection over TLS has its socket,
// both ends of the pair to gRPC and a copy of each; a caller has a gRPC server. The others are connections that
// shake hands, those of the status listener, and the process' own.
inline constexpr int kControlDescriptors = 1024;
inline constexpr int kDescriptorsPerConnection = 5;
inline constexpr int kDescriptorsPerCaller = 4;
inline constexpr int kOtherDescriptors = 192;

struct ControlPrivileges {
  // Who to become. Nothing: as it is.
  std::optional<Identity> identity = {};
  // There are private keys in this process' memory: nobody of the same user may look there.
  bool has_secrets = false;
};

// In this order:
//  1. no core file (RLIMIT_CORE 0), and no more descriptors than it needs (RLIMIT_NOFILE);
//  2. the bounding set of capabilities(7) is emptied, where that is allowed;
//  3. user and groups, as DropPrivileges(); the process is not dumpable then;
//  4. no capabilities, also for root: files of others are closed to it;
//  5. no_new_privs (prctl(2)): nothing that it could start gets any of this back;
//  6. no file can be made, opened for writing, removed or renamed: landlock(7). What is open stays so,
//     the log among it. A kernel without it (before 5.13, or disabled) is told of in the log.
absl::Status GiveUpPrivileges(const ControlPrivileges& privileges);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_CONTROL_PRIVILEGES_H_
