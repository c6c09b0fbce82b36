// Handlers that do what a handler should not do, each by its own path.
//
//   Application app(FaultRules());
//
//   /             the worker's pid
//   /exit?status=3, /abort
//   /block?seconds=2       blocks the worker, then as /; with &ignore=TERM that signal is ignored
//                          from then on, with &spin=1 the processor is kept busy meanwhile
//   /sleep?seconds=2       answers late, as /, and blocks nobody
//   /allocate?mebibytes=64 keeps that much memory for ever, then as /
//   /leak                  a child of the worker's that keeps all descriptors; its pid
//
// In a worker, on its loop.
#ifndef SQUALL_TESTS_INTEGRATION_FAULT_HANDLERS_H_
#define SQUALL_TESTS_INTEGRATION_FAULT_HANDLERS_H_

#include <sys/types.h>

#include <vector>

#include "squall/web/application.h"

namespace squall::testing {

std::vector<Rule> FaultRules();

// Forks a process that keeps every descriptor of this one open and does nothing, until somebody
// kills it. Returns its pid.
pid_t LeakDescriptors();

}  // namespace squall::testing

#endif  // SQUALL_TESTS_INTEGRATION_FAULT_HANDLERS_H_
