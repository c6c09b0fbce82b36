// What a worker of the test's server does wrong at its start, told by a file, so that a test can
// change it while the pool runs.
//
//   ActOutBootFault("/tmp/x/fault", task_id);   // in each new worker, before it serves
//
// The file has one line: `abort`, `exit STATUS` or `hang`, for every worker, or for the one with
// task id N as `N:abort`. A file that is empty or does not exist is no fault.
#ifndef SQUALL_TESTS_INTEGRATION_BOOT_FAULT_H_
#define SQUALL_TESTS_INTEGRATION_BOOT_FAULT_H_

#include <string>

namespace squall::testing {

// Returns when there is no fault for this worker.
void ActOutBootFault(const std::string& path, int task_id);

}  // namespace squall::testing

#endif  // SQUALL_TESTS_INTEGRATION_BOOT_FAULT_H_
