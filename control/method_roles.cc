#include "squall/control/method_roles.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

enum class Effect { kReads, kChanges };

struct Entry {
  std::string_view method;
  v1::Role least;
  Effect effect;
};

constexpr Entry kTable[] = {
    {"GetPool", v1::ROLE_VIEWER, Effect::kReads},
    {"ListWorkers", v1::ROLE_VIEWER, Effect::kReads},
    {"GetWorker", v1::ROLE_VIEWER, Effect::kReads},
    {"GetPoolConfig", v1::ROLE_VIEWER, Effect::kReads},
    {"GetServerInfo", v1::ROLE_VIEWER, Effect::kReads},
    {"WatchPool", v1::ROLE_VIEWER, Effect::kReads},
    {"ListEvents", v1::ROLE_VIEWER, Effect::kReads},
    {"WatchEvents", v1::ROLE_VIEWER, Effect::kReads},
    {"GetOperation", v1::ROLE_VIEWER, Effect::kReads},
    {"ListOperations", v1::ROLE_VIEWER, Effect::kReads},
    {"WaitOperation", v1::ROLE_VIEWER, Effect::kReads},
    {"ResizePool", v1::ROLE_OPERATOR, Effect::kChanges},
    {"RestartPool", v1::ROLE_OPERATOR, Effect::kChanges},
    {"DrainWorker", v1::ROLE_OPERATOR, Effect::kChanges},
    {"CancelOperation", v1::ROLE_OPERATOR, Effect::kChanges},
    {"KillWorker", v1::ROLE_ADMIN, Effect::kChanges},
    {"ResetBreaker", v1::ROLE_ADMIN, Effect::kChanges},
    {"UpdatePool", v1::ROLE_ADMIN, Effect::kChanges},
    {"ShutdownServer", v1::ROLE_ADMIN, Effect::kChanges},
};

const Entry* Find(std::string_view method) {
  const auto* const it =
      std::find_if(std::begin(kTable), std::end(kTable),
                   [method](const Entry& entry) { return entry.method == method; });
  return it == std::end(kTable) ? nullptr : it;
}

// "operator"
std::string_view NameOf(v1::Role role) {
  switch (role) {
    case v1::ROLE_VIEWER:
      return "viewer";
    case v1::ROLE_OPERATOR:
      return "operator";
    case v1::ROLE_ADMIN:
      return "admin";
    default:
      return "no role";
  }
}

}  // namespace

v1::Role LeastRole(std::string_view method) {
  const Entry* const entry = Find(method);
  return entry == nullptr ? v1::ROLE_UNSPECIFIED : entry->least;
}

bool IsMutation(std::string_view method) {
  const Entry* const entry = Find(method);
  return entry != nullptr && entry->effect == Effect::kChanges;
}

std::optional<ControlError> CheckRole(std::string_view method, v1::Role role) {
  const v1::Role least = LeastRole(method);
  if (least != v1::ROLE_UNSPECIFIED && role >= least) return std::nullopt;
  return ControlError{
      .code = absl::StatusCode::kPermissionDenied,
      .reason = "ROLE_TOO_LOW",
      .message = absl::StrCat(ToAbsl(method), " needs the role ", ToAbsl(NameOf(least)),
                              "; you have ", ToAbsl(NameOf(role))),
      .metadata = {{"role", std::string(NameOf(role))}, {"needed", std::string(NameOf(least))}}};
}

void ShowTo(v1::Role role, v1::Worker& worker) {
  if (role < v1::ROLE_OPERATOR) worker.clear_current_request();
}

}  // namespace squall::internal
