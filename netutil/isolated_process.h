// Runs a part of a test in a process of its own, which may break its network or its rights.
//
//   EXPECT_EQ(RunIsolated([] {
//     EnterOwnNetwork();
//     EXPECT_THAT(BindSockets(0), IsOk());
//   }), Isolated::kPassed);
//
// Tests only. The caller must have one thread.
#ifndef SQUALL_NETUTIL_ISOLATED_PROCESS_H_
#define SQUALL_NETUTIL_ISOLATED_PROCESS_H_

#include <string_view>

#include "absl/functional/function_ref.h"

namespace squall {

enum class Isolated { kPassed, kFailed, kNotPermitted };

// Forks, runs `body` there and waits. kFailed if an EXPECT or ASSERT in it failed, or if it died.
Isolated RunIsolated(absl::FunctionRef<void()> body);

// For use inside `body`. Each ends the process with kNotPermitted where the machine does not allow
// it. A network with nothing but lo, and a mount namespace.
void EnterOwnNetwork();
// After EnterOwnNetwork. Writes a file below /proc/sys/net.
void SetNetworkSysctl(std::string_view name, std::string_view value);
// After EnterOwnNetwork. Puts `text` in the place of /etc/hosts.
void ReplaceHosts(std::string_view text);
// The system call `number` (SYS_...) fails with `error_number` from now on, always or if its first
// argument is `first_argument`.
void FailSystemCall(int number, int error_number);
void FailSystemCall(int number, int first_argument, int error_number);

}  // namespace squall

#endif  // SQUALL_NETUTIL_ISOLATED_PROCESS_H_
