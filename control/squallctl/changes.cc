#include "squall/control/squallctl/changes.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/control/pool_to_proto.h"
#include "squall/control/squallctl/follow_operation.h"
#include "squall/control/squallctl/print.h"
#include "squall/control/squallctl/render.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

std::string Workers(int count) { return absl::StrCat(count, count == 1 ? " worker" : " workers"); }

// "resized to 4 workers: 4 ready (generation 2, took 1.2s)"
std::string DoneText(const v1::Operation& operation, bool waited) {
  std::string text;
  switch (operation.kind()) {
    case v1::OPERATION_KIND_RESIZE:
      text = absl::StrCat("resized to ", Workers(operation.desired_workers()), ": ",
                          FormatCounts(operation.pool()), " (generation ", operation.generation());
      break;
    case v1::OPERATION_KIND_RESTART:
      text = absl::StrCat("restarted: ", FormatCounts(operation.pool()), " (generation ",
                          operation.generation());
      break;
    case v1::OPERATION_KIND_DRAIN_WORKER:
      text = absl::StrCat("drained worker ", operation.slot(), " (incarnation ",
                          operation.incarnation());
      break;
    case v1::OPERATION_KIND_KILL_WORKER:
      text = absl::StrCat("killed worker ", operation.slot(), " (incarnation ",
                          operation.incarnation());
      break;
    default:
      text = "done (";
      break;
  }
  if (waited && operation.has_end_time()) {
    absl::StrAppend(
        &text, ", took ",
        FormatAge(FromProto(operation.end_time()) - FromProto(operation.create_time())));
  }
  return absl::StrCat(text, ")");
}

// Tells how the operation stands.
ExitCode Report(const v1::Operation& operation, const CommandLine& line, bool waited,
                Console& console) {
  if (line.output != OutputFormat::kTable) PrintMessage(operation, line.output, console);
  const bool words = line.output == OutputFormat::kTable;
  switch (operation.state()) {
    case v1::OPERATION_STATE_DONE:
      if (words) console.out << DoneText(operation, waited) << '\n';
      return ExitCode::kDone;
    case v1::OPERATION_STATE_FAILED:
    case v1::OPERATION_STATE_CANCELLED:
      console.err << "squallctl: the " << FormatOperation(operation) << " was "
                  << (operation.state() == v1::OPERATION_STATE_FAILED ? "not done: "
                                                                      : "taken back: ")
                  << operation.error().message()
                  << (operation.error().reason() == "WORKERS_UNAVAILABLE"
                          ? "; squallctl explain says why"
                          : "")
                  << '\n';
      return ExitCode::kPrecondition;
    default:
      break;
  }
  if (waited) {
    console.err << "squallctl: not done after " << absl::FormatDuration(WaitTimeout(line)) << ": "
                << operation.pool().desired_workers() << " wanted, "
                << FormatCounts(operation.pool()) << ". The " << FormatOperation(operation)
                << " goes on; squallctl wait " << operation.name() << " waits again\n";
    return ExitCode::kDeadline;
  }
  if (words) {
    console.out << FormatOperation(operation) << " accepted: " << FormatCounts(operation.pool())
                << " (" << operation.name() << ")\n";
  }
  return ExitCode::kDone;
}

ExitCode Follow(ControlClient& client, const v1::Operation& begun, const CommandLine& line,
                Console& console) {
  const absl::StatusOr<v1::Operation> operation =
      FollowOperation(client, begun, WaitTimeout(line), console);
  if (!operation.ok()) {
    console.err << "squallctl: " << operation.status().message() << "; the "
                << FormatOperation(begun) << " may go on\n";
    return ExitCodeFor(operation.status());
  }
  return Report(*operation, line, true, console);
}

// What every command that begins an operation does with the answer. `what` for errors and checks:
// "restart".
ExitCode Begun(ControlClient& client, const absl::StatusOr<v1::Operation>& operation,
               const CommandLine& line, const std::string& what, Console& console) {
  if (!operation.ok()) {
    if (operation.status().code() == absl::StatusCode::kDeadlineExceeded && !line.dry_run) {
      console.err << "squallctl: " << operation.status().message() << "; the " << what
                  << " may still take effect; see squallctl operations\n";
      return ExitCode::kDeadline;
    }
    return Fail(operation.status(), console);
  }
  if (line.dry_run) {
    if (line.output != OutputFormat::kTable) {
      PrintMessage(*operation, line.output, console);
    } else {
      console.out << "a " << what << " would be accepted; nothing was changed\n";
    }
    return ExitCode::kDone;
  }
  if (line.wait) return Follow(client, *operation, line, console);
  return Report(*operation, line, false, console);
}

