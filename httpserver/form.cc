#include "squall/httpserver/form.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/header_parameters.h"
#include "squall/httpserver/http_scan.h"
#include "squall/httpserver/multipart_part.h"

namespace squall {
namespace {

constexpr std::string_view kUrlEncoded = "application/x-www-form-urlencoded";
constexpr std::string_view kMultipart = "multipart/form-data";

std::string_view MediaType(const HttpHeaders& headers) {
  const std::string_view field = headers.Get("Content-Type").value_or("");
  return internal::TrimOws(field.substr(0, field.find(';')));
}

bool IsUrlEncoded(std::string_view media_type) {
  return internal::EqualsIgnoreCase(media_type, kUrlEncoded);
}

bool BeginsLikeMultipart(std::string_view media_type) {
  return internal::EqualsIgnoreCase(media_type.substr(0, kMultipart.size()), kMultipart);
}

absl::Status AddPart(std::string_view part, const FormLimits& limits, FormData& form) {
  // Only the beginning is searched: a part may be large.
  const std::string_view beginning = part.substr(0, limits.max_part_header_size + 4);
  const size_t size = beginning.substr(0, 2) == "\r\n" ? 0 : beginning.find("\r\n\r\n");
  if (size == std::string_view::npos) {
    return internal::MalformedMultipart(
        beginning.size() < part.size() ? "header of a part too large" : "part without a header");
  }
  absl::StatusOr<MultipartPart> parsed = internal::ParseMultipartPart(part.substr(0, size));
  if (!parsed.ok()) return parsed.status();
  const std::string_view content = part.substr(size == 0 ? 2 : size + 4);
  if (parsed->filename.empty()) {
    form.fields.emplace_back(std::move(parsed->name), content);
  } else {
    form.files.push_back({.name = std::move(parsed->name),
                          .filename = std::move(parsed->filename),
                          .content_type = std::move(parsed->content_type),
                          .body = content});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<FormData> ParseMultipartForm(std::string_view boundary, std::string_view body,
                                            const FormLimits& limits) {
  if (boundary.size() >= 2 && boundary.front() == '"' && boundary.back() == '"') {
    boundary = boundary.substr(1, boundary.size() - 2);
  }
  if (absl::Status status = internal::CheckBoundary(boundary); !status.ok()) return status;
  const std::string delimiter = absl::StrCat("\r\n--", ToAbsl(boundary));
  FormData form;
  // The CRLF before the first delimiter is not there when the body begins with it.
  const std::string_view first = std::string_view(delimiter).substr(2);
  if (body.substr(0, first.size()) != first)
    return internal::MalformedMultipart("no boundary at the beginning");
  body.remove_prefix(first.size());
  for (size_t parts = 1; body.substr(0, 2) != "--"; ++parts) {
    if (parts >= limits.max_parts) return internal::MalformedMultipart("too many parts");
    if (body.substr(0, 2) != "\r\n")
      return internal::MalformedMultipart("no line end after a boundary");
    body.remove_prefix(2);
    size_t end = body.find(delimiter);
    while (end != std::string_view::npos) {
      const std::string_view next = body.substr(end + delimiter.size(), 2);
      if (next == "--" || next == "\r\n") break;
      // A longer line that only begins like the delimiter is content.
      end = body.find(delimiter, end + 1);
    }
    if (end == std::string_view::npos) return internal::MalformedMultipart("no final boundary");
    if (absl::Status s = AddPart(body.substr(0, end), limits, form); !s.ok()) return s;
    body.remove_prefix(end + delimiter.size());
  }
  return form;
}

bool HasFormBody(const HttpHeaders& headers) {
  const std::string_view media_type = MediaType(headers);
  return IsUrlEncoded(media_type) || BeginsLikeMultipart(media_type);
}

absl::StatusOr<FormData> ParseFormBody(const HttpHeaders& headers, std::string_view body,
                                       const FormLimits& limits) {
  const std::string_view media_type = MediaType(headers);
  const bool url_encoded = IsUrlEncoded(media_type);
  if (!url_encoded && !BeginsLikeMultipart(media_type)) return FormData{};
  if (headers.Has("Content-Encoding")) {
    return absl::InvalidArgumentError("form with an unsupported Content-Encoding");
  }
  if (url_encoded) {
    const auto separators = static_cast<size_t>(std::count(body.begin(), body.end(), '&'));
    if (separators >= limits.max_fields) {
      return absl::InvalidArgumentError(
          absl::StrCat("form with more than ", limits.max_fields, " fields"));
    }
    return FormData{.fields = ParseQuery(body), .files = {}};
  }
  if (media_type.size() != kMultipart.size()) {
    return absl::InvalidArgumentError("Content-Type is not multipart/form-data but begins like it");
  }
  const HeaderParameters type = ParseHeaderParameters(headers.Get("Content-Type").value_or(""));
  const std::optional<std::string_view> boundary = type.Get("boundary");
  if (!boundary.has_value()) return internal::MalformedMultipart("Content-Type without a boundary");
  return ParseMultipartForm(*boundary, body, limits);
}

}  // namespace squall
