// A decoy: squall has a header of this name, and must not find this one.
#error "squall included the process/worker.h of the workspace that uses it"
