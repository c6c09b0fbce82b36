#include "squall/control/event_to_proto.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/stubs/common.h"
#include "squall/control/pool_to_proto.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

v1::EventSeverity SeverityOf(PoolNote::Severity severity) {
  switch (severity) {
    case PoolNote::Severity::kInfo:
      return v1::EVENT_SEVERITY_INFO;
    case PoolNote::Severity::kWarning:
      return v1::EVENT_SEVERITY_WARNING;
    case PoolNote::Severity::kError:
      return v1::EVENT_SEVERITY_ERROR;
  }
  return v1::EVENT_SEVERITY_UNSPECIFIED;
}

// Nothing that a terminal obeys or that turns or hides text: U+0080 to U+009F, U+200B to U+200F,
// U+2028 to U+202E, U+2060 to U+206F, U+FEFF.
bool HasInvisible(std::string_view text) {
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    const auto at = [&](size_t ahead) {
      return i + ahead < text.size() ? static_cast<unsigned char>(text[i + ahead]) : 0u;
    };
    if (at(0) == 0xc2 && at(1) < 0xa0) return true;
    if (at(0) == 0xe2 && at(1) == 0x80 &&
        ((at(2) >= 0x8b && at(2) <= 0x8f) || (at(2) >= 0xa8 && at(2) <= 0xae))) {
      return true;
    }
    if (at(0) == 0xe2 && at(1) == 0x81 && at(2) >= 0xa0 && at(2) <= 0xaf) return true;
    if (at(0) == 0xef && at(1) == 0xbb && at(2) == 0xbf) return true;
  }
  return false;
}

bool IsPlain(const std::string& text) {
  const bool printable = std::all_of(text.begin(), text.end(), [](unsigned char octet) {
    return octet >= 0x80 || absl::ascii_isprint(octet);
  });
  // protobuf's own check, the one that it holds strings to.
  return printable &&
         google::protobuf::internal::IsStructurallyValidUTF8(text.data(),
                                                             static_cast<int>(text.size())) &&
         !HasInvisible(text);
}

// A string of protobuf's is UTF-8, and some texts have what the kernel or a file said in them.
std::string Printable(const std::string& text) {
  return IsPlain(text) ? text : absl::CHexEscape(text);
}

// With the request line, which may hold secrets.
bool TellsOfRequests(PoolNote::Type type) {
  return type == PoolNote::Type::kWorkerSilent || type == PoolNote::Type::kWorkerRecovered ||
         type == PoolNote::Type::kAborted;
}

std::string MessageFor(const PoolNote& note, v1::Role role) {
  if (role >= v1::ROLE_OPERATOR || !TellsOfRequests(note.type)) return Printable(note.text);
  return absl::StrCat("worker ", note.slot, " (pid ", note.pid, ") ",
                      note.type == PoolNote::Type::kWorkerSilent      ? "does not answer"
                      : note.type == PoolNote::Type::kWorkerRecovered ? "answers again"
                                                                      : "is given up");
}

}  // namespace

