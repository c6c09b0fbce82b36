// What an Application can be told besides its routes; Tornado's names where Tornado has the thing.
//
//   squall::Application app({{"/", squall::Handler<MainHandler>()}},
//                           {.static_path = "/srv/www", .log_function = nullptr});
#ifndef SQUALL_WEB_SETTINGS_H_
#define SQUALL_WEB_SETTINGS_H_

#include <functional>
#include <optional>
#include <string>

#include "squall/httpserver/cookies.h"
#include "squall/httpserver/form.h"
#include "squall/web/access_log.h"
#include "squall/web/compression_options.h"
#include "squall/web/handler_spec.h"
#include "squall/web/signed_value.h"
#include "squall/web/static_file_options.h"

namespace squall {

struct Settings {
  // Answers what no rule matches; unset, the 404 page does.
  std::optional<HandlerSpec> default_handler;

  // A host name, in lower case; rules that Application::AddHandlers() adds for it also serve hosts
  // that nothing else matches. Not for requests with X-Real-Ip, as in Tornado.
  std::string default_host;

  // Files of this directory are served under static_url_prefix, and /robots.txt and /favicon.ico
  // from its top. Empty: no such routes. They come behind the application's own.
  std::string static_path;
  std::string static_url_prefix = "/static/";
  // How: index files, listings, precompressed files, Cache-Control. Without `root`, which static_path is.
  StaticFileOptions static_options = {};

  // Compresses answers for clients that accept it, and adds Vary. By default text of 1 KiB and more,
  // with gzip.
  bool compress_response = false;
  CompressionOptions compression = {};

  // Refuses POST, PUT, PATCH and DELETE without a token that matches the client's cookie.
  bool xsrf_cookies = false;
  SetCookieOptions xsrf_cookie_options;
  std::string xsrf_cookie_name = "_xsrf";

  // Signs cookies; 32 random octets or more, fewer are refused. Empty, and no cookie_secrets: signed
  // cookies are an error.
  std::string cookie_secret;
  // To change the secret without a logout for everybody: several by version, of which that of
  // key_version signs, and all are read. What cookie_secret signed has version 0.
  CookieSecrets cookie_secrets;
  int key_version = 0;

  // Where Authenticated() sends who is not logged in.
  std::string login_url;

  // WWW-Authenticate of answers with status 401 that have none of their own, which RFC 9110 15.5.2
  // demands; browsers ask for a password for "Basic", for this one they do not. Empty: none.
  std::string www_authenticate = "Bearer realm=\"application\"";

  // What one form may cost; more is answered 400.
  FormLimits form_limits;

  // Puts X-Request-ID into each answer, and the request's id and span into the access log; see
  // HttpRequest::id() and trace().
  bool trace_requests = false;

  // Called for each finished request. Empty: no access log.
  std::function<void(const AccessLogEntry&)> log_function = WriteAccessLog;
};

}  // namespace squall

#endif  // SQUALL_WEB_SETTINGS_H_
