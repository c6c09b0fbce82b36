#include "squall/web/static_url.h"

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/url.h"
#include "squall/web/application.h"
#include "squall/web/request_handler.h"
#include "squall/web/settings.h"
#include "squall/web/static_versions.h"

namespace squall {

std::string StaticUrl(RequestHandler& handler, std::string_view path,
                      const StaticUrlOptions& options) {
  const Settings& settings = handler.settings();
  if (settings.static_path.empty()) {
    handler.Fail(500, "StaticUrl() needs Settings::static_path");
    return "";
  }
  std::string url = absl::StrCat(settings.static_url_prefix, UrlEscape(path, UrlSpace::kPercent));
  if (options.include_host) {
    const HttpRequest& request = handler.request();
    url = absl::StrCat(ToAbsl(request.protocol()), "://", ToAbsl(request.host()), url);
  }
  if (!options.include_version) return url;
  const absl::StatusOr<std::string> version = handler.application().static_versions().VersionOf(
      settings.static_path, path, settings.static_options.links);
  if (!version.ok()) {
    LOG(ERROR) << "StaticUrl(): " << version.status();
    return url;
  }
  return absl::StrCat(url, "?v=", *version);
}

}  // namespace squall
