#include "squall/control/squallctl/config_text.h"

#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/message.h"
#include "squall/base/string_view.h"
#include "squall/control/pool_to_proto.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr char kUnset[] = "unset";

bool IsDuration(const FieldDescriptor& field) {
  return field.message_type() == google::protobuf::Duration::descriptor();
}
bool IsGroup(const FieldDescriptor& field) {
  return field.message_type() != nullptr && !IsDuration(field);
}

// "AUTOSCALER_MODE_SPARE" is "spare".
std::string ValueName(const EnumValueDescriptor& value) {
  const std::string& first = value.type()->value(0)->name();
  const size_t prefix = first.rfind('_') + 1;
  return absl::AsciiStrToLower(value.name().substr(prefix));
}

std::string ValueText(const Message& message, const FieldDescriptor& field) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  if (!reflection.HasField(message, &field)) return kUnset;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return absl::FormatDuration(FromProto(
          static_cast<const google::protobuf::Duration&>(reflection.GetMessage(message, &field))));
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(reflection.GetInt32(message, &field));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(reflection.GetInt64(message, &field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return absl::StrCat(reflection.GetDouble(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return ValueName(*reflection.GetEnum(message, &field));
    default:
      return "?";
  }
}

void AppendLines(const Message& message, const std::string& prefix,
                 std::vector<std::pair<std::string, std::string>>& lines) {
  const Descriptor& descriptor = *message.GetDescriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& field = *descriptor.field(i);
    if (IsGroup(field)) {
      AppendLines(message.GetReflection()->GetMessage(message, &field),
                  absl::StrCat(prefix, field.name(), "."), lines);
    } else {
      lines.emplace_back(absl::StrCat(prefix, field.name()), ValueText(message, field));
    }
  }
}

absl::Status SetEnum(Message& message, const FieldDescriptor& field, std::string_view text) {
  std::vector<std::string> names;
  for (int i = 1; i < field.enum_type()->value_count(); ++i) {
    const EnumValueDescriptor& value = *field.enum_type()->value(i);
    names.push_back(ValueName(value));
    if (names.back() != text) continue;
    message.GetReflection()->SetEnum(&message, &field, &value);
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrJoin(names, ", "));
}

// An error's message is what would be right.
absl::Status SetValue(Message& message, const FieldDescriptor& field, std::string_view text) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      absl::Duration duration;
      if (!absl::ParseDuration(ToAbsl(text), &duration) || duration == absl::InfiniteDuration() ||
          duration == -absl::InfiniteDuration()) {
        return absl::InvalidArgumentError("a time such as 30s, 500ms or 1h30m");
      }
      ToProto(duration, static_cast<google::protobuf::Duration*>(
                            reflection.MutableMessage(&message, &field)));
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_INT32: {
      int32_t number;
      if (!absl::SimpleAtoi(ToAbsl(text), &number)) {
        return absl::InvalidArgumentError("a whole number");
      }
      reflection.SetInt32(&message, &field, number);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      int64_t number;
      if (!absl::SimpleAtoi(ToAbsl(text), &number)) {
        return absl::InvalidArgumentError("a whole number");
      }
      reflection.SetInt64(&message, &field, number);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      double number;
      if (!absl::SimpleAtod(ToAbsl(text), &number)) return absl::InvalidArgumentError("a number");
      reflection.SetDouble(&message, &field, number);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      if (text != "true" && text != "false") return absl::InvalidArgumentError("true or false");
      reflection.SetBool(&message, &field, text == "true");
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_ENUM:
      return SetEnum(message, field, text);
    default:
      return absl::InvalidArgumentError("nothing");
  }
}

absl::Status NoSuchField(std::string_view path) {
  return absl::InvalidArgumentError(
      absl::StrCat("there is no field \"", ToAbsl(path), "\"; squallctl config shows them all"));
}

}  // namespace

absl::Status SetConfigField(std::string_view path, std::string_view value,
                            v1::UpdatePoolRequest& request) {
  Message* message = request.mutable_config();
  const FieldDescriptor* field = nullptr;
  for (const absl::string_view name : absl::StrSplit(ToAbsl(path), '.')) {
    if (field != nullptr) {
      if (!IsGroup(*field)) return NoSuchField(path);
      message = message->GetReflection()->MutableMessage(message, field);
    }
    field = message->GetDescriptor()->FindFieldByName(std::string(name));
    if (field == nullptr) return NoSuchField(path);
  }
  if (IsGroup(*field)) return NoSuchField(path);
  if (value == kUnset) {
    message->GetReflection()->ClearField(message, field);
  } else if (const absl::Status set = SetValue(*message, *field, value); !set.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(ToAbsl(path), " takes ", set.message(), ", not \"", ToAbsl(value), "\""));
  }
  request.mutable_update_mask()->add_paths(std::string(path));
  return absl::OkStatus();
}

std::vector<std::pair<std::string, std::string>> ConfigLines(const v1::PoolConfig& config) {
  std::vector<std::pair<std::string, std::string>> lines;
  AppendLines(config, "", lines);
  return lines;
}

}  // namespace squall::internal
