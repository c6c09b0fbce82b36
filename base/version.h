// Which squall a program is made of, as --version, GetServerInfo and `squallctl version` say it.
#ifndef SQUALL_BASE_VERSION_H_
#define SQUALL_BASE_VERSION_H_

#include <string>

namespace squall {

// The release.
inline constexpr char kVersion[] = "0.1.0";

// The build id that the linker gave to the running program, in hex digits: two programs with the same
// one are the same program, and debuggers and core dumps name it. It is the program's alone, without
// its shared libraries. Empty when the linker gave none (see ld(1), --build-id).
std::string BuildId();

// "0.1.0 (build 1866a45687bc21784f5cc460431525a648e0ac7e)", "0.1.0 (without a build id)".
std::string VersionText();

}  // namespace squall

#endif  // SQUALL_BASE_VERSION_H_
