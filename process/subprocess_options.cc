#include "squall/process/subprocess_options.h"

#include <fcntl.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"

namespace squall {
namespace {

bool HasNul(const std::string& text) { return text.find('\0') != std::string::npos; }

std::string Quoted(const std::string& text) {
  return absl::StrCat("\"", absl::CEscape(text), "\"");
}

absl::Status CheckArgv(const std::vector<std::string>& argv) {
  if (argv.empty()) {
    return absl::InvalidArgumentError("argv is empty; its first element names the program");
  }
  if (argv[0].empty()) {
    return absl::InvalidArgumentError("argv[0] is \"\"; it must name the program");
  }
  for (size_t i = 0; i < argv.size(); ++i) {
    if (HasNul(argv[i])) {
      return absl::InvalidArgumentError(absl::StrCat("argv[", i, "] is ", Quoted(argv[i]),
                                                     "; an argument cannot have a NUL in it"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckEnv(const std::vector<std::string>& env) {
  for (size_t i = 0; i < env.size(); ++i) {
    const size_t equals = env[i].find('=');
    if (equals == std::string::npos || equals == 0 || HasNul(env[i])) {
      return absl::InvalidArgumentError(absl::StrCat("env[", i, "] is ", Quoted(env[i]),
                                                     "; it must be \"NAME=value\" without a NUL"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckStdio(std::string_view name, const Stdio& stdio) {
  switch (stdio.kind()) {
    case Stdio::kInherit:
    case Stdio::kNull:
    case Stdio::kStream:
      return absl::OkStatus();
    case Stdio::kStdout:
      if (name == "stderr") return absl::OkStatus();
      return absl::InvalidArgumentError(
          absl::StrCat(ToAbsl(name), " is Stdio::kStdout, which is for stderr alone"));
    case Stdio::kDescriptor:
      if (fcntl(stdio.fd(), F_GETFD) >= 0) return absl::OkStatus();
      return absl::InvalidArgumentError(absl::StrCat(ToAbsl(name), " is Stdio::Fd(", stdio.fd(),
                                                     "), which is no open descriptor"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Validate(const SubprocessOptions& options) {
  absl::Status status = CheckArgv(options.argv);
  if (status.ok() && options.env.has_value()) status = CheckEnv(*options.env);
  if (status.ok() && HasNul(options.working_directory)) {
    status = absl::InvalidArgumentError(absl::StrCat("working_directory is ",
                                                     Quoted(options.working_directory),
                                                     "; a path cannot have a NUL in it"));
  }
  if (status.ok()) status = CheckStdio("stdin", options.stdin);
  if (status.ok()) status = CheckStdio("stdout", options.stdout);
  if (status.ok()) status = CheckStdio("stderr", options.stderr);
  if (status.ok() && (options.stream.max_buffer_size == 0 || options.stream.read_chunk_size == 0)) {
    status = absl::InvalidArgumentError(
        absl::StrCat("stream.max_buffer_size is ", options.stream.max_buffer_size,
                     " and stream.read_chunk_size ", options.stream.read_chunk_size,
                     "; both must be at least 1"));
  }
  return status;
}

}  // namespace squall
