#include "squall/process/subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/pipe_stream.h"
#include "squall/ioloop/task.h"
#include "squall/process/child_process.h"
#include "squall/process/exit_status.h"
#include "squall/process/exit_watch.h"
#include "squall/process/master_role.h"
#include "squall/process/spawn.h"
#include "squall/process/subprocess_options.h"

namespace squall {
namespace {

constexpr const char* kNames[] = {"stdin", "stdout", "stderr"};

// One standard stream while the program is being started.
struct Endpoint {
  int child = -1;        // What the program gets,
  UniqueFd child_owner;  // its owner if it is made here,
  UniqueFd parent;       // and the other end of a pipe.
};

bool IsInheritable(int fd) {
  const int flags = fcntl(fd, F_GETFD);
  return flags >= 0 && (flags & FD_CLOEXEC) == 0;
}

std::string Named(int number, const SubprocessOptions& options) {
  return absl::StrCat(kNames[number], " of \"", options.argv[0], "\"");
}

absl::Status OpenNull(int number, const SubprocessOptions& options, Endpoint& endpoint) {
  endpoint.child_owner = UniqueFd(open("/dev/null", O_RDWR | O_CLOEXEC));
  endpoint.child = endpoint.child_owner.get();
  if (endpoint.child >= 0) return absl::OkStatus();
  return StatusFromErrno(errno, absl::StrCat("/dev/null for ", Named(number, options)));
}

absl::Status OpenPipe(int number, const SubprocessOptions& options, Endpoint& endpoint) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return StatusFromErrno(errno, absl::StrCat("a pipe for ", Named(number, options)));
  }
  const bool program_reads = number == STDIN_FILENO;
  endpoint.child_owner = UniqueFd(ends[program_reads ? 0 : 1]);
  endpoint.child = endpoint.child_owner.get();
  endpoint.parent = UniqueFd(ends[program_reads ? 1 : 0]);
  return absl::OkStatus();
}

absl::Status Open(int number, const Stdio& stdio, const SubprocessOptions& options,
                  std::array<Endpoint, 3>& endpoints) {
  Endpoint& endpoint = endpoints[number];
  switch (stdio.kind()) {
    case Stdio::kInherit:
      if (!IsInheritable(number)) return OpenNull(number, options, endpoint);
      endpoint.child = number;
      return absl::OkStatus();
    case Stdio::kNull:
      return OpenNull(number, options, endpoint);
    case Stdio::kStream:
      return OpenPipe(number, options, endpoint);
    case Stdio::kStdout:
      endpoint.child = endpoints[STDOUT_FILENO].child;
      return absl::OkStatus();
    case Stdio::kDescriptor:
      endpoint.child = stdio.fd();
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

std::optional<PipeStream> ToStream(UniqueFd end, const IOStreamOptions& options) {
  if (!end.valid()) return std::nullopt;
  return PipeStream(std::move(end), options);
}

Task<absl::StatusOr<ExitStatus>> WaitAndCheck(std::shared_ptr<internal::ExitWatch> watch,
                                              std::string description, RaiseError raise_error) {
  const ExitStatus status = co_await internal::ExitWatch::Wait(std::move(watch));
  if (raise_error == RaiseError::kIfFailed && !status.success()) {
    co_return absl::UnknownError(
        absl::StrCat(description, status.signal != 0 ? " was " : " ", status.ToString()));
  }
  co_return status;
}

}  // namespace

Subprocess::Subprocess(std::string program, pid_t pid, std::shared_ptr<internal::ExitWatch> watch)
    : program_(std::move(program)), pid_(pid), watch_(std::move(watch)) {}

absl::StatusOr<std::unique_ptr<Subprocess>> Subprocess::Start(const SubprocessOptions& options) {
  RETURN_IF_ERROR(Validate(options));
  if (internal::IsMaster()) {
    return absl::FailedPreconditionError(
        absl::StrCat("Subprocess::Start of \"", options.argv[0],
                     "\" was called in the master of a pool, which has no IOLoop; start programs "
                     "in a worker"));
  }
  // Before the program runs, for this may abort.
  IOLoop& loop = IOLoop::Current();
  internal::ReapForgotten();
  std::array<Endpoint, 3> endpoints;
  RETURN_IF_ERROR(Open(STDIN_FILENO, options.stdin, options, endpoints));
  RETURN_IF_ERROR(Open(STDOUT_FILENO, options.stdout, options, endpoints));
  RETURN_IF_ERROR(Open(STDERR_FILENO, options.stderr, options, endpoints));

  ASSIGN_OR_RETURN(
      internal::ChildProcess child,
      internal::Spawn(options, {endpoints[0].child, endpoints[1].child, endpoints[2].child}));
  ASSIGN_OR_RETURN(auto watch, internal::ExitWatch::Create(loop, std::move(child.pidfd)));
  std::unique_ptr<Subprocess> process(new Subprocess(options.argv[0], child.pid, std::move(watch)));
  process->stdin_ = ToStream(std::move(endpoints[0].parent), options.stream);
  process->stdout_ = ToStream(std::move(endpoints[1].parent), options.stream);
  process->stderr_ = ToStream(std::move(endpoints[2].parent), options.stream);
  return process;
}

Subprocess::~Subprocess() { watch_->SetCallback(nullptr); }

std::string Subprocess::Description() const {
  return absl::StrCat("\"", program_, "\" (pid ", pid_, ")");
}

void Subprocess::SetExitCallback(absl::AnyInvocable<void(ExitStatus)> callback) {
  watch_->SetCallback(std::move(callback));
}

Task<absl::StatusOr<ExitStatus>> Subprocess::WaitForExit(RaiseError raise_error) {
  return WaitAndCheck(watch_, Description(), raise_error);
}

std::optional<ExitStatus> Subprocess::exit_status() const { return watch_->status(); }

absl::Status Subprocess::Signal(int signo) {
  if (!watch_->pidfd().valid()) {
    return absl::NotFoundError(
        absl::StrCat("signal ", signo, " to ", Description(), ", which has ended"));
  }
  if (internal::Signal(watch_->pidfd(), signo)) return absl::OkStatus();
  return StatusFromErrno(errno, absl::StrCat("signal ", signo, " to ", Description()));
}

}  // namespace squall
