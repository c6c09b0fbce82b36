#include "squall/base/status.h"

#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "squall/base/string_view.h"

namespace squall {
namespace {

constexpr char kErrnoPayload[] = "squall/errno";

// strerror_r has two signatures; both are served by overloads.
[[maybe_unused]] const char* MessageOf(const char* message, const char* /*buffer*/) {
  return message;
}
[[maybe_unused]] const char* MessageOf(int /*result*/, const char* buffer) { return buffer; }

}  // namespace

absl::Status StatusFromErrno(int error_number, std::string_view what) {
  if (error_number == 0) {
    return absl::InternalError(absl::StrCat(ToAbsl(what), ": failed without an errno"));
  }
  char buffer[128] = "unknown error";
  const char* text = MessageOf(strerror_r(error_number, buffer, sizeof buffer), buffer);
  absl::Status status(absl::ErrnoToStatusCode(error_number),
                      absl::StrCat(ToAbsl(what), ": ", text));
  status.SetPayload(kErrnoPayload, absl::Cord(absl::StrCat(error_number)));
  return status;
}

std::optional<int> ErrnoFromStatus(const absl::Status& status) {
  const auto payload = status.GetPayload(kErrnoPayload);
  int number = 0;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &number)) {
    return std::nullopt;
  }
  return number;
}

absl::Status WithMessage(const absl::Status& status, std::string_view message) {
  absl::Status result(status.code(), ToAbsl(message));
  status.ForEachPayload([&result](absl::string_view type, const absl::Cord& payload) {
    result.SetPayload(type, payload);
  });
  return result;
}

}  // namespace squall
