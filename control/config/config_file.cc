#include "squall/control/config/config_file.h"

#include <fcntl.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "squall/base/status.h"
#include "squall/base/string_view.h"
#include "squall/base/unique_fd.h"
#include "squall/control/config/server_config.pb.h"
#include "squall/control/config/syntax_error.h"

namespace squall {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::TextFormat;

constexpr size_t kMostOctets = 1 << 20;

// Keeps the first of the parser's errors.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    if (!error_.has_value()) error_ = {{.line = line + 1, .column = column + 1}, message};
  }
  const std::optional<internal::SyntaxError>& error() const { return error_; }

 private:
  std::optional<internal::SyntaxError> error_;
};

// One value of a field; `index` is -1 for one that is not repeated.
std::string TextOf(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return index < 0 ? reflection.GetString(message, &field)
                       : reflection.GetRepeatedString(message, &field, index);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return absl::StrFormat("%.15g", reflection.GetDouble(message, &field));
    default: {
      // Whole numbers, true and false.
      std::string text;
      TextFormat::PrintFieldValueToString(message, &field, index, &text);
      return text;
    }
  }
}

void AddFields(const Message& message, const TextFormat::ParseInfoTree& places,
               const std::string& prefix, ServerConfig& config) {
  const Descriptor& type = *message.GetDescriptor();
  const Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const std::string path = absl::StrCat(prefix, field.name());
    if (field.message_type() != nullptr) {
      if (!reflection.HasField(message, &field)) continue;
      AddFields(reflection.GetMessage(message, &field), *places.GetTreeForNested(&field, -1),
                absl::StrCat(path, "."), config);
      continue;
    }
    const int count = field.is_repeated() ? reflection.FieldSize(message, &field)
                                          : reflection.HasField(message, &field);
    // Of a list in brackets the parser remembers only where it begins, and then the places of what
    // follows are not those of its values: all get the first.
    const bool has_list = count > 1 && places.GetLocation(&field, count - 1).line < 0;
    for (int at = 0; at < count; ++at) {
      const int index = field.is_repeated() ? at : -1;
      const TextFormat::ParseLocation place =
          places.GetLocation(&field, has_list ? std::min(index, 0) : index);
      const bool is_text = field.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
      config.AddFromFile(path, TextOf(message, field, index),
                         is_text ? ServerConfig::Quoted::kYes : ServerConfig::Quoted::kNo,
                         place.line + 1, place.column + 1);
    }
  }
}

void AddNames(const Descriptor& type, const std::string& prefix,
              std::vector<ServerOptionName>& names) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const std::string path = absl::StrCat(prefix, field.name());
    if (field.message_type() != nullptr) {
      AddNames(*field.message_type(), absl::StrCat(path, "."), names);
    } else {
      names.push_back({.path = path, .repeated = field.is_repeated()});
    }
  }
}

}  // namespace

absl::StatusOr<ServerConfig> ParseServerConfig(std::string_view text, std::string_view name) {
  config::ServerConfig message;
  TextFormat::ParseInfoTree places;
  FirstError errors;
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&errors);
  parser.WriteLocationsTo(&places);
  if (!parser.ParseFromString(std::string(text), &message) || errors.error().has_value()) {
    const internal::SyntaxError said = errors.error().value_or(internal::SyntaxError{});
    const internal::SyntaxError error = internal::Explain(text, said.place, said.message);
    return absl::InvalidArgumentError(absl::StrCat(ToAbsl(name), ":", error.place.line, ":",
                                                   error.place.column, ": ", error.message));
  }
  ServerConfig config{std::string(name)};
  AddFields(message, places, "", config);
  return config;
}

absl::StatusOr<ServerConfig> ReadServerConfig(const std::string& path, std::string_view name) {
  const auto cannot_read = [&] {
    return StatusFromErrno(errno, absl::StrCat("cannot read ", ToAbsl(name)));
  };
  // Without O_NONBLOCK a FIFO would be waited for.
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return cannot_read();
  struct stat status;
  if (fstat(file.get(), &status) != 0) return cannot_read();
  if (!S_ISREG(status.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(ToAbsl(name), " is no regular file"));
  }
  std::string text(kMostOctets + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = read(file.get(), text.data() + size, text.size() - size);
    if (got < 0) return cannot_read();
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size > kMostOctets) {
    return absl::FailedPreconditionError(
        absl::StrCat(ToAbsl(name), " has more than ", kMostOctets, " octets"));
  }
  text.resize(size);
  return ParseServerConfig(text, name);
}

std::vector<ServerOptionName> ServerOptionNames() {
  std::vector<ServerOptionName> names;
  AddNames(*config::ServerConfig::descriptor(), "", names);
  return names;
}

}  // namespace squall
