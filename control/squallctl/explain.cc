#include "squall/control/squallctl/explain.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "squall/control/pool_to_proto.h"
#include "squall/control/squallctl/render.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

std::string Name(const v1::Worker& worker) {
  return worker.pid() == 0 ? absl::StrCat("slot ", worker.slot())
                           : absl::StrCat("worker ", worker.slot(), " (pid ", worker.pid(), ")");
}

std::string LastDeath(const v1::Worker& worker) {
  return worker.has_last_exit()
             ? absl::StrCat(" The last worker ended so: ", FormatExit(worker), ".")
             : "";
}

std::string Request(const v1::Worker& worker) {
  if (!worker.has_current_request()) return "";
  const v1::CurrentRequest& request = worker.current_request();
  return absl::StrCat(" It is at ", request.method(), " ", request.target(), " for ",
                      FormatAge(FromProto(request.running_for())), ".");
}

// "" when nothing is the matter with it.
std::string ExplainWorker(const v1::Worker& worker) {
  switch (worker.state()) {
    case v1::WORKER_STATE_STARTING:
      return absl::StrCat(Name(worker), " started ", FormatAge(FromProto(worker.state_age())),
                          " ago and has not said READY yet.");
    case v1::WORKER_STATE_STALLED:
      return absl::StrCat(Name(worker), "'s loop has not run for ",
                          FormatAge(FromProto(worker.heartbeat_age())), ".", Request(worker),
                          " squallctl kill ", worker.slot(),
                          " replaces it, and loses that request.");
    case v1::WORKER_STATE_DRAINING:
      return absl::StrCat(
          Name(worker), " finishes what it has since ", FormatAge(FromProto(worker.state_age())),
          worker.has_next_step_in()
              ? absl::StrCat("; it is pushed on in ", FormatAge(FromProto(worker.next_step_in())))
              : "",
          ".", Request(worker));
    case v1::WORKER_STATE_BACKOFF:
      return absl::StrCat(Name(worker), " died and starts again in ",
                          FormatAge(FromProto(worker.next_start_in())), ".", LastDeath(worker));
    case v1::WORKER_STATE_FAILED:
      return absl::StrCat(Name(worker),
                          " died too often, its breaker is open; one trial follows in ",
                          FormatAge(FromProto(worker.next_start_in())), ".", LastDeath(worker),
                          " When what is wrong is repaired, squallctl reset-breaker ",
                          worker.slot(), " starts it at once.");
    default:
      return "";
  }
}

// Who decides on the number of workers, if it is not the operator.
std::string ExplainAutoscaler(const v1::AutoscalerStatus& autoscaler) {
  std::string mode;
  switch (autoscaler.mode()) {
    case v1::AUTOSCALER_MODE_SPARE:
      mode = "idle workers";
      break;
    case v1::AUTOSCALER_MODE_BACKLOG:
      mode = "waiting connections";
      break;
    case v1::AUTOSCALER_MODE_CPU:
      mode = "processor time";
      break;
    default:
      return "";
  }
  std::string line = absl::StrCat("The autoscaler goes by ", mode,
                                  autoscaler.dry_run() ? " (dry run: it changes nothing)" : "");
  if (!autoscaler.has_look_time()) return absl::StrCat(line, " and has not looked yet.");
  const v1::ScaleDecision& last = autoscaler.last_decision();
  absl::StrAppend(&line, ". ",
                  autoscaler.has_last_decision()
                      ? absl::StrCat("Its last decision: it ", last.reason(), ".")
                      : std::string("It has decided nothing yet."),
                  " It last saw: ", autoscaler.inputs(), "; it looks again in ",
                  FormatAge(FromProto(autoscaler.next_look_in())), ".");
  return line;
}

}  // namespace

std::vector<std::string> Explain(const v1::Pool& pool, const std::vector<v1::Worker>& workers) {
  std::vector<std::string> lines;
  if (pool.state() == v1::POOL_STATE_SHUTTING_DOWN) {
    lines.push_back("The server is shutting down.");
  } else if (pool.desired_workers() == 0) {
    lines.push_back("No worker is wanted: somebody resized the pool to 0. squallctl resize N.");
  } else if (pool.state() == v1::POOL_STATE_UNAVAILABLE) {
    lines.push_back("No worker is ready: nobody is served.");
  }
  const v1::RestartStatus& restart = pool.restart();
  switch (restart.phase()) {
    case v1::RESTART_PHASE_RUNNING:
      lines.push_back(absl::StrCat(
          "A restart runs: ", restart.remaining_workers(), " of ", pool.desired_workers(),
          " workers are still to be replaced",
          restart.failures() > 0 ? absl::StrCat(", ", restart.failures(), " new ones were lost")
                                 : "",
          "."));
      break;
    case v1::RESTART_PHASE_ROLLING_BACK:
      lines.push_back(absl::StrCat("A restart failed and is rolled back: ",
                                   restart.remaining_workers(), " workers are still to go back."));
      break;
    default:
      break;
  }
  for (const v1::Worker& worker : workers) {
    if (std::string line = ExplainWorker(worker); !line.empty()) lines.push_back(std::move(line));
  }
  if (lines.empty()) {
    lines.push_back(absl::StrCat("All is well: ", pool.ready_workers(), " of ",
                                 pool.desired_workers(), " workers are ready."));
  }
  if (std::string line = ExplainAutoscaler(pool.autoscaler()); !line.empty()) {
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace squall::internal
