// A decoy: squall has a header of this name, and must not find this one.
#error "squall included the process/fork.h of the workspace that uses it"
