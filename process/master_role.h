// Internal: whether this process is the master of a pool, for what must not be done there.
#ifndef SQUALL_PROCESS_MASTER_ROLE_H_
#define SQUALL_PROCESS_MASTER_ROLE_H_

namespace squall::internal {

// This process is a master from now on; its children are not. Called by ForkProcesses alone.
void BecomeMaster();

bool IsMaster();

}  // namespace squall::internal

#endif  // SQUALL_PROCESS_MASTER_ROLE_H_
