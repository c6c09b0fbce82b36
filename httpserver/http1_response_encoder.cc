#include "squall/httpserver/http1_response_encoder.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/http_scan.h"
#include "squall/httpserver/http_status.h"

namespace squall::internal {
namespace {

// Room for the status line with a standard phrase, the name of Date, a length, Transfer-Encoding and
// Connection.
constexpr size_t kFixedPartSize = 192;
// A head up to this size is written on the stack, for a string that grows is filled with zeros first.
constexpr size_t kMostOnStack = 512;

absl::Status BadField(std::string_view name, std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("response field \"", ToAbsl(name), "\" ", ToAbsl(why)));
}

bool ParseLength(std::string_view text, uint64_t* value) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), *value);
  return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

// Writes into room that is there, which is cheaper than an append for each piece of a head.
class HeadWriter {
 public:
  HeadWriter(char* begin, char* end) : at_(begin), end_(end) {}
  void Put(std::string_view piece) { at_ = std::copy(piece.begin(), piece.end(), at_); }
  void PutNumber(uint64_t value) { at_ = std::to_chars(at_, end_, value).ptr; }
  void PutField(std::string_view name, std::string_view value) {
    Put(name);
    Put(": ");
    Put(value);
    Put("\r\n");
  }
  char* end() const { return at_; }

 private:
  char* at_;
  char* const end_;
};

