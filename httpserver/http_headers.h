// The field section of an HTTP message: an ordered list of names and values, looked up without
// regard to case.
//
//   squall::HttpHeaders headers;
//   headers.Add("Content-Type", "text/plain");
//   headers.Add("Set-Cookie", "a=1");
//   headers.Add("Set-Cookie", "b=2");
//   headers.Get("content-type");       // "text/plain"
//   headers.GetAll("Set-Cookie");      // {"a=1", "b=2"}
//   for (auto [name, value] : headers) Use(name, value);  // in order, names as they were given
//
// An object never holds an invalid name or value (CR, LF and NUL among them), so whatever
// serialises it cannot be made to split a response: Add and Set refuse such input and say so.
//
// All octets live in one buffer of the object. A string_view that a getter returns is valid until
// the object is changed or destroyed. Get, Has and Set look at every field once; Add is constant
// time. Not thread-safe, usable in any process. Source: RFC 9110 §5; Tornado's
// httputil.HTTPHeaders.
#ifndef SQUALL_HTTPSERVER_HTTP_HEADERS_H_
#define SQUALL_HTTPSERVER_HTTP_HEADERS_H_

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace squall {

// True when `name` is a token (RFC 9110 §5.1), as every field name has to be.
bool IsValidHeaderName(std::string_view name);

// True when `value` has only HTAB, SP, visible ASCII and octets from 0x80 on (RFC 9110 §5.5).
bool IsValidHeaderValue(std::string_view value);

// Tornado's spelling: NormalizeHeaderName("x-FOO-bar") == "X-Foo-Bar".
std::string NormalizeHeaderName(std::string_view name);

// True when the comma-separated `list` has `token` as a member, compared without case:
// HasToken("Upgrade, close", "Close"). Members with parameters do not match. RFC 9110 §5.6.1.
bool HasToken(std::string_view list, std::string_view token);

class HttpHeaders {
 public:
  struct Field {
    std::string_view name;
    std::string_view value;
  };

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Field;
    using difference_type = ptrdiff_t;
    using pointer = const Field*;
    using reference = Field;

    Iterator() = default;
    Field operator*() const { return headers_->at(index_); }
    Iterator& operator++() {
      ++index_;
      return *this;
    }
    Iterator operator++(int) {
      Iterator old = *this;
      ++index_;
      return old;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.index_ == b.index_; }

   private:
    friend class HttpHeaders;
    Iterator(const HttpHeaders* headers, size_t index) : headers_(headers), index_(index) {}
    const HttpHeaders* headers_ = nullptr;
    size_t index_ = 0;
  };

  HttpHeaders() = default;

  // Appends a field. Returns false and changes nothing when the name or the value is not valid.
  bool Add(std::string_view name, std::string_view value);

  // Makes `value` the only value of `name`: the first field of that name keeps its place and its
  // spelling, further ones go; without one the field is appended. Returns as Add.
  bool Set(std::string_view name, std::string_view value);

  // Removes every field of that name; returns how many there were.
  size_t Remove(std::string_view name);

  // Gives every field called `from` the name `to`, in place. Returns false and changes nothing when
  // `to` is not valid.
  bool Rename(std::string_view from, std::string_view to);

  // Removes all fields and keeps the memory for reuse.
  void Clear();

  // Removes all fields and gives the memory back.
  void Release();

  bool Has(std::string_view name) const;

  // The first value of that name.
  std::optional<std::string_view> Get(std::string_view name) const;

  // Every value of that name, in order.
  std::vector<std::string_view> GetAll(std::string_view name) const;

  // All values of that name joined by ", " (RFC 9110 §5.3); "" when there is none. Not for
  // Set-Cookie.
  std::string GetJoined(std::string_view name) const;

  // True when any field of that name has `token` as a member of its list, see HasToken above.
  bool HasToken(std::string_view name, std::string_view token) const;

  // Field number `index` in order, 0 <= index < size().
  Field at(size_t index) const {
    const Entry& e = entries_[index];
    return {View(e.name_at, e.name_size), View(e.value_at, e.value_size)};
  }
  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  Iterator begin() const { return Iterator(this, 0); }
  Iterator end() const { return Iterator(this, entries_.size()); }

  // Appends "Name: value\r\n" for each field to `out`, without the final empty line.
  void AppendTo(std::string& out) const;

  // What AppendTo() appends, when it stands in this object as a whole, as it does unless fields were
  // removed or renamed or came from a parser. Valid as what getters return.
  std::optional<std::string_view> Whole() const {
    if (!is_whole_) return std::nullopt;
    return bytes_;
  }

 private:
  // The parser and the head fill the buffer themselves: their octets are checked already.
  friend class Http1Parser;
  friend class RequestHead;

  struct Entry {
    uint32_t name_at;
    uint32_t name_size;
    uint32_t value_at;
    uint32_t value_size;
  };

  std::string_view View(uint32_t at, uint32_t size) const {
    return std::string_view(bytes_.data() + at, size);
  }
  bool NameIs(const Entry& e, std::string_view name) const;
  void Replace(Entry& entry, std::string_view value);
  uint32_t Store(std::string_view text);

  std::string bytes_;
  std::vector<Entry> entries_;
  bool is_whole_ = true;  // bytes_ is all fields as they are sent, in order, and nothing else
};

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_HTTP_HEADERS_H_
