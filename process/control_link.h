// The packets between the master and its sidecar: fixed size, versioned, no protobuf, so that the
// master can check them without a parser. Reads (which worker does what) never use the link: they
// come from the scoreboard.
//
//   squall::LinkRequest request;
//   request.sequence = 7;
//   request.target = 8;
//   squall::SetLinkText(request.request_id, "3f0c…");
//   if (!squall::SendLink(link.get(), request)) return absl::UnavailableError("…");
//
// Both directions are non-blocking. The master cuts a sidecar that sends what it cannot read or
// does not read its answers; a notice that finds the link full is dropped, for the next one says
// the same, and so is a refusal, whose count the sidecar may send later.
#ifndef SQUALL_PROCESS_CONTROL_LINK_H_
#define SQUALL_PROCESS_CONTROL_LINK_H_

#include <cstdint>
#include <string_view>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "squall/base/unique_fd.h"
#include "squall/process/config_field.h"
#include "squall/process/operation.h"
#include "squall/process/pool_action.h"
#include "squall/process/pool_event.h"

namespace squall {

inline constexpr uint32_t kLinkVersion = 3;

enum class LinkPacketType : uint32_t { kRequest = 1, kReply = 2, kNotice = 3, kRefusal = 4 };

// What the sidecar may ask for, with the fields of LinkRequest that it needs.
enum class LinkCommand : uint32_t {
  kResize = 1,           // target
  kRestart = 2,          // restart
  kDrainWorker = 3,      // slot, incarnation
  kKillWorker = 4,       // slot, incarnation
  kResetBreaker = 5,     // slot, -1 for all
  kShutdown = 6,         // target: ShutdownMode
  kCancelOperation = 7,  // operation
  kUpdate = 8,           // config
  kPing = 64,            // changes nothing: does the master answer?
};

struct LinkHeader {
  uint32_t version = kLinkVersion;
  LinkPacketType type = LinkPacketType::kRequest;
};

// RestartOptions. What is negative is as the pool was configured.
struct LinkRestart {
  int32_t max_surge = -1;
  int32_t max_unavailable = -1;
  int32_t min_healthy = -1;
  int32_t max_failures = -1;
  int64_t ready_timeout_ns = -1;
  int64_t soak_ns = -1;
  int32_t on_failure = -1;  // 0: roll back, 1: pause
  uint32_t reserved = 0;
};

struct LinkRequest {
  LinkHeader header{kLinkVersion, LinkPacketType::kRequest};
  uint64_t sequence = 0;  // chosen by the sidecar, comes back in the reply
  LinkCommand command = LinkCommand::kResize;
  int32_t target = 0;                // absolute number of workers; a ShutdownMode
  uint64_t expected_generation = 0;  // 0: whatever it is
  uint32_t validate_only = 0;        // 1: answer as if, change nothing
  int32_t slot = -1;
  uint64_t incarnation = 0;
  uint64_t operation = 0;
  LinkRestart restart;
  ConfigChange config;
  char actor[kMaxActor + 1] = {};           // NUL-terminated: who asked, "uid 1000"
  char request_id[kMaxRequestId + 1] = {};  // NUL-terminated; empty: none
};

struct LinkReply {
  LinkHeader header{kLinkVersion, LinkPacketType::kReply};
  uint64_t sequence = 0;
  int32_t code = 0;                             // absl::StatusCode
  RefusalReason reason = RefusalReason::kNone;  // for programs; message is for people
  uint8_t replayed = 0;                         // 1: this request_id was answered before
  uint16_t reserved = 0;
  uint64_t generation = 0;  // after the request
  int32_t desired = 0;
  int32_t max_workers = 0;
  uint64_t operation = 0;    // that the request began, or that stands in its way; 0: none
  uint64_t incarnation = 0;  // that the slot has now; for kWrongIncarnation
  char message[256] = {};    // NUL-terminated, one sentence; empty when code is 0
};

// The pool changed: read the scoreboard again.
struct LinkNotice {
  LinkHeader header{kLinkVersion, LinkPacketType::kNotice};
};

// From the sidecar: it refused requests itself, and the master keeps the list of them. Has no
// answer.
struct LinkRefusal {
  LinkHeader header{kLinkVersion, LinkPacketType::kRefusal};
  uint64_t count = 1;              // How many that were alike.
  char actor[kMaxActor + 1] = {};  // "uid 1000". NUL-terminated, as all of these.
  char method[32] = {};            // "ResizePool"
  char reason[48] = {};            // "ROLE_TOO_LOW"
  char message[256] = {};          // One sentence.
};

// {master's end, sidecar's end}.
absl::StatusOr<std::pair<UniqueFd, UniqueFd>> MakeControlLink();

// False when the packet could not be queued at once: the peer is gone or does not read.
bool SendLink(int fd, const LinkRequest& packet);
bool SendLink(int fd, const LinkReply& packet);
bool SendLink(int fd, const LinkNotice& packet);
bool SendLink(int fd, const LinkRefusal& packet);

struct LinkNothing {};    // nothing to read now
struct LinkEndOfFile {};  // the peer is gone
struct LinkMalformed {};  // a packet of another version, type or size
using LinkRead = std::variant<LinkNothing, LinkEndOfFile, LinkMalformed, LinkRequest, LinkReply,
                              LinkNotice, LinkRefusal>;

// Takes one packet off the link, never blocks. Text fields of what it returns are terminated.
LinkRead ReceiveLink(int fd);

// Copies `text` into a field, cut to its size less one.
template <size_t N>
void SetLinkText(char (&field)[N], std::string_view text) {
  const size_t size = text.copy(field, N - 1);
  field[size] = '\0';
}

}  // namespace squall

#endif  // SQUALL_PROCESS_CONTROL_LINK_H_
