#include "squall/control/config_to_proto.h"

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "squall/base/logging.h"
#include "squall/base/string_view.h"
#include "squall/control/pool_to_proto.h"
#include "squall/control/request_check.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// ConfigFields() and PoolConfig have the same fields with the same names, so that the one is found in
// the other by reflection; a test compares them.
struct Place {
  std::vector<const FieldDescriptor*> groups;
  const FieldDescriptor* leaf = nullptr;
};

Place PlaceOf(std::string_view path) {
  Place place;
  const google::protobuf::Descriptor* message = v1::PoolConfig::descriptor();
  for (const absl::string_view name : absl::StrSplit(ToAbsl(path), '.')) {
    if (place.leaf != nullptr) {
      place.groups.push_back(place.leaf);
      message = place.leaf->message_type();
    }
    place.leaf = message->FindFieldByName(std::string(name));
    CHECK(place.leaf != nullptr) << path;
  }
  return place;
}

void Write(const ConfigField& field, int64_t value, v1::PoolConfig& config) {
  const Place place = PlaceOf(field.path);
  Message* message = &config;
  for (const FieldDescriptor* group : place.groups) {
    message = message->GetReflection()->MutableMessage(message, group);
  }
  const google::protobuf::Reflection& reflection = *message->GetReflection();
  if (field.optional && value == kNoConfigValue) return;
  switch (field.kind) {
    case ConfigKind::kCount:
      if (place.leaf->cpp_type() == FieldDescriptor::CPPTYPE_INT64) {
        return reflection.SetInt64(message, place.leaf, value);
      }
      return reflection.SetInt32(message, place.leaf, static_cast<int32_t>(value));
    case ConfigKind::kDuration:
      if (value == kInfiniteDuration) return;
      return ToProto(absl::Nanoseconds(value), static_cast<google::protobuf::Duration*>(
                                                   reflection.MutableMessage(message, place.leaf)));
    case ConfigKind::kFraction:
      return reflection.SetDouble(message, place.leaf, std::bit_cast<double>(value));
    case ConfigKind::kFlag:
      return reflection.SetBool(message, place.leaf, value != 0);
    case ConfigKind::kMode:
      // 0 is UNSPECIFIED there.
      return reflection.SetEnumValue(message, place.leaf, static_cast<int>(value) + 1);
  }
}

// The message that has the leaf; null when a group on the way to it is not set.
const Message* Holder(const Place& place, const v1::PoolConfig& config) {
  const Message* message = &config;
  for (const FieldDescriptor* group : place.groups) {
    if (!message->GetReflection()->HasField(*message, group)) return nullptr;
    message = &message->GetReflection()->GetMessage(*message, group);
  }
  return message;
}

bool IsSet(const Place& place, const v1::PoolConfig& config) {
  const Message* const holder = Holder(place, config);
  return holder != nullptr && holder->GetReflection()->HasField(*holder, place.leaf);
}

// Of a field that is set.
int64_t Read(const ConfigField& field, const Place& place, const v1::PoolConfig& config) {
  const Message& holder = *Holder(place, config);
  const google::protobuf::Reflection& reflection = *holder.GetReflection();
  switch (field.kind) {
    case ConfigKind::kCount:
      return place.leaf->cpp_type() == FieldDescriptor::CPPTYPE_INT64
                 ? reflection.GetInt64(holder, place.leaf)
                 : reflection.GetInt32(holder, place.leaf);
    case ConfigKind::kDuration:
      return absl::ToInt64Nanoseconds(FromProto(static_cast<const google::protobuf::Duration&>(
          reflection.GetMessage(holder, place.leaf))));
    case ConfigKind::kFraction:
      return std::bit_cast<int64_t>(reflection.GetDouble(holder, place.leaf));
    case ConfigKind::kFlag:
      return reflection.GetBool(holder, place.leaf) ? 1 : 0;
    case ConfigKind::kMode:
      return reflection.GetEnumValue(holder, place.leaf) - 1;
  }
  return 0;
}

