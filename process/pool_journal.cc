#include "squall/process/pool_journal.h"

#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"

namespace squall {
namespace {

bool IsRefusal(PoolNote::Type type) {
  return type == PoolNote::Type::kResizeRefused || type == PoolNote::Type::kRestartRefused ||
         type == PoolNote::Type::kRequestRefused;
}

std::string KindOf(const PoolNote& note) {
  return absl::StrCat(note.actor, " ", note.method, " ", note.reason);
}

}  // namespace

void PoolJournal::Add(const LinkRefusal& refusal) {
  const std::string actor = absl::CHexEscape(refusal.actor);
  const std::string method = absl::CHexEscape(refusal.method);
  Add(PoolNote{
      .severity = PoolNote::Severity::kWarning,
      .type = PoolNote::Type::kRequestRefused,
      .text = absl::StrCat(method, " by ", actor, " refused: ", absl::CHexEscape(refusal.message)),
      .actor = actor,
      .method = method,
      .reason = absl::CHexEscape(refusal.reason),
      .count = refusal.count});
}

bool PoolJournal::Record(MonotonicTime now, absl::Time wall) {
  const size_t before = recorded_.size();
  const auto record = [&](PoolNote note) {
    if (note.count > 1) absl::StrAppend(&note.text, " (", note.count, " times)");
    log_.Append(note, wall);
    recorded_.push_back(std::move(note));
  };
  for (PoolNote& note : waiting_) {
    if (IsRefusal(note.type) && !refusals_.Add(KindOf(note), note, note.count, now)) continue;
    record(std::move(note));
  }
  waiting_.clear();
  for (auto& repeated : refusals_.Due(now)) {
    repeated.last.count = repeated.count;
    record(std::move(repeated.last));
  }
  return recorded_.size() > before;
}

void PoolJournal::Log() {
  for (const PoolNote& note : recorded_) {
    switch (note.severity) {
      case PoolNote::Severity::kInfo:
        LOG(INFO) << note.text;
        break;
      case PoolNote::Severity::kWarning:
        LOG(WARNING) << note.text;
        break;
      case PoolNote::Severity::kError:
        LOG(ERROR) << note.text;
        break;
    }
  }
  recorded_.clear();
}

}  // namespace squall
