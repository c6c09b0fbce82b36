#include "squall/web/conditional.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/http_date.h"
#include "squall/httpserver/http_headers.h"
#include "squall/web/etag.h"

namespace squall {

namespace {

std::optional<absl::Time> DateField(const HttpHeaders& headers, std::string_view name) {
  // Several are no date, and so are not there (RFC 9110 13.1.3 and 13.1.4).
  return headers.Has(name) ? ParseHttpDate(headers.GetJoined(name)) : std::nullopt;
}

// HTTP dates have whole seconds.
absl::Time Second(absl::Time time) { return absl::FromUnixSeconds(absl::ToUnixSeconds(time)); }

bool Exists(const Validators& present) {
  return !present.etag.empty() || present.last_modified.has_value();
}

}  // namespace

Precondition EvaluatePreconditions(std::string_view method, const HttpHeaders& request,
                                   const Validators& present) {
  const bool reads = method == "GET" || method == "HEAD";
  if (request.Has("If-Match")) {
    const std::string field = request.GetJoined("If-Match");
    if (!EtagMatchesStrongly(field, present.etag, Exists(present))) return Precondition::kFailed;
  } else if (const auto since = DateField(request, "If-Unmodified-Since");
             since.has_value() && present.last_modified.has_value()) {
    if (Second(*present.last_modified) > *since) return Precondition::kFailed;
  }
  if (request.Has("If-None-Match")) {
    const std::string field = request.GetJoined("If-None-Match");
    const bool known = Exists(present) && EtagMatches(field, present.etag);
    if (known) return reads ? Precondition::kNotModified : Precondition::kFailed;
  } else if (const auto since = DateField(request, "If-Modified-Since");
             reads && since.has_value() && present.last_modified.has_value()) {
    if (Second(*present.last_modified) <= *since) return Precondition::kNotModified;
  }
  return Precondition::kHolds;
}

bool AnswerConditionally(RequestHandler& handler, const Validators& present) {
  const HttpRequest& request = handler.request();
  if (!present.etag.empty()) handler.SetHeader("Etag", present.etag);
  if (present.last_modified.has_value()) {
    handler.SetHeader("Last-Modified", FormatHttpDate(*present.last_modified));
  }
  switch (EvaluatePreconditions(request.method(), request.headers(), present)) {
    case Precondition::kHolds:
      return false;
    case Precondition::kNotModified:
      if (present.etag.starts_with('"') &&
          handler.WouldCompress(present.body_size.value_or(std::numeric_limits<uint64_t>::max()))) {
        handler.SetHeader("Etag", absl::StrCat("W/", present.etag));
      }
      handler.SetStatus(304);
      handler.Finish();
      return true;
    case Precondition::kFailed:
      handler.SendError(412);
      return true;
  }
  return false;
}

bool RangeConditionHolds(const HttpHeaders& request, const Validators& present, absl::Time now) {
  if (!request.Has("If-Range")) return true;
  const std::string condition = request.GetJoined("If-Range");
  if (condition.starts_with('"')) return condition == present.etag;
  // A weak tag never matches, and a date has to be the very one.
  const std::optional<absl::Time> time = ParseHttpDate(condition);
  return time.has_value() && present.last_modified.has_value() &&
         Second(*present.last_modified) == *time && now >= *time + absl::Seconds(1);
}

}  // namespace squall
