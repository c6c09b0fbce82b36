// Descriptors 0, 1 and 2 for programs whose parent closed them.
//
//   squall::OpenStandardFds();   // before the first socket
//   UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));   // never 0, 1 or 2
#ifndef SQUALL_BASE_STANDARD_FDS_H_
#define SQUALL_BASE_STANDARD_FDS_H_

namespace squall {

// Opens /dev/null in the place of each of them that is closed. Without it the next socket or memfd
// becomes descriptor 2, and every log line is written into it. Leaves errno alone. Any process;
// call it before there are threads. BindSockets, BindUnixSocket, ParseFlagsOrExit and InitLogging
// do.
void OpenStandardFds();

}  // namespace squall

#endif  // SQUALL_BASE_STANDARD_FDS_H_
