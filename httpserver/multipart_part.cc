#include "squall/httpserver/multipart_part.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/header_parameters.h"
#include "squall/httpserver/http_headers.h"
#include "squall/httpserver/http_scan.h"
#include "squall/httpserver/http_status.h"

namespace squall::internal {

namespace {

// Names come out of escapes, too, so what a field could not carry is looked for again.
bool HasControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

}  // namespace

absl::Status MalformedMultipart(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("malformed multipart/form-data: ", ToAbsl(what)));
}

absl::Status FormTooLarge(std::string_view what) {
  absl::Status status = absl::ResourceExhaustedError(ToAbsl(what));
  status.SetPayload(kHttpStatusPayload, absl::Cord("413"));
  return status;
}

absl::Status CheckBoundary(std::string_view boundary) {
  if (!boundary.empty() && boundary.size() <= 70) return absl::OkStatus();
  return MalformedMultipart("the boundary has to have 1 to 70 characters");
}

absl::StatusOr<MultipartPart> ParseMultipartPart(std::string_view block) {
  MultipartPart part;
  while (!block.empty()) {
    const size_t end = std::min(block.find("\r\n"), block.size());
    const std::string_view line = block.substr(0, end);
    block.remove_prefix(std::min(end + 2, block.size()));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos ||
        !part.headers.Add(line.substr(0, colon), TrimOws(line.substr(colon + 1)))) {
      return MalformedMultipart("invalid line in the header of a part");
    }
  }
  const HeaderParameters disposition =
      ParseHeaderParameters(part.headers.Get("Content-Disposition").value_or(""));
  part.name = std::string(disposition.Get("name").value_or(""));
  part.filename = std::string(disposition.Get("filename").value_or(""));
  if (!EqualsIgnoreCase(disposition.value, "form-data")) {
    return MalformedMultipart("part without Content-Disposition: form-data");
  }
  if (part.name.empty()) return MalformedMultipart("part without a name");
  if (HasControl(part.name) || HasControl(part.filename)) {
    return MalformedMultipart("control character in the name of a part");
  }
  part.content_type = std::string(part.headers.Get("Content-Type").value_or("application/unknown"));
  return part;
}

}  // namespace squall::internal
