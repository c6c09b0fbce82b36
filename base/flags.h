// Command lines of squall's programs: absl flags, with errors for people and exit status 2.
//
//   ABSL_FLAG(int, port, 8888, "TCP port to listen on");
//
//   int main(int argc, char** argv) {
//     squall::ParseFlagsOrExit(argc, argv, "server: serves the article's handler");
//     if (absl::GetFlag(FLAGS_port) > 65535) squall::ExitWithUsageError("--port=…: …");
//
// absl::ParseCommandLine prints several lines for one mistake and exits with 1, which here means
// "something went wrong while running". Main thread, before anything else.
#ifndef SQUALL_BASE_FLAGS_H_
#define SQUALL_BASE_FLAGS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/flags/commandlineflag.h"
#include "absl/status/statusor.h"

namespace squall {

// Sets the flags named in `arguments` (argv without the program): --name=value, --name value,
// --name and --noname for a bool, "--" ends the flags; "-" inside of a name is "_". Returns what is
// no flag, in order. INVALID_ARGUMENT with one sentence: an unknown flag, a value that the flag does
// not take, or a missing one.
absl::StatusOr<std::vector<std::string>> ParseFlags(const std::vector<std::string>& arguments);

// Has ParseFlags() set this flag, be it to its default?
bool WasGiven(const absl::CommandLineFlag& flag);

// As above for main. --help prints `usage` and the flags that the program's own sources define, and
// exits 0; --version prints squall's release and the program's build id; a mistake is one line on stderr and exit status 2. Programs without positional
// arguments need not look at the result: any is a mistake unless `allow_positional`.
enum class Positional { kRefuse, kAllow };
std::vector<std::string> ParseFlagsOrExit(int argc, char** argv, std::string_view usage,
                                          Positional positional = Positional::kRefuse);

// "PROGRAM: message (--help lists the flags)" on stderr, then exit status 2.
[[noreturn]] void ExitWithUsageError(std::string_view message);

}  // namespace squall

#endif  // SQUALL_BASE_FLAGS_H_
