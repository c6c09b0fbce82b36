// What the conformance programs do with their servers: say READY, serve, end on SIGTERM or SIGINT.
#ifndef SQUALL_TESTS_CONFORMANCE_SERVE_UNTIL_TERM_H_
#define SQUALL_TESTS_CONFORMANCE_SERVE_UNTIL_TERM_H_

#include <string_view>

namespace squall::conformance {

// Prints "READY `address`" to standard output, then runs this thread's loop until SIGTERM or
// SIGINT. Returns the exit status for main, so that leak checkers and coverage see a normal end.
int ServeUntilTerm(std::string_view address);

}  // namespace squall::conformance

#endif  // SQUALL_TESTS_CONFORMANCE_SERVE_UNTIL_TERM_H_
