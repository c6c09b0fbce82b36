#include "squall/process/capabilities.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "squall/base/status.h"

namespace squall::internal {
namespace {

__user_cap_header_struct ThisThread() { return {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0}; }

}  // namespace

bool HasCapability(int capability) {
  __user_cap_header_struct header = ThisThread();
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capget, &header, data) != 0) return false;
  return (data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability)) != 0;
}

absl::Status ClearCapabilities() {
  __user_cap_header_struct header = ThisThread();
  const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  // The ambient set is a part of the inheritable one, so it is emptied by this, too.
  if (syscall(SYS_capset, &header, none) != 0) {
    return StatusFromErrno(errno, "capset to no capabilities");
  }
  return absl::OkStatus();
}

}  // namespace squall::internal
