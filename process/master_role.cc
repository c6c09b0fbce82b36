#include "squall/process/master_role.h"

#include <sys/types.h>
#include <unistd.h>

namespace squall::internal {
namespace {

pid_t master_pid = 0;

}  // namespace

void BecomeMaster() { master_pid = getpid(); }

bool IsMaster() { return master_pid == getpid(); }

}  // namespace squall::internal
