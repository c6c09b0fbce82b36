#include "squall/control/config/server_config.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "squall/base/string_view.h"

namespace squall {
namespace {

// Options that the libraries call by another name.
struct Alias {
  absl::string_view library;
  absl::string_view path;
};
constexpr Alias kAliases[] = {
    {"cpu_sets", "cpu_affinity"},
    {"drain.grace", "grace"},
    {"drain.idle_close_after", "idle_close_after"},
    {"drain.kill_after", "kill_after"},
    {"working_directory", "chdir"},
};

std::string PathOf(absl::string_view name) {
  for (const Alias& alias : kAliases) {
    if (name == alias.library) return std::string(alias.path);
  }
  if (absl::ConsumePrefix(&name, "autoscaler.")) return absl::StrCat("autoscale.", name);
  return std::string(name);
}

bool IsOfName(char c) { return absl::ascii_islower(static_cast<unsigned char>(c)) || c == '_'; }

// Calls `replace` with each word of the message that could be the name of an option: in small
// letters, with dots inside, outside of quotes.
template <typename Replace>
std::string ReplaceNames(absl::string_view message, Replace replace) {
  std::string result;
  bool quoted = false;
  for (size_t at = 0; at < message.size();) {
    size_t end = at;
    while (end < message.size() &&
           (IsOfName(message[end]) || (end > at && message[end] == '.' &&
                                       end + 1 < message.size() && IsOfName(message[end + 1])))) {
      ++end;
    }
    if (end == at) {
      if (message[at] == '"') quoted = !quoted;
      result.push_back(message[at++]);
      continue;
    }
    const absl::string_view word = message.substr(at, end - at);
    result += quoted ? std::string(word) : replace(word);
    at = end;
  }
  return result;
}

}  // namespace

void ServerConfig::AddFromFile(std::string_view path, std::string text, Quoted quoted, int line,
                               int column) {
  std::string shown =
      quoted == Quoted::kYes ? absl::StrCat("\"", absl::CHexEscape(text), "\"") : text;
  values_[std::string(path)].push_back({.text = std::move(text),
                                        .where = {.line = line, .column = column},
                                        .place = absl::StrCat(file_, ":", line, ":", column),
                                        .shown = std::move(shown)});
}

void ServerConfig::SetFromFlag(std::string_view path, std::vector<std::string> texts,
                               std::string flag) {
  std::vector<Value>& values = values_[std::string(path)];
  values.clear();
  for (std::string& text : texts) {
    values.push_back({.text = std::move(text), .where = {}, .place = flag, .shown = ""});
  }
}

std::vector<std::string> ServerConfig::Texts(std::string_view path) const {
  std::vector<std::string> texts;
  if (const auto found = values_.find(path); found != values_.end()) {
    for (const Value& value : found->second) texts.push_back(value.text);
  }
  return texts;
}

ServerConfig::Place ServerConfig::PlaceOf(std::string_view path, size_t index) const {
  return values_.find(path)->second.at(index).where;
}

absl::Status ServerConfig::IsNot(std::string_view path, size_t index,
                                 std::string_view wanted) const {
  const Value& value = values_.find(path)->second.at(index);
  const std::string what = value.shown.empty()
                               ? value.place
                               : absl::StrCat(value.place, ": ", ToAbsl(path), ": ", value.shown);
  return absl::InvalidArgumentError(absl::StrCat(what, " is not ", ToAbsl(wanted)));
}

absl::Status ServerConfig::Locate(const absl::Status& status) const {
  if (status.ok()) return status;
  const Value* named = nullptr;
  // Elsewhere it is a word like any other.
  const bool of_limit = absl::StartsWith(status.message(), "limit ");
  const std::string said = absl::StrCat(of_limit ? "r" : "", status.message());
  const std::string message = ReplaceNames(said, [&](absl::string_view word) {
    const std::string path = PathOf(word);
    const auto found = values_.find(path);
    if (found == values_.end() || found->second.empty()) return path;
    if (named == nullptr) named = &NamedValue(found->second, said);
    return path;
  });
  if (named == nullptr) return absl::Status(status.code(), message);
  return absl::Status(status.code(), absl::StrCat(named->place, ": ", message));
}

// Which of the values of an option is the message about?
const ServerConfig::Value& ServerConfig::NamedValue(const std::vector<Value>& values,
                                                    std::string_view message) {
  for (auto value = values.rbegin(); value != values.rend(); ++value) {
    if (message.find(value->text) != message.npos) return *value;
  }
  // A resource limit is called by its name alone, and that comes first.
  const auto named_at = [&](const Value& value) {
    return message.find(value.text.substr(0, value.text.find(':')));
  };
  return *std::min_element(values.begin(), values.end(), [&](const Value& a, const Value& b) {
    return named_at(a) < named_at(b);
  });
}

std::vector<std::string> ServerConfig::ChangedFrom(const ServerConfig& other) const {
  std::set<std::string> paths;
  for (const auto& [path, values] : values_) paths.insert(path);
  for (const auto& [path, values] : other.values_) paths.insert(path);
  std::vector<std::string> changed;
  for (const std::string& path : paths) {
    if (Texts(path) != other.Texts(path)) changed.push_back(path);
  }
  return changed;
}

}  // namespace squall
