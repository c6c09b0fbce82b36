#include "squall/control/status/status_handler.h"

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"

namespace squall::internal {

void StatusHandler::SetDefaultHeaders() {
  SetHeader("Cache-Control", "no-store");
  SetHeader("Content-Security-Policy",
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  SetHeader("Cross-Origin-Resource-Policy", "same-origin");
  SetHeader("Referrer-Policy", "no-referrer");
  SetHeader("X-Content-Type-Options", "nosniff");
  DisableAutomaticEtag();
}

void StatusHandler::Prepare() {
  if (hosts_->Allows(request().host_name())) return;
  Answer(
      421,
      "this address is not asked for under that name; use localhost or an address, or name it in "
      "status.hosts");
}

void StatusHandler::WriteError(int status) {
  SetHeader("Content-Type", "text/plain; charset=utf-8");
  Finish(absl::StrCat(status, " ", ToAbsl(reason()), "\n"));
}

void StatusHandler::Answer(int status, std::string_view sentence) {
  SetStatus(status);
  SetHeader("Content-Type", "text/plain; charset=utf-8");
  if (status == 503) SetHeader("Retry-After", "1");
  Finish(absl::StrCat(ToAbsl(sentence), "\n"));
}

void NoSuchPage::Get() { Answer(404, "there are /, /metrics, /healthz and /readyz"); }

}  // namespace squall::internal