v1::EventKind KindOf(PoolNote::Type type) {
  switch (type) {
    case PoolNote::Type::kPoolStarted:
      return v1::EVENT_KIND_POOL_STARTED;
    case PoolNote::Type::kWorkerStarting:
      return v1::EVENT_KIND_WORKER_STARTED;
    case PoolNote::Type::kWorkerReady:
      return v1::EVENT_KIND_WORKER_READY;
    case PoolNote::Type::kWorkerDied:
      return v1::EVENT_KIND_WORKER_DIED;
    case PoolNote::Type::kWorkerDone:
      return v1::EVENT_KIND_WORKER_DONE;
    case PoolNote::Type::kWorkerStopped:
      return v1::EVENT_KIND_WORKER_STOPPED;
    case PoolNote::Type::kBootTimeout:
      return v1::EVENT_KIND_WORKER_BOOT_TIMEOUT;
    case PoolNote::Type::kSpawnFailed:
      return v1::EVENT_KIND_WORKER_START_FAILED;
    case PoolNote::Type::kBreakerOpen:
      return v1::EVENT_KIND_BREAKER_OPEN;
    case PoolNote::Type::kBreakerTrial:
      return v1::EVENT_KIND_BREAKER_TRIAL;
    case PoolNote::Type::kBreakerClosed:
      return v1::EVENT_KIND_BREAKER_CLOSED;
    case PoolNote::Type::kBreakerReset:
      return v1::EVENT_KIND_BREAKER_RESET;
    case PoolNote::Type::kDrainStarted:
      return v1::EVENT_KIND_WORKER_DRAINING;
    case PoolNote::Type::kTermSent:
      return v1::EVENT_KIND_WORKER_TERM_SENT;
    case PoolNote::Type::kKillSent:
      return v1::EVENT_KIND_WORKER_KILL_SENT;
    case PoolNote::Type::kDeadlineExtended:
      return v1::EVENT_KIND_WORKER_DEADLINE_EXTENDED;
    case PoolNote::Type::kSlotReleased:
      return v1::EVENT_KIND_SLOT_RELEASED;
    case PoolNote::Type::kResizeAccepted:
      return v1::EVENT_KIND_RESIZE_ACCEPTED;
    case PoolNote::Type::kResizeRefused:
      return v1::EVENT_KIND_RESIZE_REFUSED;
    case PoolNote::Type::kRestartStarted:
      return v1::EVENT_KIND_RESTART_STARTED;
    case PoolNote::Type::kRestartQueued:
      return v1::EVENT_KIND_RESTART_QUEUED;
    case PoolNote::Type::kRestartRefused:
      return v1::EVENT_KIND_RESTART_REFUSED;
    case PoolNote::Type::kRestartFailed:
      return v1::EVENT_KIND_RESTART_FAILED;
    case PoolNote::Type::kRestartEnded:
      return v1::EVENT_KIND_RESTART_ENDED;
    case PoolNote::Type::kReplaceWanted:
      return v1::EVENT_KIND_WORKER_REPLACE_WANTED;
    case PoolNote::Type::kReplaceCancelled:
      return v1::EVENT_KIND_WORKER_REPLACE_CANCELLED;
    case PoolNote::Type::kTakenOver:
      return v1::EVENT_KIND_WORKER_TAKEN_OVER;
    case PoolNote::Type::kAborted:
      return v1::EVENT_KIND_WORKER_ABORTED;
    case PoolNote::Type::kKillRequested:
      return v1::EVENT_KIND_WORKER_KILL_REQUESTED;
    case PoolNote::Type::kLeader:
      return v1::EVENT_KIND_WORKER_LEADER;
    case PoolNote::Type::kShutdownRequested:
      return v1::EVENT_KIND_SHUTDOWN_REQUESTED;
    case PoolNote::Type::kGivingUp:
      return v1::EVENT_KIND_GIVING_UP;
    case PoolNote::Type::kFinished:
      return v1::EVENT_KIND_FINISHED;
    case PoolNote::Type::kWorkerSilent:
      return v1::EVENT_KIND_WORKER_STALLED;
    case PoolNote::Type::kWorkerRecovered:
      return v1::EVENT_KIND_WORKER_RECOVERED;
    case PoolNote::Type::kAutoscale:
      return v1::EVENT_KIND_AUTOSCALE;
    case PoolNote::Type::kConfigChanged:
      return v1::EVENT_KIND_CONFIG_CHANGED;
    case PoolNote::Type::kRequestAccepted:
      return v1::EVENT_KIND_REQUEST_ACCEPTED;
    case PoolNote::Type::kRequestRefused:
      return v1::EVENT_KIND_REQUEST_REFUSED;
    case PoolNote::Type::kOperationCancelled:
      return v1::EVENT_KIND_OPERATION_CANCELLED;
    case PoolNote::Type::kSidecarStarted:
      return v1::EVENT_KIND_CONTROL_STARTED;
    case PoolNote::Type::kSidecarExited:
      return v1::EVENT_KIND_CONTROL_EXITED;
    case PoolNote::Type::kSidecarCut:
      return v1::EVENT_KIND_CONTROL_CUT;
    case PoolNote::Type::kSidecarStartFailed:
      return v1::EVENT_KIND_CONTROL_START_FAILED;
  }
  return v1::EVENT_KIND_UNSPECIFIED;
}

v1::Event EventToProto(const LoggedEvent& event, v1::Role role) {
  const PoolNote& note = event.note;
  v1::Event proto;
  proto.set_version(event.version);
  ToProto(event.at, proto.mutable_time());
  proto.set_kind(KindOf(note.type));
  proto.set_severity(SeverityOf(note.severity));
  proto.set_message(MessageFor(note, role));
  if (note.slot >= 0) proto.set_slot(note.slot);
  proto.set_incarnation(note.incarnation);
  proto.set_generation(note.generation);
  proto.set_pid(note.pid);
  if (note.time_left > absl::ZeroDuration()) {
    ToProto(note.time_left, proto.mutable_next_step_in());
  }
  proto.set_actor(Printable(note.actor));
  proto.set_method(Printable(note.method));
  proto.set_reason(Printable(note.reason));
  proto.set_count(note.count);
  return proto;
}

bool EventFilter::Wants(const LoggedEvent& event) const {
  return kinds_.empty() ||
         std::find(kinds_.begin(), kinds_.end(), KindOf(event.note.type)) != kinds_.end();
}

}  // namespace squall::internal
