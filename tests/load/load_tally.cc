#include "squall/tests/load/load_tally.h"

#include <algorithm>
#include <iostream>
#include <limits>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "squall/base/string_view.h"

namespace squall::testing {
namespace {

constexpr int kMaxToldLosses = 20;

constexpr std::array<const char*, kNumLosses> kNames = {
    "refused", "reset", "unanswered", "short", "timeout", "malformed", "status", "body"};

double Milliseconds(uint32_t microseconds) { return microseconds / 1000.0; }

// `sorted` in ascending order.
double Percentile(const std::vector<uint32_t>& sorted, double share) {
  if (sorted.empty()) return 0;
  return Milliseconds(sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))]);
}

}  // namespace

LoadTally::LoadTally() : start_(absl::Now()) {}

void LoadTally::Answered(absl::Duration latency) {
  const int64_t microseconds = absl::ToInt64Microseconds(latency);
  latencies_.push_back(static_cast<uint32_t>(
      std::clamp<int64_t>(microseconds, 0, std::numeric_limits<uint32_t>::max())));
}

void LoadTally::Lost(Loss loss, std::string_view details) {
  ++losses_[static_cast<size_t>(loss)];
  if (failures() > kMaxToldLosses) return;
  std::cerr << absl::StrFormat("%.3f s: request %d was lost: %s, %s\n",
                               absl::ToDoubleSeconds(absl::Now() - start_), requests(),
                               kNames[static_cast<size_t>(loss)], ToAbsl(details));
}

int64_t LoadTally::failures() const {
  return std::accumulate(losses_.begin(), losses_.end(), int64_t{0});
}

std::string LoadTally::ToJson() const {
  std::vector<uint32_t> sorted = latencies_;
  std::sort(sorted.begin(), sorted.end());
  std::string json = absl::StrFormat(
      R"({"requests": %d, "failures": %d, "seconds": %.3f, "connections": %d, )"
      R"("announced_closes": %d, "silent_closes": %d, "p50_ms": %.3f, "p99_ms": %.3f, "max_ms": %.3f)",
      requests(), failures(), absl::ToDoubleSeconds(absl::Now() - start_), connections_,
      announced_closes_, silent_closes_, Percentile(sorted, 0.5), Percentile(sorted, 0.99),
      Percentile(sorted, 1));
  for (size_t i = 0; i < losses_.size(); ++i) {
    absl::StrAppend(&json, ", \"", kNames[i], "\": ", losses_[i]);
  }
  return json + "}";
}

}  // namespace squall::testing
