#include "squall/control/status/answer_tally.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace squall::internal {

void AnswerTally::Count(const AccessLogEntry& entry) {
  const std::string_view path = entry.uri.substr(0, entry.uri.find('?'));
  const auto known = std::find(paths_.begin(), paths_.end(), path);
  ++answers_[{known == paths_.end() ? std::string_view("other") : *known, entry.status}];
}

void AnswerTally::Append(MetricsText& text) const {
  text.Family("squall_control_http_responses_total", MetricType::kCounter,
              "Answers of the status listener since the control process started.");
  for (const auto& [key, number] : answers_) {
    text.Sample(number, {{"path", key.first}, {"code", absl::StrCat(key.second)}});
  }
}

}  // namespace squall::internal
