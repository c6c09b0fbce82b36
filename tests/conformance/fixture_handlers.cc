#include "squall/tests/conformance/fixture_handlers.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "squall/base/status_macros.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/http_headers.h"
#include "squall/ioloop/task.h"
#include "squall/web/handler.h"
#include "squall/web/http_error.h"
#include "squall/web/json.h"
#include "squall/web/redirect_handler.h"
#include "squall/web/request_handler.h"
#include "squall/web/slash_redirect.h"
#include "squall/web/utf8.h"

namespace squall::conformance {

namespace {

using nlohmann::json;

json ArgumentsJson(RequestHandler& handler) {
  json arguments = json::object();
  for (const auto& [name, value] : handler.request().query_arguments()) {
    arguments[name].push_back(value);
  }
  for (const auto& [name, value] : handler.request().body_arguments()) {
    arguments[name].push_back(value);
  }
  return arguments;
}

struct Hello : RequestHandler {
  void Get() { Write("Hello world"); }
  void Post() { Write(absl::StrCat("Got ", request().body().size(), " bytes in POST")); }
};

struct Echo : RequestHandler {
  void Get() { WriteJson(*this, ArgumentsJson(*this)); }
  void Post() { Get(); }
};

struct Info : RequestHandler {
  void Get() {
    const HttpRequest& r = request();
    WriteJson(*this, {{"remote_ip", r.remote_ip()},
                      {"protocol", r.protocol()},
                      {"host", r.host()},
                      {"host_name", r.host_name()},
                      {"method", r.method()},
                      {"path", r.path()},
                      {"query", r.query()},
                      {"version", r.version()}});
  }
  void Post() { Get(); }
};

struct Headers : RequestHandler {
  void Get() {
    std::vector<std::string> names;  // in first-seen order
    json fields = json::array();
    const HttpHeaders& headers = request().headers();
    for (const auto [raw_name, value] : headers) {
      const std::string name = NormalizeHeaderName(raw_name);
      if (std::find(names.begin(), names.end(), name) != names.end()) continue;
      names.push_back(name);
      for (const std::string_view each : headers.GetAll(name)) {
        fields.push_back({name, internal::Latin1ToUtf8(each)});
      }
    }
    WriteJson(*this, {{"headers", fields}});
  }
  void Post() { Get(); }
};

struct Large : RequestHandler {
  void Get() { Write(std::string(524288, 'a')); }
};

struct FlushTwice : RequestHandler {
  void Get() {
    Write("o");
    Flush();
    Write("k");
  }
  void Head() {
    Write("ok");
    Flush();
  }
};

int CodeArgument(RequestHandler& handler) {
  int code = 500;
  if (!absl::SimpleAtoi(handler.GetArgument("code", "500"), &code) || code < 100 || code > 999) {
    return 400;
  }
  return code;
}

struct StatusPage : RequestHandler {
  void Get() { throw HttpError(CodeArgument(*this), "", GetArgument("reason", "")); }
};

struct RawReason : RequestHandler {
  void Get() {
    std::string reason;
    for (const auto& [name, value] : request().query_arguments()) {
      if (name == "reason") reason = value;
    }
    throw HttpError(CodeArgument(*this), "", reason);
  }
};

struct Error : RequestHandler {
  void Get() { throw std::runtime_error("the fixture's /error"); }
};

struct NoContent : RequestHandler {
  void Get() {
    SetStatus(204);
    Finish();
  }
};

struct AutomaticEtag : RequestHandler {
  void Get() {
    SetHeader("Content-Language", "en_US");
    Write("hello");
  }
};

struct FixedEtag : RequestHandler {
  void Get(std::string_view tag) {
    SetHeader("Etag", absl::StrCat("\"", ToAbsl(tag), "\""));
    Write("x");
  }
};

struct ContentLengthHigh : RequestHandler {
  void Get() {
    SetHeader("Content-Length", "42");
    Finish("ok");
  }
};

struct ContentLengthLow : RequestHandler {
  void Get() {
    SetHeader("Content-Length", "2");
    Finish("hello");
  }
};

struct HeaderInjection : RequestHandler {
  void Get() {
    const absl::Status set = TrySetHeader("X-Foo", "foo\r\nX-Bar: baz");
    Write(set.ok() ? "accepted" : "rejected");
  }
};

struct MultiHeader : RequestHandler {
  void Get() {
    SetHeader("x-overwrite", "1");
    SetHeader("X-Overwrite", "2");
    AddHeader("x-multi", "3");
    AddHeader("X-Multi", "4");
  }
};

struct RedirectTo : RequestHandler {
  void Get() {
    int status = GetArgument("permanent", "0") == "1" ? 301 : 302;
    if (const auto wanted = GetArgument("status"); wanted.ok()) {
      if (!absl::SimpleAtoi(*wanted, &status)) throw HttpError(400, "status is no number");
    }
    Redirect("/", status);
  }
};

struct Group : RequestHandler {
  void Get(const PathArgs& groups) {
    json path_args = json::array();
    for (const auto& group : groups) path_args.push_back(group.has_value() ? json(*group) : json());
    WriteJson(
        *this,
        {{"path", request().path()}, {"path_args", path_args}, {"args", ArgumentsJson(*this)}});
  }
};

struct OptionalPath : RequestHandler {
  void Get(std::optional<std::string> path) {
    WriteJson(*this, {{"path", path.has_value() ? json(*path) : json()}});
  }
};

struct SetCookies : RequestHandler {
  void Get() {
    SetCookie("str", "asdf");
    SetCookie("equals", "a=b");
    SetCookie("semicolon", "a;b");
    SetCookie("dom", "blah", {.domain = "foo.com", .path = "/foo"});
    SetCookie("sec", "1", {.same_site = SameSite::kLax, .http_only = true, .secure = true});
  }
};

struct ReadCookie : RequestHandler {
  void Get() { Write(GetCookie("foo").value_or("default")); }
};

struct ReadArgument : RequestHandler {
  void Get() { Write(GetArgument("foo", "default")); }
  void Post() { Get(); }
};

struct RequiredArgument : RequestHandler {
  absl::Status Get() {
    ASSIGN_OR_RETURN(const std::string foo, GetArgument("foo"));
    Write(foo);
    return absl::OkStatus();
  }
};

struct ReadArguments : RequestHandler {
  void Get() {
    WriteJson(*this, {{"default", GetArguments("foo")},
                      {"query", GetQueryArguments("foo")},
                      {"body", GetBodyArguments("foo")}});
  }
  void Post() { Get(); }
};

struct Buffered : RequestHandler {
  void Put() { Write(absl::StrCat(request().body().size())); }
};

struct Streaming : RequestHandler {
  void Prepare() {
    uint64_t size = 0;
    if (absl::SimpleAtoi(GetArgument("expected_size", ""), &size)) SetMaxBodySize(size);
    double seconds = 0;
    if (absl::SimpleAtod(GetArgument("body_timeout", ""), &seconds)) {
      SetBodyTimeout(absl::Seconds(seconds));
    }
  }
  void DataReceived(std::string_view data) { bytes += data.size(); }
  void Put() { Write(absl::StrCat(bytes)); }