void AppendField(std::string_view name, std::string_view value, std::string* out) {
  out->append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

void Http1ResponseEncoder::Start(const RequestFacts& request) {
  *this = Http1ResponseEncoder();
  request_ = request;
}

absl::Status Http1ResponseEncoder::Begin(const ResponseHead& head, const BeginOptions& options,
                                         std::string* out) {
  if (begun_) return absl::FailedPreconditionError("the answer was begun already");
  if (head.status < 200 || head.status > 999) {
    return absl::InvalidArgumentError(
        absl::StrCat("status ", head.status, " of a final answer is not in 200 to 999"));
  }
  if (!head.reason.empty() && !IsValidReasonPhrase(head.reason)) {
    return absl::InvalidArgumentError(
        absl::StrCat("reason phrase \"", absl::CHexEscape(head.reason),
                     "\" has a character that no reason phrase may have"));
  }
  std::optional<uint64_t> length;
  bool has_date = false;
  bool has_connection = false;
  bool has_upgrade = false;
  bool asked_to_close = false;
  size_t fields_size = 0;
  // HttpHeaders holds valid names and values only, so no field can end a line and start another.
  for (const auto [name, value] : head.headers) {
    fields_size += name.size() + value.size() + sizeof(": \r\n");
    switch (name.size()) {
      case 4:
        has_date = has_date || EqualsIgnoreCase(name, "Date");
        break;
      case 7:
        has_upgrade = has_upgrade || EqualsIgnoreCase(name, "Upgrade");
        break;
      case 10:
        if (EqualsIgnoreCase(name, "Connection")) {
          has_connection = true;
          asked_to_close |= HasToken(value, "close");
        }
        break;
      case 14:
        if (EqualsIgnoreCase(name, "Content-Length")) {
          uint64_t parsed = 0;
          if (length.has_value()) return BadField(name, "is given twice");
          if (!ParseLength(value, &parsed)) return BadField(name, "is not a decimal number");
          length = parsed;
        }
        break;
      case 17:
        if (EqualsIgnoreCase(name, "Transfer-Encoding")) {
          return BadField(name, "is the connection's business; leave it out");
        }
        break;
      default:
        break;
    }
  }

  begun_ = true;
  status_ = head.status;
  // Neither has content, whatever the handler announces. A 204 must not announce a length either
  // (RFC 9110 8.6); a 205 ends with a length of 0, the shortest of its ways (RFC 9110 15.3.6).
  const bool reset_content = head.status == 205;
  const bool no_content = head.status == 204 || reset_content;
  body_suppressed_ = request_.method_is_head || no_content || head.status == 304;
  length_ = no_content ? std::nullopt : length;
  const bool add_length =
      reset_content || (options.whole_body_size.has_value() && !length.has_value() && !no_content &&
                        head.status != 304);
  if (add_length) length_ = reset_content ? 0 : options.whole_body_size;
  const bool delimited = length_.has_value() || body_suppressed_;
  chunked_ = !delimited && request_.http11;
  close_ = options.close || asked_to_close || !request_.keep_alive || (!delimited && !chunked_);
  // The length announced for HEAD and 304 is that of a body which is not here.
  const uint64_t announced = length_.value_or(0);
  if (body_suppressed_) length_.reset();

  const size_t room = fields_size + kFixedPartSize + options.date.size() + head.reason.size();
  const size_t before = out->size();
  std::array<char, kMostOnStack> small;
  const bool on_stack = room <= small.size();
  if (!on_stack) out->resize(before + room);
  char* const begin = on_stack ? small.data() : out->data() + before;
  HeadWriter writer(begin, begin + room);
  if (head.status == 200 && head.reason.empty()) {
    writer.Put("HTTP/1.1 200 OK\r\n");
  } else {
    writer.Put("HTTP/1.1 ");
    writer.PutNumber(static_cast<uint64_t>(head.status));
    writer.Put(" ");
    writer.Put(head.reason.empty() ? ReasonPhrase(head.status) : head.reason);
    writer.Put("\r\n");
  }
  const std::optional<std::string_view> whole = head.headers.Whole();
  if (whole.has_value() && !has_connection && !(no_content && length.has_value())) {
    writer.Put(*whole);
  } else {
    for (const auto [name, value] : head.headers) {
      if (EqualsIgnoreCase(name, "Connection")) continue;
      if (no_content && EqualsIgnoreCase(name, "Content-Length")) continue;
      writer.PutField(name, value);
    }
  }
  if (!has_date && !options.date.empty()) writer.PutField("Date", options.date);
  if (add_length) {
    writer.Put("Content-Length: ");
    writer.PutNumber(announced);
    writer.Put("\r\n");
  }
  if (chunked_) writer.Put("Transfer-Encoding: chunked\r\n");
  // Whoever sends Upgrade has to name it here, too (RFC 9110 7.8); 426 is such an answer.
  if (has_upgrade) writer.Put("Connection: Upgrade\r\n");
  if (close_) {
    // An HTTP/1.0 client that said nothing expects the close; Tornado says nothing to it either. RFC
    // 9112 9.6 has the others told.
    if (request_.http11 || request_.connection_field || options.always_say_close) {
      writer.Put("Connection: close\r\n");
    }
  } else if (!request_.http11) {
    writer.Put("Connection: Keep-Alive\r\n");
  }
  writer.Put("\r\n");
  const auto size = static_cast<size_t>(writer.end() - begin);
  DCHECK_LE(size, room);
  if (on_stack) {
    out->append(begin, size);
  } else {
    out->resize(before + size);
  }
  return absl::OkStatus();
}

absl::Status Http1ResponseEncoder::SwitchProtocols(const ResponseHead& head, std::string* out) {
  if (begun_) return absl::FailedPreconditionError("the answer was begun already");
  if (head.status != 101) {
    return absl::InvalidArgumentError(
        absl::StrCat("status ", head.status, " does not switch protocols; 101 does"));
  }
  if (head.headers.Get("Upgrade").value_or("").empty()) {
    return absl::InvalidArgumentError("an answer that switches protocols names it in Upgrade");
  }
  for (const std::string_view name : {"Content-Length", "Transfer-Encoding"}) {
    if (head.headers.Get(name).has_value()) return BadField(name, "has no place in a 101");
  }
  begun_ = ended_ = true;
  status_ = 101;
  out->append("HTTP/1.1 101 Switching Protocols\r\n");
  for (const auto [name, value] : head.headers) {
    if (!EqualsIgnoreCase(name, "Connection")) AppendField(name, value, out);
  }
  out->append("Connection: Upgrade\r\n\r\n");
  return absl::OkStatus();
}

absl::Status Http1ResponseEncoder::WhyNot(uint64_t size) const {
  if (!begun_ || ended_) {
    return absl::FailedPreconditionError(begun_ ? "the answer is finished already"
                                                : "the answer has no head yet");
  }
  return absl::OutOfRangeError(absl::StrCat("tried to write ", body_bytes_ + size,
                                            " octets of body, more than Content-Length ",
                                            *length_));
}

std::string_view Http1ResponseEncoder::ChunkStart(size_t size, ChunkStartBuffer& buffer) {
  char* const end = std::to_chars(buffer.data(), buffer.data() + buffer.size() - 2, size, 16).ptr;
  end[0] = '\r';
  end[1] = '\n';
  return std::string_view(buffer.data(), end + 2 - buffer.data());
}

absl::Status Http1ResponseEncoder::Body(std::string_view data, std::string* out) {
  if (absl::Status status = Count(data.size()); !status.ok()) return status;
  if (body_suppressed_ || data.empty()) return absl::OkStatus();
  if (chunked_) {
    ChunkStartBuffer buffer;
    out->append(ChunkStart(data.size(), buffer)).append(data).append("\r\n");
  } else {
    out->append(data);
  }
  return absl::OkStatus();
}

absl::Status Http1ResponseEncoder::End(std::string* out) {
  if (absl::Status status = Count(0); !status.ok()) return status;
  if (length_.has_value() && body_bytes_ < *length_) {
    return absl::OutOfRangeError(absl::StrCat(
        "tried to write ", body_bytes_, " octets of body, fewer than Content-Length ", *length_));
  }
  if (chunked_) out->append("0\r\n\r\n");
  ended_ = true;
  return absl::OkStatus();
}

}  // namespace squall::internal
