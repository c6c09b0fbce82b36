// A wall clock that a test can move under a running server, without moving the machine's.
//
// A program that links this has its clock_gettime(CLOCK_REALTIME), gettimeofday and time, for its
// libraries too, ahead by as many seconds as the file says that SQUALL_WALL_CLOCK names: 8 octets, a
// number as the machine has it in memory, looked at each time. Without the variable the clock is
// the machine's. Other clocks are never moved.
#ifndef SQUALL_TESTS_INTEGRATION_WALL_CLOCK_H_
#define SQUALL_TESTS_INTEGRATION_WALL_CLOCK_H_

#include <cstdint>

namespace squall::testing {

// By how many seconds the wall clock is ahead of the machine's.
int64_t WallClockOffset();

}  // namespace squall::testing

#endif  // SQUALL_TESTS_INTEGRATION_WALL_CLOCK_H_
