#include "squall/httpserver/multipart_parser.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "squall/base/status_macros.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/header_parameters.h"
#include "squall/httpserver/http_headers.h"
#include "squall/httpserver/http_scan.h"

namespace squall {

namespace {

std::string_view WithoutQuotes(std::string_view boundary) {
  if (boundary.size() >= 2 && boundary.front() == '"' && boundary.back() == '"') {
    return boundary.substr(1, boundary.size() - 2);
  }
  return boundary;
}

// Where the next delimiter begins that really ends a part; npos if there is none, or if too few
// octets follow to tell.
size_t FindDelimiter(std::string_view text, std::string_view delimiter) {
  size_t at = text.find(delimiter);
  while (at != std::string_view::npos) {
    const std::string_view next = text.substr(at + delimiter.size(), 2);
    if (next == "--" || next == "\r\n") return at;
    at = text.find(delimiter, at + 1);
  }
  return std::string_view::npos;
}

}  // namespace

absl::StatusOr<std::unique_ptr<MultipartParser>> MultipartParser::Create(
    const HttpHeaders& headers, Sink& sink, const MultipartLimits& limits) {
  const HeaderParameters type = ParseHeaderParameters(headers.Get("Content-Type").value_or(""));
  if (!internal::EqualsIgnoreCase(type.value, "multipart/form-data")) {
    return absl::InvalidArgumentError(
        absl::StrCat("the body's Content-Type is \"", type.value, "\", not multipart/form-data"));
  }
  if (headers.Has("Content-Encoding")) {
    return absl::InvalidArgumentError("form with an unsupported Content-Encoding");
  }
  const std::optional<std::string_view> boundary = type.Get("boundary");
  if (!boundary.has_value()) return internal::MalformedMultipart("Content-Type without a boundary");
  return std::make_unique<MultipartParser>(*boundary, sink, limits);
}

MultipartParser::MultipartParser(std::string_view boundary, Sink& sink,
                                 const MultipartLimits& limits)
    : delimiter_(absl::StrCat("\r\n--", ToAbsl(WithoutQuotes(boundary)))),
      sink_(sink),
      limits_(limits),
      status_(internal::CheckBoundary(WithoutQuotes(boundary))) {}

absl::Status MultipartParser::Feed(std::string_view data) {
  if (!status_.ok() || state_ == State::kDone) return status_;
  buffer_.append(data);
  for (;;) {
    const absl::StatusOr<Progress> progress = Step();
    if (!progress.ok()) return status_ = progress.status();
    if (*progress == Progress::kNeedsInput) break;
  }
  buffer_.erase(0, taken_);
  taken_ = 0;
  return status_;
}

absl::Status MultipartParser::Finish() {
  if (status_.ok() && state_ != State::kDone) {
    status_ = internal::MalformedMultipart("no final boundary");
  }
  return status_;
}

absl::StatusOr<MultipartParser::Progress> MultipartParser::Step() {
  switch (state_) {
    case State::kFirstBoundary: {
      // The CRLF before the first delimiter is not there when the body begins with it.
      const std::string_view first = std::string_view(delimiter_).substr(2);
      if (!first.starts_with(rest().substr(0, first.size()))) {
        return internal::MalformedMultipart("no boundary at the beginning");
      }
      if (rest().size() < first.size()) return Progress::kNeedsInput;
      taken_ += first.size();
      state_ = State::kAfterBoundary;
      return Progress::kMore;
    }
    case State::kAfterBoundary: {
      if (rest().size() < 2) return Progress::kNeedsInput;
      const std::string_view next = rest().substr(0, 2);
      if (next == "--") {
        state_ = State::kDone;
        taken_ = buffer_.size();
        return Progress::kNeedsInput;
      }
      if (++parts_ >= limits_.form.max_parts) {
        return internal::MalformedMultipart("too many parts");
      }
      if (next != "\r\n") return internal::MalformedMultipart("no line end after a boundary");
      taken_ += 2;
      scanned_ = 0;
      state_ = State::kHeader;
      return Progress::kMore;
    }
    case State::kHeader:
      return ReadHeader();
    case State::kContent:
      return ReadContent();
    case State::kDone:
      return Progress::kNeedsInput;
  }
  return absl::InternalError("MultipartParser without a state");
}

absl::StatusOr<MultipartParser::Progress> MultipartParser::ReadHeader() {
  const std::string_view beginning = rest().substr(0, limits_.form.max_part_header_size + 4);
  if (beginning.starts_with("\r\n")) return internal::MalformedMultipart("part without a header");
  // Single octets do not make the whole header be searched for each of them.
  const size_t overlap = delimiter_.size() + 2;
  const size_t from = scanned_ > overlap ? scanned_ - overlap : 0;
  scanned_ = beginning.size();
  const size_t size = beginning.find("\r\n\r\n", from);
  const bool ends = size != std::string_view::npos;
  const std::string_view searched = beginning.substr(0, ends ? size + 4 : size).substr(from);
  if (FindDelimiter(searched, delimiter_) != std::string_view::npos) {
    return internal::MalformedMultipart("part without a header");
  }
  if (!ends) {
    if (beginning.size() == limits_.form.max_part_header_size + 4) {
      return internal::MalformedMultipart("header of a part too large");
    }
    return Progress::kNeedsInput;
  }
  ASSIGN_OR_RETURN(const MultipartPart part,
                   internal::ParseMultipartPart(beginning.substr(0, size)));
  RETURN_IF_ERROR(sink_.OnPartBegin(part));
  // The header's last CRLF may be the beginning of a delimiter.
  taken_ += size + 2;
  not_content_ = 2;
  part_size_ = 0;
  state_ = State::kContent;
  return Progress::kMore;
}

absl::StatusOr<MultipartParser::Progress> MultipartParser::ReadContent() {
  const size_t end = FindDelimiter(rest(), delimiter_);
  if (end == std::string_view::npos) {
    // What may be the beginning of a delimiter, with the two octets behind it, stays.
    const size_t kept = delimiter_.size() + 1;
    if (rest().size() > kept) RETURN_IF_ERROR(Emit(rest().size() - kept));
    return Progress::kNeedsInput;
  }
  if (end < not_content_) return internal::MalformedMultipart("part without a header");
  RETURN_IF_ERROR(Emit(end));
  taken_ += delimiter_.size();
  state_ = State::kAfterBoundary;
  RETURN_IF_ERROR(sink_.OnPartEnd());
  return Progress::kMore;
}

absl::Status MultipartParser::Emit(size_t end) {
  const size_t begin = std::min(not_content_, end);
  const std::string_view content = rest().substr(begin, end - begin);
  part_size_ += content.size();
  if (part_size_ > limits_.max_part_size) {
    return internal::FormTooLarge(
        absl::StrCat("a part of the form is larger than ", limits_.max_part_size, " octets"));
  }
  if (!content.empty()) RETURN_IF_ERROR(sink_.OnPartData(content));
  taken_ += end;
  not_content_ -= begin;
  return absl::OkStatus();
}

}  // namespace squall