  size_t bytes = 0;
};

struct StreamSizes : RequestHandler {
  void DataReceived(std::string_view data) { sizes.push_back(data.size()); }
  void Post() { WriteJson(*this, {{"sizes", sizes}}); }

  json sizes = json::array();
};

struct EarlyReturn : RequestHandler {
  void Prepare() { throw HttpError(401); }
  void DataReceived(std::string_view) {}
  void Get() {}
  void Post() {}
  void Put() {}
};

struct Multipart : RequestHandler {
  void Post() {
    json arguments = json::object();
    for (const auto& [name, value] : request().body_arguments()) arguments[name].push_back(value);
    json files = json::object();
    for (const FormFile& file : request().files()) {
      files[file.name].push_back(
          {file.filename, internal::Latin1ToUtf8(file.body), file.content_type});
    }
    WriteJson(*this, {{"args", arguments}, {"files", files}});
  }
};

struct Compressible : RequestHandler {
  void Get() {
    for (const std::string& vary : GetArguments("vary")) AddHeader("Vary", vary);
    Write("hello world");
    Write(std::string(1024, '!'));
  }
};

struct Events : RequestHandler {
  Task<> Get() {
    SetHeader("Content-Type", "text/event-stream");
    for (int i = 1; i <= 3; ++i) {
      Write(absl::StrCat("id: ", i, "\ndata: event ", i, "\n\n"));
      const absl::Status taken = co_await Flush();
      if (!taken.ok()) co_return;
    }
  }
};

struct NoMethods : RequestHandler {};

struct PatchOnly : RequestHandler {
  void Patch() { Write("patch"); }
};

struct RemoveSlash : RequestHandler {
  void Get() {
    if (!RedirectWithoutSlash(*this)) Write("ok");
  }
};

struct AddSlash : RequestHandler {
  void Get() {
    if (!RedirectWithSlash(*this)) Write("ok");
  }
};

struct Xsrf : RequestHandler {
  void Get() { Write(XsrfToken()); }
  void Post() { Write("ok"); }
};

}  // namespace

std::vector<Rule> FixtureRules() {
  return {
      {"/hello", Handler<Hello>()},
      {"/echo", Handler<Echo>()},
      {"//doubleslash", Handler<Echo>()},
      {"/info", Handler<Info>()},
      {"/headers", Handler<Headers>()},
      {"/large", Handler<Large>()},
      {"/flush", Handler<FlushTwice>()},
      {"/status", Handler<StatusPage>()},
      {"/raw_reason", Handler<RawReason>()},
      {"/error", Handler<Error>()},
      {"/s204", Handler<NoContent>()},
      {"/etag", Handler<AutomaticEtag>()},
      {"/etag_fixed/(.*)", Handler<FixedEtag>()},
      {"/cl_high", Handler<ContentLengthHigh>()},
      {"/cl_low", Handler<ContentLengthLow>()},
      {"/header_injection", Handler<HeaderInjection>()},
      {"/multi_header", Handler<MultiHeader>()},
      {"/redirect", Handler<RedirectTo>()},
      {"/group/(.*)", Handler<Group>()},
      {"/slashes/([^/]*)/([^/]*)", Handler<Group>()},
      {"/optional_path/(.+)?", Handler<OptionalPath>()},
      {"/set_cookie", Handler<SetCookies>()},
      {"/get_cookie", Handler<ReadCookie>()},
      {"/get_argument", Handler<ReadArgument>()},
      {"/arg_required", Handler<RequiredArgument>()},
      {"/get_arguments", Handler<ReadArguments>()},
      {"/buffered", Handler<Buffered>()},
      {"/streaming", Handler<Streaming>()},
      {"/stream_sizes", Handler<StreamSizes>()},
      {"/early_return", Handler<EarlyReturn>()},
      {"/multipart", Handler<Multipart>()},
      {"/compressible", Handler<Compressible>()},
      {"/events", Handler<Events>()},
      {"/no_methods", Handler<NoMethods>()},
      {"/patch", Handler<PatchOnly>()},
      {"/removeslash/?", Handler<RemoveSlash>()},
      {"/addslash/?", Handler<AddSlash>()},
      {"/xsrf", Handler<Xsrf>()},
      {"/src", Handler<RedirectHandler>("/dst")},
      {"/src2", Handler<RedirectHandler>("/dst2?foo=bar")},
      {"/swap/(.*?)/(.*?)/(.*)", Handler<RedirectHandler>("/{1}/{0}/{2}")},
  };
}

}  // namespace squall::conformance
