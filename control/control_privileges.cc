#include "squall/control/control_privileges.h"

#include <errno.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "absl/status/status.h"
#include "squall/base/logging.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"
#include "squall/base/unique_fd.h"
#include "squall/process/capabilities.h"

namespace squall::internal {
namespace {

// All rights of landlock's first version that change a file system.
constexpr __u64 kWrites = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                          LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                          LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                          LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                          LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;

absl::Status Limit() {
  const rlimit no_core = {.rlim_cur = 0, .rlim_max = 0};
  if (setrlimit(RLIMIT_CORE, &no_core) != 0) return StatusFromErrno(errno, "RLIMIT_CORE");
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return StatusFromErrno(errno, "RLIMIT_NOFILE");
  files.rlim_cur = std::min(files.rlim_cur, rlim_t{kControlDescriptors});
  files.rlim_max = files.rlim_cur;
  if (setrlimit(RLIMIT_NOFILE, &files) != 0) return StatusFromErrno(errno, "RLIMIT_NOFILE");
  return absl::OkStatus();
}

// Without CAP_SETPCAP the set stays, and is of no use without a program that has capabilities, which
// no_new_privs does away with.
void EmptyBoundingSet() {
  for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0;
       ++capability) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return;
  }
}

// glibc has no functions for it.
absl::Status WriteNowhere() {
  const landlock_ruleset_attr rules = {.handled_access_fs = kWrites};
  const UniqueFd ruleset(
      static_cast<int>(syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0)));
  if (!ruleset.valid()) return StatusFromErrno(errno, "landlock");
  // No rule allows any of it.
  if (syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0) {
    return StatusFromErrno(errno, "landlock");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status GiveUpPrivileges(const ControlPrivileges& privileges) {
  RETURN_IF_ERROR(Limit());
  EmptyBoundingSet();
  if (privileges.identity.has_value()) RETURN_IF_ERROR(DropPrivileges(*privileges.identity));
  RETURN_IF_ERROR(ClearCapabilities());
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return StatusFromErrno(errno, "no_new_privs");
  if (privileges.has_secrets && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return StatusFromErrno(errno, "PR_SET_DUMPABLE");
  }
  if (const absl::Status nowhere = WriteNowhere(); !nowhere.ok()) {
    LOG(WARNING)
        << "control process: this kernel cannot keep it from writing to files that its user "
           "may write to ("
        << nowhere.message() << ")";
  }
  return absl::OkStatus();
}

}  // namespace squall::internal
