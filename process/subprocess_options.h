// What a Subprocess runs and what it is given: program, environment, directory, standard streams.
//
//   squall::SubprocessOptions options;
//   options.argv = {"sort", "-u"};
//   options.stdin = squall::Stdio::kStream;
//   options.stdout = squall::Stdio::Fd(file.get());
//   options.stderr = squall::Stdio::kStdout;
//   auto process = squall::Subprocess::Start(options);
//
// Source: Python's subprocess.Popen, whose arguments tornado.process.Subprocess takes.
#ifndef SQUALL_PROCESS_SUBPROCESS_OPTIONS_H_
#define SQUALL_PROCESS_SUBPROCESS_OPTIONS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "squall/ioloop/iostream.h"

namespace squall {

// What one of the program's descriptors 0, 1 and 2 is.
class Stdio {
 public:
  enum Kind {
    // This process's descriptor of the same number; /dev/null if that is closed or close-on-exec.
    kInherit,
    // /dev/null
    kNull,
    // A pipe, whose other end is a stream of the Subprocess.
    kStream,
    // For stderr alone: what stdout is.
    kStdout,
    // Made by Fd().
    kDescriptor,
  };

  Stdio(Kind kind) : kind_(kind) {}  // NOLINT: `options.stdin = Stdio::kNull` is the point.

  // Any open descriptor. It stays the caller's, and must be open until Start has returned.
  static Stdio Fd(int fd) { return Stdio(kDescriptor, fd); }

  Kind kind() const { return kind_; }
  // Of kDescriptor, else -1.
  int fd() const { return fd_; }

 private:
  Stdio(Kind kind, int fd) : kind_(kind), fd_(fd) {}

  Kind kind_;
  int fd_ = -1;
};

enum class ProcessGroup {
  kInherit,     // ^C and other signals to this process's group reach the program as well
  kNew,         // its own, with the program's pid, see setpgid(2)
  kNewSession,  // its own, and without a terminal, see setsid(2)
};

struct SubprocessOptions {
  // The program and its arguments. A name without a slash is looked up in the PATH that the program
  // gets. Relative paths, also those in PATH, start at `working_directory`.
  std::vector<std::string> argv = {};
  // The whole environment, "NAME=value" each. Unset: this process's.
  std::optional<std::vector<std::string>> env = std::nullopt;
  // Empty: this process's.
  std::string working_directory = {};

  Stdio stdin = Stdio::kInherit;
  Stdio stdout = Stdio::kInherit;
  Stdio stderr = Stdio::kInherit;
  // Of each kStream.
  IOStreamOptions stream = {};

  ProcessGroup process_group = ProcessGroup::kInherit;
};

// OK, or INVALID_ARGUMENT naming the first option that makes no sense.
absl::Status Validate(const SubprocessOptions& options);

}  // namespace squall

#endif  // SQUALL_PROCESS_SUBPROCESS_OPTIONS_H_
