#include "squall/httpserver/http_headers.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "squall/httpserver/http_scan.h"

namespace squall {

bool IsValidHeaderName(std::string_view name) {
  const char* end = name.data() + name.size();
  return !name.empty() && internal::SkipToken(name.data(), end) == end;
}

bool IsValidHeaderValue(std::string_view value) {
  const char* end = value.data() + value.size();
  return internal::SkipFieldValue(value.data(), end) == end;
}

std::string NormalizeHeaderName(std::string_view name) {
  std::string out(name);
  bool start = true;
  for (char& c : out) {
    const char lower = internal::ToLower(c);
    c = start && lower >= 'a' && lower <= 'z' ? static_cast<char>(lower - 32) : lower;
    start = c == '-';
  }
  return out;
}

bool HasToken(std::string_view list, std::string_view token) {
  while (true) {
    const size_t comma = list.find(',');
    if (internal::EqualsIgnoreCase(internal::TrimOws(list.substr(0, comma)), token)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
}

inline bool HttpHeaders::NameIs(const Entry& e, std::string_view name) const {
  return internal::EqualsIgnoreCase(View(e.name_at, e.name_size), name);
}

uint32_t HttpHeaders::Store(std::string_view text) {
  // Offsets have 32 bits. Nobody sends or builds a field section of 4 GiB except by a bug.
  if (text.size() > std::numeric_limits<uint32_t>::max() - bytes_.size()) std::abort();
  const auto at = static_cast<uint32_t>(bytes_.size());
  bytes_.append(text.data(), text.size());
  return at;
}

bool HttpHeaders::Add(std::string_view name, std::string_view value) {
  if (!IsValidHeaderName(name) || !IsValidHeaderValue(value)) return false;
  // The arguments may be views into this object, which storing the first one may move.
  const char* begin = bytes_.data();
  const auto inside = [&](std::string_view v) {
    return !v.empty() && v.data() >= begin && v.data() < begin + bytes_.size();
  };
  std::string copy;
  if (inside(value)) value = copy = std::string(value);
  Entry e;
  e.name_at = Store(name);
  e.name_size = static_cast<uint32_t>(name.size());
  Store(": ");
  e.value_at = Store(value);
  e.value_size = static_cast<uint32_t>(value.size());
  Store("\r\n");
  entries_.push_back(e);
  return true;
}

void HttpHeaders::Replace(Entry& entry, std::string_view value) {
  const auto size = static_cast<uint32_t>(value.size());
  if (!is_whole_) {
    entry.value_at = Store(value);
  } else {
    bytes_.replace(entry.value_at, entry.value_size, value);
    for (Entry* later = &entry + 1; later != entries_.data() + entries_.size(); ++later) {
      later->name_at += size - entry.value_size;
      later->value_at += size - entry.value_size;
    }
  }
  entry.value_size = size;
}

bool HttpHeaders::Set(std::string_view name, std::string_view value) {
  const auto match = [&](const Entry& e) { return NameIs(e, name); };
  const auto first = std::find_if(entries_.begin(), entries_.end(), match);
  if (first == entries_.end()) return Add(name, value);
  if (!IsValidHeaderValue(value)) return false;
  // Further fields go first: `name` may be a view into this object, which storing the value may
  // move.
  if (first + 1 != entries_.end()) {
    const auto further = std::remove_if(first + 1, entries_.end(), match);
    if (further != entries_.end()) is_whole_ = false;
    entries_.erase(further, entries_.end());
  }
  Replace(*first, value);
  return true;
}

size_t HttpHeaders::Remove(std::string_view name) {
  const size_t removed = std::erase_if(entries_, [&](const Entry& e) { return NameIs(e, name); });
  if (removed > 0) is_whole_ = false;
  return removed;
}

bool HttpHeaders::Rename(std::string_view from, std::string_view to) {
  if (!IsValidHeaderName(to)) return false;
  const std::string old_name(from);
  const auto size = static_cast<uint32_t>(to.size());
  is_whole_ = false;
  const uint32_t at = Store(to);
  for (Entry& e : entries_) {
    if (!NameIs(e, old_name)) continue;
    e.name_at = at;
    e.name_size = size;
  }
  return true;
}

void HttpHeaders::Clear() {
  bytes_.clear();
  entries_.clear();
  is_whole_ = true;
}

void HttpHeaders::Release() {
  std::string().swap(bytes_);
  std::vector<Entry>().swap(entries_);
  is_whole_ = true;
}

bool HttpHeaders::Has(std::string_view name) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [&](const Entry& e) { return NameIs(e, name); });
}

std::optional<std::string_view> HttpHeaders::Get(std::string_view name) const {
  for (const Entry& e : entries_) {
    if (NameIs(e, name)) return View(e.value_at, e.value_size);
  }
  return std::nullopt;
}

std::vector<std::string_view> HttpHeaders::GetAll(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const Entry& e : entries_) {
    if (NameIs(e, name)) values.push_back(View(e.value_at, e.value_size));
  }
  return values;
}

std::string HttpHeaders::GetJoined(std::string_view name) const {
  std::string joined;
  bool first = true;
  for (const Entry& e : entries_) {
    if (!NameIs(e, name)) continue;
    if (!first) joined.append(", ");
    joined.append(View(e.value_at, e.value_size));
    first = false;
  }
  return joined;
}

bool HttpHeaders::HasToken(std::string_view name, std::string_view token) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) {
    return NameIs(e, name) && squall::HasToken(View(e.value_at, e.value_size), token);
  });
}

void HttpHeaders::AppendTo(std::string& out) const {
  if (is_whole_) {
    out.append(bytes_);
    return;
  }
  for (const Field field : *this) {
    out.append(field.name).append(": ").append(field.value).append("\r\n");
  }
}

}  // namespace squall
