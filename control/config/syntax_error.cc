#include "squall/control/config/syntax_error.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "re2/re2.h"
#include "squall/base/string_view.h"
#include "squall/control/config/server_config.pb.h"

namespace squall::internal {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;

constexpr int kTabWidth = 8;

// The offset in the text of a place, and back.
size_t OffsetOf(std::string_view text, TextPlace place) {
  size_t at = 0;
  for (int line = 1; line < place.line; ++line) {
    const size_t end = text.find('\n', at);
    if (end == text.npos) return text.size();
    at = end + 1;
  }
  for (int column = 0; column < place.column - 1 && at < text.size() && text[at] != '\n'; ++at) {
    column += text[at] == '\t' ? kTabWidth - column % kTabWidth : 1;
  }
  return at;
}

TextPlace PlaceOf(std::string_view text, size_t offset) {
  TextPlace place;
  for (size_t at = 0; at < std::min(offset, text.size()); ++at) {
    if (text[at] == '\n') {
      ++place.line;
      place.column = 1;
    } else {
      place.column += text[at] == '\t' ? kTabWidth - (place.column - 1) % kTabWidth : 1;
    }
  }
  return place;
}

bool IsWord(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// Where `word`, which the parser has read already, begins.
size_t StartOf(std::string_view text, std::string_view word, size_t offset) {
  const size_t at = text.substr(0, offset).rfind(word);
  return at == text.npos ? offset : at;
}

// "NAME: " when the name of an option and a colon stand before the offset.
std::string OptionBefore(std::string_view text, size_t offset) {
  std::string name;
  return RE2::PartialMatch(re2::StringPiece(text.data(), offset), R"((\w+)\s*:\s*$)", &name)
             ? absl::StrCat(name, ": ")
             : "";
}

const Descriptor* ServerConfigType() { return config::ServerConfig::descriptor(); }

// Is there an option of this name that is a bool?
bool IsBool(const Descriptor& type, std::string_view option) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.type() == FieldDescriptor::TYPE_BOOL && field.name() == option) return true;
    if (field.message_type() != nullptr && IsBool(*field.message_type(), option)) return true;
  }
  return false;
}

// Levenshtein's.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({replaced, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row[b.size()];
}

std::string UnknownOption(const std::string& type_name, const std::string& option) {
  const Descriptor* const type = DescriptorPool::generated_pool()->FindMessageTypeByName(type_name);
  if (type == nullptr) return absl::StrCat("there is no option \"", option, "\"");
  const FieldDescriptor* nearest = nullptr;
  size_t distance = option.size() / 3 + 2;
  for (int i = 0; i < type->field_count(); ++i) {
    const size_t here = EditDistance(option, type->field(i)->name());
    if (here >= distance) continue;
    distance = here;
    nearest = type->field(i);
  }
  const std::string hint =
      nearest == nullptr ? "" : absl::StrCat("; did you mean \"", nearest->name(), "\"?");
  if (type->containing_type() == nullptr) {
    return absl::StrCat("there is no option \"", option, "\"", hint);
  }
  return absl::StrCat(absl::AsciiStrToLower(type->name()), " has no option \"", option, "\"", hint);
}

}  // namespace

SyntaxError Explain(std::string_view text, TextPlace place, std::string_view message) {
  const size_t offset = OffsetOf(text, place);
  const std::string option = OptionBefore(text, offset);
  const auto at_start_of = [&](std::string_view word) {
    return PlaceOf(text, StartOf(text, word, offset));
  };
  std::string first, second;
  const auto said = [&](const char* pattern) {
    return RE2::FullMatch({message.data(), message.size()}, pattern, &first, &second);
  };
  if (said(R"re(Message type "(.*)" has no field named "(.*)"\.)re")) {
    return {at_start_of(second), UnknownOption(first, second)};
  }
  if (said(R"re(Non-repeated field "(.*)" is specified multiple (times)\.)re")) {
    return {at_start_of(first), absl::StrCat(first, " is set twice")};
  }
  if (said(R"re(Invalid value for boolean field "(.*)"\. Value: "(.*)"\.)re")) {
    return {at_start_of(second), absl::StrCat(first, ": ", second, " is not true or false")};
  }
  if (said(R"re(Expected (string), got: (\w.*))re")) {
    return {place, absl::StrCat(option, second, " must stand in quotes, as \"", second, "\"")};
  }
  if (message == "Need space between number and identifier.") {
    size_t from = offset, to = offset;
    while (from > 0 && IsWord(text[from - 1])) --from;
    while (to < text.size() && IsWord(text[to])) ++to;
    const absl::string_view word = ToAbsl(text.substr(from, to - from));
    return {PlaceOf(text, from), absl::StrCat(OptionBefore(text, from), word,
                                              " must stand in quotes, as \"", word, "\"")};
  }
  if (said(R"re((Integer) out of range \((.*)\))re")) {
    const bool is_bool = IsBool(*ServerConfigType(), option.substr(0, option.find(':')));
    return {place,
            absl::StrCat(option, second, is_bool ? " is not true or false" : " is out of range")};
  }
  if (said("Expected (integer|double|string), got: ()")) {
    return {place, absl::StrCat(option, "the value is missing")};
  }
  if (said("Expected (integer|double), got: (.+)")) {
    return {place,
            absl::StrCat(option, second,
                         first == "integer" ? " is not a whole number" : " is not a number")};
  }
  if (said(R"re(Expected "(.)", found "(.*)"\.)re")) {
    return {place, absl::StrCat("expected \"", first, "\" before \"", second, "\"")};
  }
  if (message == "Expected identifier, got: ") return {place, "a closing \"}\" is missing"};
  if (said("Expected (identifier), got: (.+)")) {
    return {place, absl::StrCat("expected the name of an option, not ", second)};
  }
  if (said("(Unexpected end of string|String literals cannot cross line boundaries)().")) {
    return {place, "the closing quote of the text is missing"};
  }
  return {place, std::string(message.substr(0, message.find_last_not_of('.') + 1))};
}

}  // namespace squall::internal
