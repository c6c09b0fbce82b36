// A program run beside the loop: its standard streams are IOStreams, its end is a callback or an
// awaited task (Tornado's process.Subprocess).
//
//   squall::Task<absl::StatusOr<std::string>> Sorted(std::string lines) {
//     squall::SubprocessOptions options;
//     options.argv = {"sort", "-u"};
//     options.stdin = squall::Stdio::kStream;
//     options.stdout = squall::Stdio::kStream;
//     auto sort = squall::Subprocess::Start(options);
//     if (!sort.ok()) co_return sort.status();
//     absl::Status written = co_await (*sort)->stdin_stream()->Write(std::move(lines));
//     if (!written.ok()) co_return written;
//     (*sort)->stdin_stream()->Close();  // the end of file for sort
//     auto sorted = co_await (*sort)->stdout_stream()->ReadUntilClose();
//     auto ended = co_await (*sort)->WaitForExit();
//     if (!ended.ok()) co_return ended.status();  // `"sort" (pid 4711) exited with status 2`
//     co_return sorted;
//   }
//
// (A program that answers before it has read everything needs Write and Read in two tasks.)
//
// The program has the descriptors 0, 1 and 2 and no others, default signal dispositions and an
// empty signal mask, whatever this process does with signals; but where SIGHUP is ignored (nohup),
// it stays so. Threads do no harm. Its end is seen by a pidfd and reaped with waitid(P_PIDFD), so
// no child of other code is ever reaped; if other code takes the status first (wait(-1), or SIGCHLD
// is ignored), it is 255.
//
// Belongs to the loop of the thread that made it. In a worker of ForkProcesses and in a program
// without one; not in the master of a pool, which has no loop.
//
// Source: tornado.process.Subprocess, reference/tornado.md 2.2; differences are in
// docs/tornado-compat.md.
#ifndef SQUALL_PROCESS_SUBPROCESS_H_
#define SQUALL_PROCESS_SUBPROCESS_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/pipe_stream.h"
#include "squall/ioloop/task.h"
#include "squall/process/exit_status.h"
#include "squall/process/subprocess_options.h"

namespace squall {

namespace internal {
class ExitWatch;
}  // namespace internal

// Is an end that is no success an error of WaitForExit?
enum class RaiseError { kIfFailed, kNever };

class Subprocess {
 public:
  // Runs the program and returns when it runs, i.e. after execve. Errors, with no process and no
  // descriptor left behind:
  //   INVALID_ARGUMENT     an option makes no sense (Validate);
  //   FAILED_PRECONDITION  in the master of a pool;
  //   another code         what StatusFromErrno makes of the system's refusal, naming the program
  //                        and the step: NOT_FOUND and PERMISSION_DENIED of program or
  //                        working_directory, UNAVAILABLE for EAGAIN (too many processes),
  //                        RESOURCE_EXHAUSTED for descriptors or memory.
  // Also aborts as IOLoop::Current() does.
  static absl::StatusOr<std::unique_ptr<Subprocess>> Start(const SubprocessOptions& options);

  // Closes the streams and takes the exit callback back. The program lives on; when it ends, the
  // loop reaps it. If the loop has ended before the program, there is nobody to see its end, so it is
  // a zombie until the next Start() in this process, or until this process ends (as in Python, whose
  // subprocess module reaps at the next Popen). Whoever goes on without a loop awaits WaitForExit()
  // before the loop ends.
  ~Subprocess();
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;

  // Of the program; may belong to another process once exit_status() has a value. To send signals
  // there is Signal().
  pid_t pid() const { return pid_; }

  // The other end of a Stdio::kStream, else null. It may be moved out, to outlive the Subprocess.
  // The program can have ended before all it wrote was read.
  IOStream* stdin_stream() { return stdin_.has_value() ? &*stdin_ : nullptr; }
  IOStream* stdout_stream() { return stdout_.has_value() ? &*stdout_ : nullptr; }
  IOStream* stderr_stream() { return stderr_.has_value() ? &*stderr_ : nullptr; }

  // Calls `callback` on the loop, once, when the program has ended, also if it has ended before.
  // Takes the place of an earlier one that was not called yet.
  void SetExitCallback(absl::AnyInvocable<void(ExitStatus)> callback);

  // Waits for the end of the program: its status if that is success or with kNever, else UNKNOWN
  // with program, pid and status in its message. May be called any number of times; the task may
  // outlive the Subprocess.
  Task<absl::StatusOr<ExitStatus>> WaitForExit(RaiseError raise_error = RaiseError::kIfFailed);

  // How the program ended; nothing until the loop has seen that (Tornado's returncode).
  std::optional<ExitStatus> exit_status() const;

  // Sends a signal to the program, and never to another process that has its pid. NOT_FOUND when it
  // has ended, INVALID_ARGUMENT when there is no such signal, PERMISSION_DENIED.
  absl::Status Signal(int signo);

 private:
  Subprocess(std::string program, pid_t pid, std::shared_ptr<internal::ExitWatch> watch);

  // "sort" (pid 4711)
  std::string Description() const;

  const std::string program_;
  const pid_t pid_;
  const std::shared_ptr<internal::ExitWatch> watch_;
  std::optional<PipeStream> stdin_;
  std::optional<PipeStream> stdout_;
  std::optional<PipeStream> stderr_;
};

}  // namespace squall

#endif  // SQUALL_PROCESS_SUBPROCESS_H_
