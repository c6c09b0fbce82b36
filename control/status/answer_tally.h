// Internal: counts what the status listener answered, by path and status.
//
//   AnswerTally tally({"/metrics", "/healthz"});
//   settings.log_function = [&](const AccessLogEntry& entry) { tally.Count(entry); };
//   tally.Append(text);
//
// Bounded: what is asked for besides the paths given is counted together. One thread.
#ifndef SQUALL_CONTROL_STATUS_ANSWER_TALLY_H_
#define SQUALL_CONTROL_STATUS_ANSWER_TALLY_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "squall/control/status/metrics_text.h"
#include "squall/web/access_log.h"

namespace squall::internal {

class AnswerTally {
 public:
  explicit AnswerTally(std::vector<std::string_view> paths) : paths_(std::move(paths)) {}

  void Count(const AccessLogEntry& entry);
  // squall_control_http_responses_total{path,code}.
  void Append(MetricsText& text) const;

 private:
  std::vector<std::string_view> paths_;  // literals
  std::map<std::pair<std::string_view, int>, uint64_t> answers_;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_STATUS_ANSWER_TALLY_H_