// A request that names the worker which is in the slot now: what the operator saw a moment ago, or
// its successor, which the server then refuses to touch.
template <typename Request>
absl::StatusOr<Request> RequestForWorker(ControlClient& client, const CommandLine& line) {
  const absl::StatusOr<v1::Worker> worker = client.GetWorker(*line.slot);
  if (!worker.ok()) return worker.status();
  if (worker->pid() == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("no process is in slot ", *line.slot, "; see squallctl status"));
  }
  Request request;
  request.set_slot(*line.slot);
  request.set_incarnation(worker->incarnation());
  request.set_validate_only(line.dry_run);
  return request;
}

}  // namespace

ExitCode Resize(ControlClient& client, const CommandLine& line, Console& console) {
  ResizeOptions options{.desired_workers = line.target.value, .validate_only = line.dry_run};
  const absl::StatusOr<v1::Operation> operation =
      line.target.relative ? client.ResizePoolBy(line.target.value, std::move(options))
                           : client.ResizePool(options);
  const std::string what =
      operation.ok() ? absl::StrCat("resize to ", Workers(operation->desired_workers())) : "resize";
  return Begun(client, operation, line, what, console);
}

ExitCode Restart(ControlClient& client, const CommandLine& line, Console& console) {
  v1::RestartPoolRequest request = line.restart;
  request.set_validate_only(line.dry_run);
  return Begun(client, client.RestartPool(request), line, "restart", console);
}

ExitCode Drain(ControlClient& client, const CommandLine& line, Console& console) {
  const auto request = RequestForWorker<v1::DrainWorkerRequest>(client, line);
  if (!request.ok()) return Fail(request.status(), console);
  return Begun(client, client.DrainWorker(*request), line,
               absl::StrCat("drain of worker ", *line.slot), console);
}

ExitCode Kill(ControlClient& client, const CommandLine& line, Console& console) {
  const auto request = RequestForWorker<v1::KillWorkerRequest>(client, line);
  if (!request.ok()) return Fail(request.status(), console);
  return Begun(client, client.KillWorker(*request), line,
               absl::StrCat("kill of worker ", *line.slot), console);
}

ExitCode ResetBreaker(ControlClient& client, const CommandLine& line, Console& console) {
  v1::ResetBreakerRequest request;
  if (line.slot.has_value()) request.set_slot(*line.slot);
  request.set_validate_only(line.dry_run);
  const absl::StatusOr<v1::Pool> pool = client.ResetBreaker(request);
  if (!pool.ok()) return Fail(pool.status(), console);
  if (line.output != OutputFormat::kTable) {
    PrintMessage(*pool, line.output, console);
  } else if (line.dry_run) {
    console.out << "a reset would be accepted; nothing was changed\n";
  } else {
    console.out << "reset: " << FormatCounts(*pool) << '\n';
  }
  return ExitCode::kDone;
}

ExitCode Wait(ControlClient& client, const CommandLine& line, Console& console) {
  const absl::StatusOr<v1::Operation> operation = client.GetOperation(line.operation);
  if (!operation.ok()) return Fail(operation.status(), console);
  return Follow(client, *operation, line, console);
}

ExitCode Cancel(ControlClient& client, const CommandLine& line, Console& console) {
  const absl::StatusOr<v1::Operation> operation = client.CancelOperation(line.operation);
  if (!operation.ok()) return Fail(operation.status(), console);
  if (line.output != OutputFormat::kTable) {
    PrintMessage(*operation, line.output, console);
  } else {
    console.out << "the " << FormatOperation(*operation)
                << " is cancelled: " << operation->pool().desired_workers() << " wanted, "
                << FormatCounts(operation->pool()) << '\n';
  }
  return ExitCode::kDone;
}

ExitCode Shutdown(ControlClient& client, const CommandLine& line, Console& console) {
  v1::ShutdownServerRequest request;
  request.set_mode(line.fast ? v1::SHUTDOWN_MODE_FAST : v1::SHUTDOWN_MODE_GRACEFUL);
  request.set_validate_only(line.dry_run);
  const absl::StatusOr<v1::Pool> pool = client.ShutdownServer(request);
  if (!pool.ok()) return Fail(pool.status(), console);
  if (line.output != OutputFormat::kTable) {
    PrintMessage(*pool, line.output, console);
  } else if (line.dry_run) {
    console.out << "a shutdown would be accepted; nothing was changed\n";
  } else {
    console.out << "the server is shutting down: " << FormatCounts(*pool) << '\n';
  }
  return ExitCode::kDone;
}

}  // namespace squall::internal
