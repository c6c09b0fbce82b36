#include "squall/httpserver/serve_options.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "squall/base/status_macros.h"
#include "squall/netutil/listen_address.h"
#include "squall/netutil/reuse_port_listeners.h"
#include "squall/process/cpu_count.h"

namespace squall {
namespace {

absl::Status ValidateListen(const std::vector<std::string>& listen) {
  if (listen.empty()) {
    return absl::InvalidArgumentError(
        "listen is empty; it must name at least one address, such as localhost:8888");
  }
  std::set<std::string> seen;
  for (const std::string& text : listen) {
    ASSIGN_OR_RETURN(const ListenAddress address, ListenAddress::Parse(text));
    const bool any_port = !address.is_unix() && address.port == 0;
    if (!seen.insert(text).second && !any_port) {
      return absl::InvalidArgumentError(absl::StrCat("listen names ", text, " twice"));
    }
  }
  return absl::OkStatus();
}

// Does anybody but the operator change the number of workers?
bool Autoscales(const ServeOptions& options) {
  return options.fork.autoscaler.mode != AutoscalerMode::kStatic &&
         !options.fork.autoscaler.dry_run;
}

}  // namespace

int WorkerCount(const ServeOptions& options) {
  if (options.workers != 0) return options.workers;
  int workers = CpuCount();
  if (options.fork.max_workers > 0) workers = std::min(workers, options.fork.max_workers);
  if (Autoscales(options)) {
    workers = std::min(workers, options.fork.autoscaler.max_workers.value_or(workers));
  }
  return workers;
}

absl::Status Validate(const ServeOptions& options) {
  RETURN_IF_ERROR(ValidateListen(options.listen));
  if (options.backlog < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("backlog must be at least 1, not ", options.backlog));
  }
  if (options.unix_mode > 0777) {
    return absl::InvalidArgumentError(
        absl::StrFormat("unix_mode is at most 0777 (octal), not 0%o", options.unix_mode));
  }
  if (options.workers < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("workers must be at least 1, or 0 for one per CPU, not ", options.workers));
  }
  if (options.fork.max_workers > 0 && options.workers > options.fork.max_workers) {
    return absl::InvalidArgumentError(absl::StrCat("workers must not be above max_workers (",
                                                   options.fork.max_workers, "), but is ",
                                                   options.workers));
  }
  RETURN_IF_ERROR(Validate(WorkerCount(options), options.fork));
  if (Autoscales(options) &&
      options.workers > options.fork.autoscaler.max_workers.value_or(options.workers)) {
    return absl::InvalidArgumentError(
        absl::StrCat("workers must not be above autoscaler.max_workers (",
                     *options.fork.autoscaler.max_workers, "), but is ", options.workers));
  }
  const int max_workers = MaxWorkers(WorkerCount(options), options.fork);
  if (options.http.accept_policy == AcceptPolicy::kReusePort &&
      max_workers > ReusePortListeners::kMaxSlots) {
    return absl::InvalidArgumentError(absl::StrCat(
        "max_workers is at most ", ReusePortListeners::kMaxSlots,
        " with the accept policy reuse_port, which has a socket for each, but is ", max_workers));
  }
  const auto is_unix = [](const std::string& text) {
    return ListenAddress::Parse(text)->is_unix();
  };
  if (options.fork.autoscaler.mode == AutoscalerMode::kBacklog &&
      std::all_of(options.listen.begin(), options.listen.end(), is_unix)) {
    return absl::InvalidArgumentError(
        "autoscaler.mode is backlog, but listen has unix sockets alone; only TCP tells how many "
        "connections wait");
  }
  return Validate(options.http);
}

}  // namespace squall
