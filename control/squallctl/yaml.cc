#include "squall/control/squallctl/yaml.h"

#include <algorithm>
#include <map>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace squall::internal {
namespace {

using google::protobuf::Value;

// In double quotes, always right: a plain scalar may look like a number, a date or a truth value.
std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (octet < 0x20 || octet == 0x7f) {
      absl::StrAppendFormat(&out, "\\x%02x", octet);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// Words such as READY, uid and workers that nothing else can be taken for.
std::string Text(const std::string& text) {
  const bool plain = !text.empty() && absl::ascii_isalpha(text[0]) &&
                     std::all_of(text.begin(), text.end(), [](char c) {
                       return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '/';
                     });
  if (!plain) return Quoted(text);
  const std::string lower = absl::AsciiStrToLower(text);
  for (const char* word : {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}) {
    if (lower == word) return Quoted(text);
  }
  return text;
}

void Append(const Value& value, size_t indent, bool after_key, std::string& out) {
  const std::string blanks(indent, ' ');
  switch (value.kind_case()) {
    case Value::kNumberValue:
      absl::StrAppend(&out, after_key ? " " : "", value.number_value(), "\n");
      return;
    case Value::kStringValue:
      absl::StrAppend(&out, after_key ? " " : "", Text(value.string_value()), "\n");
      return;
    case Value::kBoolValue:
      absl::StrAppend(&out, after_key ? " " : "", value.bool_value() ? "true" : "false", "\n");
      return;
    case Value::kStructValue: {
      const std::map<std::string, Value> fields(value.struct_value().fields().begin(),
                                                value.struct_value().fields().end());
      if (fields.empty()) {
        absl::StrAppend(&out, after_key ? " " : "", "{}\n");
        return;
      }
      if (after_key) out += '\n';
      // The first field of an item stands behind its dash.
      bool indented = !after_key;
      for (const auto& [key, field] : fields) {
        absl::StrAppend(&out, indented ? "" : blanks, Text(key), ":");
        indented = false;
        Append(field, indent + 2, true, out);
      }
      return;
    }
    case Value::kListValue:
      if (value.list_value().values().empty()) {
        absl::StrAppend(&out, after_key ? " " : "", "[]\n");
        return;
      }
      if (after_key) out += '\n';
      for (const Value& item : value.list_value().values()) {
        absl::StrAppend(&out, blanks, "- ");
        Append(item, indent + 2, false, out);
      }
      return;
    default:
      absl::StrAppend(&out, after_key ? " " : "", "null\n");
      return;
  }
}

}  // namespace

std::string ToYaml(const Value& value) {
  std::string out;
  Append(value, 0, false, out);
  return out;
}

}  // namespace squall::internal
