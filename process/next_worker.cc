#include "squall/process/next_worker.h"

#include "squall/base/logging.h"
#include "squall/process/master.h"

namespace squall::internal {

void SetWorkerSettings(const ResolvedWorkerSettings& settings) {
  CHECK(Master::Current() != nullptr) << "only the master makes workers";
  Master::Current()->set_worker_settings(settings);
}

uint64_t ServingGeneration() {
  CHECK(Master::Current() != nullptr) << "only the master has generations of workers";
  return Master::Current()->serving_generation();
}

}  // namespace squall::internal
