// The part of PoolCommands that changes the configuration.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "squall/base/string_view.h"
#include "squall/process/config_field.h"
#include "squall/process/pool_commands.h"

namespace squall {
namespace {

void Refuse(LinkReply& reply, absl::StatusCode code, RefusalReason reason,
            const std::string& message) {
  reply.code = static_cast<int32_t>(code);
  reply.reason = reason;
  SetLinkText(reply.message, message);
}

}  // namespace

bool PoolCommands::Update(const Context& context, LinkReply& reply) {
  const LinkRequest& request = context.request;
  const PoolView& pool = context.pool.pool();
  if (pool.shutdown != ShutdownMode::kNone) {
    Refuse(reply, absl::StatusCode::kFailedPrecondition, RefusalReason::kShuttingDown,
           "the pool is shutting down");
    return true;
  }
  if (request.expected_generation != 0 && request.expected_generation != pool.generation) {
    Refuse(reply, absl::StatusCode::kAborted, RefusalReason::kStaleGeneration,
           absl::StrCat("the pool is at generation ", pool.generation, " now, not at ",
                        request.expected_generation, "; read it and decide again"));
    return true;
  }
  const PoolConfig before = context.hooks.config();
  PoolConfig after = before;
  std::vector<std::string> changes;
  for (size_t i = 0; i < kNumConfigFields; ++i) {
    const ConfigField& field = ConfigFields()[i];
    const int64_t value = request.config.values[i];
    if (!request.config.Has(i)) continue;
    if (!field.set(after, value)) {
      Refuse(reply, absl::StatusCode::kInvalidArgument, RefusalReason::kBadConfig,
             absl::StrCat(ToAbsl(field.path), " cannot be ", value));
      return true;
    }
    if (field.get(after) == field.get(before)) continue;
    changes.push_back(absl::StrCat(ToAbsl(field.path), " from ",
                                   FormatConfigValue(field, field.get(before)), " to ",
                                   FormatConfigValue(field, value)));
  }
  if (const absl::Status valid = Validate(after, context.pool.options()); !valid.ok()) {
    Refuse(reply, absl::StatusCode::kInvalidArgument, RefusalReason::kBadConfig,
           std::string(valid.message()));
    return true;
  }
  // Nothing has to change: as with a resize to the present number, the generation stays.
  if (changes.empty() || request.validate_only != 0) return true;
  // Before the generation: whoever reads the pool meanwhile has an etag that is refused, and not a new
  // one beside the old configuration.
  context.hooks.configure(after);
  if (!context.hooks.dispatch(ChangeOptions{.options = WithConfig(after, context.pool.options()),
                                            .what = absl::StrJoin(changes, ", "),
                                            .actor = context.actor})) {
    return false;
  }
  reply.generation = context.pool.pool().generation;
  return true;
}

}  // namespace squall
