// A decoy: squall has a header of this name, and must not find this one.
#error "squall included the process/sidecar.h of the workspace that uses it"