// Of a field that is set: durations are kept as nanoseconds of 64 bits.
std::optional<ControlError> CheckDuration(const ConfigField& field, const Place& place,
                                          const std::string& name, const v1::PoolConfig& config) {
  if (field.kind != ConfigKind::kDuration) return std::nullopt;
  constexpr int64_t kMostSeconds = 9'000'000'000;
  const Message& holder = *Holder(place, config);
  const auto& duration = static_cast<const google::protobuf::Duration&>(
      holder.GetReflection()->GetMessage(holder, place.leaf));
  if (duration.seconds() >= -kMostSeconds && duration.seconds() <= kMostSeconds) {
    return std::nullopt;
  }
  return InvalidField(name,
                      absl::StrCat(name, " is ", duration.seconds(), "s; a duration is between ",
                                   -kMostSeconds, "s and ", kMostSeconds, "s"));
}

bool Covers(const std::string& mask_path, std::string_view path) {
  return path == mask_path || (path.size() > mask_path.size() && path[mask_path.size()] == '.' &&
                               path.starts_with(mask_path));
}

struct Fixed {
  const char* path;
  int32_t present;
  bool set;
  int32_t wanted;
};

std::vector<Fixed> FixedFields(const v1::PoolConfig& config, const PoolView& pool) {
  return {{"max_workers", pool.max_workers, config.has_max_workers(), config.max_workers()},
          {"surge_slots", pool.surge_slots, config.has_surge_slots(), config.surge_slots()}};
}

std::optional<ControlError> CheckMask(const v1::UpdatePoolRequest& request, const PoolView& pool) {
  for (const std::string& path : request.update_mask().paths()) {
    bool known = false;
    for (const ConfigField& field : ConfigFields()) known |= Covers(path, field.path);
    for (const Fixed& fixed : FixedFields({}, pool)) known |= path == fixed.path;
    if (!known) {
      return InvalidField("update_mask", absl::StrCat("update_mask names \"", path,
                                                      "\", which PoolConfig does not have"));
    }
  }
  return std::nullopt;
}

}  // namespace

v1::PoolConfig ConfigToProto(const PoolConfig& config, const PoolView& pool) {
  v1::PoolConfig proto;
  for (const ConfigField& field : ConfigFields()) Write(field, field.get(config), proto);
  proto.set_max_workers(pool.max_workers);
  proto.set_surge_slots(pool.surge_slots);
  return proto;
}

std::optional<ControlError> ReadChange(const v1::UpdatePoolRequest& request,
                                       const PoolSnapshot& snapshot, ConfigChange& change) {
  if (const auto error = CheckMask(request, snapshot.pool)) return error;
  const auto named = [&](std::string_view path, bool set) {
    if (!request.has_update_mask()) return set;
    for (const std::string& mask_path : request.update_mask().paths()) {
      if (Covers(mask_path, path)) return true;
    }
    return false;
  };
  bool any = false;
  for (const Fixed& fixed : FixedFields(request.config(), snapshot.pool)) {
    if (!named(fixed.path, fixed.set)) continue;
    any = true;
    if (fixed.set && fixed.wanted == fixed.present) continue;
    return ControlError{
        .code = absl::StatusCode::kFailedPrecondition,
        .reason = "FIXED_AT_START",
        .message = absl::StrCat(fixed.path, " is ", fixed.present,
                                " and fixed at the start of the server; change its configuration "
                                "and start it again"),
        .field = absl::StrCat("config.", fixed.path)};
  }
  for (size_t i = 0; i < kNumConfigFields; ++i) {
    const ConfigField& field = ConfigFields()[i];
    const Place place = PlaceOf(field.path);
    const bool set = IsSet(place, request.config());
    if (!named(field.path, set)) continue;
    any = true;
    const std::string name = absl::StrCat("config.", ToAbsl(field.path));
    if (!set) {
      if (field.kind != ConfigKind::kDuration && !field.optional) {
        return InvalidField(name, absl::StrCat(name, " is in update_mask and not set"));
      }
      change.Set(i, field.optional ? kNoConfigValue : kInfiniteDuration);
      continue;
    }
    if (const auto error = CheckDuration(field, place, name, request.config())) return error;
    const int64_t value = Read(field, place, request.config());
    PoolConfig scratch;
    if (field.optional && value == kNoConfigValue) {
      return InvalidField(name, absl::StrCat(name, " is too small"));
    }
    if (!field.set(scratch, value)) {
      // Only an enum has numbers that are no value.
      return InvalidField(name, absl::StrCat(name, " has no value ", value + 1));
    }
    change.Set(i, value);
  }
  if (!any) return InvalidField("config", "config has no field that is to be changed");
  return std::nullopt;
}

}  // namespace squall::internal
