// Cookies of a handler, the tokens that are in cookies, and who is logged in.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "squall/base/string_view.h"
#include "squall/web/cookie_changes.h"
#include "squall/web/request_handler.h"
#include "squall/web/settings.h"
#include "squall/web/signed_value.h"
#include "squall/web/xsrf.h"

namespace squall {

namespace {

constexpr std::string_view kXsrfArgument = "_xsrf";

// Empty for an unknown version. What cookie_secret signed has version 0.
std::string_view CookieSecret(const Settings& settings, int version) {
  const auto found = settings.cookie_secrets.find(version);
  if (found != settings.cookie_secrets.end()) return found->second;
  return version == 0 ? std::string_view(settings.cookie_secret) : std::string_view();
}

}  // namespace

void RequestHandler::SetCookie(std::string_view name, std::string_view value,
                               const SetCookieOptions& options) {
  absl::StatusOr<std::string> field = FormatSetCookie(name, value, options);
  if (!field.ok()) {
    Fail(500, std::string(ToStd(field.status().message())));
    return;
  }
  if (cookies_ == nullptr) cookies_ = std::make_unique<internal::CookieChanges>();
  cookies_->Set(name, *std::move(field));
}

void RequestHandler::ClearCookie(std::string_view name, SetCookieOptions options) {
  options.expires = absl::UnixEpoch();
  options.max_age.reset();
  SetCookie(name, "", options);
}

void RequestHandler::ClearAllCookies(const SetCookieOptions& options) {
  for (const auto& [name, value] : request().cookies()) {
    SetCookieOptions own = options;
    // The prefixes __Host- and __Secure- ask for it.
    own.secure = own.secure || name.starts_with("__");
    // A client may send what no Set-Cookie could name.
    if (FormatSetCookie(name, "", own).ok()) ClearCookie(name, own);
  }
}

std::optional<std::string> RequestHandler::GetCookie(std::string_view name) const {
  const CookieMap& cookies = request().cookies();
  const auto found = cookies.find(name);
  if (found == cookies.end()) return std::nullopt;
  return found->second;
}

void RequestHandler::SetSignedCookie(std::string_view name, std::string_view value,
                                     const SetCookieOptions& options) {
  const int version = settings().cookie_secrets.empty() ? 0 : settings().key_version;
  const std::string_view secret = CookieSecret(settings(), version);
  if (secret.empty()) {
    Fail(500, "SetSignedCookie() needs Settings::cookie_secret");
    return;
  }
  SetCookie(name, CreateSignedValue(secret, version, name, value, absl::Now()), options);
}

std::optional<std::string> RequestHandler::GetSignedCookie(std::string_view name,
                                                           absl::Duration max_age) const {
  const std::optional<std::string> cookie = GetCookie(name);
  if (!cookie.has_value()) return std::nullopt;
  return DecodeSignedValue([this](int version) { return CookieSecret(settings(), version); }, name,
                           *cookie, {.max_age = max_age}, absl::Now());
}

std::optional<int> RequestHandler::GetSignedCookieKeyVersion(std::string_view name) const {
  const std::optional<std::string> cookie = GetCookie(name);
  return cookie.has_value() ? GetSignatureKeyVersion(*cookie) : std::nullopt;
}

// ---- Who is logged in.

const std::optional<std::string>& RequestHandler::current_user() {
  if (!current_user_.has_value()) current_user_ = GetCurrentUser();
  return *current_user_;
}

std::string RequestHandler::GetLoginUrl() const { return settings().login_url; }

// ---- XSRF.

std::string RequestHandler::XsrfToken() {
  if (xsrf_secret_.empty()) {
    std::optional<internal::XsrfSecret> secret;
    if (const auto cookie = GetCookie(settings().xsrf_cookie_name); cookie.has_value()) {
      secret = internal::ReadXsrfToken(*cookie);
    }
    if (!secret.has_value()) {
      secret = internal::NewXsrfSecret(absl::Now());
      SetCookie(settings().xsrf_cookie_name, internal::MaskXsrfSecret(*secret),
                settings().xsrf_cookie_options);
    }
    xsrf_secret_ = std::move(secret->octets);
    xsrf_time_ = secret->time;
  }
  return internal::MaskXsrfSecret({xsrf_secret_, xsrf_time_});
}

std::string RequestHandler::XsrfFormHtml() {
  // A token has no character that HTML would take for its own.
  return absl::StrCat("<input type=\"hidden\" name=\"", ToAbsl(kXsrfArgument), "\" value=\"",
                      XsrfToken(), "\"/>");
}

bool RequestHandler::CheckXsrfCookie() {
  const std::optional<std::string> cookie = GetCookie(settings().xsrf_cookie_name);
  if (!cookie.has_value()) return false;
  std::string token = GetArgument(kXsrfArgument, "");
  for (const std::string_view name : {"X-XSRFToken", "X-CSRFToken"}) {
    if (token.empty()) token = std::string(request().headers().Get(name).value_or(""));
  }
  return internal::XsrfTokensMatch(*cookie, token);
}

}  // namespace squall
