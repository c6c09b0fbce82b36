#include "squall/control/status/health_handlers.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "squall/control/status/pool_words.h"

namespace squall::internal {

Task<> HealthHandler::Get() {
  const absl::Status answered = co_await master_->Ask();
  if (answered.ok()) {
    Answer(200, "healthy: the master answers");
  } else {
    Answer(503, std::string(answered.message()));
  }
}

void ReadyHandler::Get() {
  const PoolSnapshot snapshot = reader_->Read();
  const bool serving = IsServing(snapshot);
  Answer(serving ? 200 : 503,
         absl::StrCat(serving ? "ready: " : "not ready: ", Readiness(snapshot)));
}

}  // namespace squall::internal
