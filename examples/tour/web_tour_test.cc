// docs/web.md: programs, routes, arguments, errors, cookies, logins, tests.
#include <signal.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/status_macros.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/raw_client.h"
#include "squall/process/testing/forked_program.h"
#include "squall/squall.h"
#include "squall/web/authenticated.h"
#include "squall/web/conditional.h"
#include "squall/web/etag.h"
#include "squall/web/html_escape.h"
#include "squall/web/http_error.h"
#include "squall/web/redirect_handler.h"
#include "squall/web/status_to_http.h"

namespace {

using squall::testing::ForkedProgram;
using squall::testing::LineWriter;

struct HelloHandler : squall::RequestHandler {
  void Get() {
    SetHeader("Content-Type", "text/plain; charset=UTF-8");  // else it is HTML
    Write(absl::StrCat("Hello, ", GetArgument("name", "world"), "\n"));
  }
};

void OnAnyPort(squall::ServeOptions& options, LineWriter out) {
  options.listen = {"127.0.0.1:0"};
  options.on_listening = [out](const std::vector<squall::SocketAddress>& addresses) {
    out.Write(absl::StrCat(addresses[0].port()));
  };
}

int HelloMain(LineWriter out) {
  squall::Application app{{"/", squall::Handler<HelloHandler>()}};
  squall::ServeOptions options{.listen = {":8090"}, .workers = 2};
  OnAnyPort(options, out);
  return squall::Serve(app, std::move(options)).value();
}

void ExpectAnswer(ForkedProgram& program, std::string_view target, std::string_view answer) {
  squall::RawClient client(static_cast<uint16_t>(std::stoi(program.ReadLine())));
  client.Send(absl::StrCat("GET ", std::string(target),
                           " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
  EXPECT_EQ(client.ReadResponse().body, answer);
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), squall::ExitStatus::Exited(0));
}

TEST(WebTour, Hello) {
  ForkedProgram program(HelloMain);
  ExpectAnswer(program, "/?name=Ada+Lovelace", "Hello, Ada Lovelace\n");
}

// What the handlers share; in each worker its own.
class Notes {
 public:
  static absl::StatusOr<std::unique_ptr<Notes>> Open() { return std::make_unique<Notes>(); }

  int Add(std::string text) {
    texts_[next_] = std::move(text);
    return next_++;
  }
  absl::StatusOr<std::string> Get(int id) const {
    const auto found = texts_.find(id);
    if (found == texts_.end()) return absl::NotFoundError(absl::StrCat("no note ", id));
    return found->second;
  }
  void Put(int id, std::string text) { texts_[id] = std::move(text); }
  absl::Status Erase(int id) {
    if (texts_.erase(id) == 0) return absl::NotFoundError(absl::StrCat("no note ", id));
    return absl::OkStatus();
  }
  std::string Etag(int id) const {
    const auto found = texts_.find(id);
    return found == texts_.end() ? "" : squall::MakeEtag(found->second);
  }

 private:
  std::map<int, std::string> texts_;
  int next_ = 1;
};

struct NotesHandler : squall::RequestHandler {
  explicit NotesHandler(Notes* notes) : notes(notes) {}

  absl::Status Post() {
    ASSIGN_OR_RETURN(std::string text, GetBodyArgument("text"));  // 400 without it
    const int id = notes->Add(std::move(text));
    ASSIGN_OR_RETURN(const std::string url, application().ReverseUrl("note", id));
    Redirect(url, 303);  // "/notes/7"
    return absl::OkStatus();
  }

  Notes* notes;
};

struct NoteHandler : squall::RequestHandler {
  explicit NoteHandler(Notes* notes) : notes(notes) {}

  absl::Status Get(int id) {  // the group of the pattern; 404 for what no int can hold
    ASSIGN_OR_RETURN(const std::string text, notes->Get(id));  // NotFound: 404
    SetHeader("Content-Type", "text/plain; charset=UTF-8");
    Write(text);
    return absl::OkStatus();
  }

  absl::Status Put(int id) {
    // If-Match of a client that has read the note before: 412 when somebody has changed it since.
    if (squall::AnswerConditionally(*this, {.etag = notes->Etag(id)})) return absl::OkStatus();
    notes->Put(id, request().body());
    SetHeader("Etag", notes->Etag(id));
    SetStatus(204);
    return absl::OkStatus();
  }

  absl::Status Delete(int id) {
    RETURN_IF_ERROR(notes->Erase(id));
    SetStatus(204);
    return absl::OkStatus();
  }

  Notes* notes;
};

struct BlogHandler : squall::RequestHandler {
  void Get() { Write("the blog"); }
};

struct UserHandler : squall::RequestHandler {
  void Get(std::string_view name, std::optional<int> page) {
    SetHeader("Content-Type", "text/plain; charset=UTF-8");
    Write(absl::StrCat(std::string(name), " ", page.value_or(1)));
  }
};

struct TeapotHandler : squall::RequestHandler {
  absl::Status Get() {
    if (GetArgument("how", "") == "thrown") throw squall::HttpError(418, "for the log", "Teapot");
    return squall::HttpStatusError(418, "for the log");
  }
  void WriteError(int status) override {
    SetHeader("Content-Type", "application/problem+json");
    Write(absl::StrCat("{\"status\":", status, "}"));
  }
};

std::vector<squall::Rule> Rules(Notes* notes) {
  return {
      {"/.*", squall::Routes({{"/", squall::Handler<BlogHandler>()}}), {.host = "blog\\..*"}},
      {"/", squall::Handler<HelloHandler>()},
      {"/notes", squall::Handler<NotesHandler>(notes)},
      {"/notes/([0-9]+)", squall::Handler<NoteHandler>(notes), {.name = "note"}},
      squall::Mount("/users", {{"/([^/]+)(?:/([0-9]+))?", squall::Handler<UserHandler>()}}),
      {"/note/(.*)", squall::Handler<squall::RedirectHandler>("/notes/{0}")},
      {"/teapot", squall::Handler<TeapotHandler>()},
  };
}

int NotesMain(LineWriter out) {
  squall::ServeOptions options;
  OnAnyPort(options, out);
  std::unique_ptr<Notes> notes;  // the worker's
  auto make_app = [&notes]() -> absl::StatusOr<std::unique_ptr<squall::Application>> {
    ASSIGN_OR_RETURN(notes, Notes::Open());  // after the fork: connections, threads, caches
    return squall::Application::Create(
        {{"/notes/([0-9]+)", squall::Handler<NoteHandler>(notes.get())}});
  };
  return squall::Serve(make_app, std::move(options)).value();
}

TEST(WebTour, AnApplicationOfEachWorker) {
  ForkedProgram program(NotesMain);
  ExpectAnswer(program, "/notes/1",
               "<html><title>404: Not Found</title><body>404: Not Found</body></html>");
}

TEST(NotesTest, ANoteIsThereUntilItIsDeleted) {
  Notes notes;
  squall::Application app(Rules(&notes));
  squall::HttpServerThread server(app);  // on a free port, in a thread of its own
  squall::RawClient client(server.port());
  client.Send(
      "POST /notes HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n"
      "Content-Type: application/x-www-form-urlencoded\r\n\r\ntext=tea");
  EXPECT_EQ(client.ReadResponse().Field("Location"), "/notes/1");
  client.Send("GET /notes/1 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().body, "tea");
  client.Send("DELETE /notes/1 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().status, 204);
  client.Send("GET /notes/1 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().status, 404);
}

// A site in a thread, and a client.
class Site {
 public:
  explicit Site(std::vector<squall::Rule> rules, squall::Settings settings = {})
      : app_(std::move(rules), std::move(settings)), server_(app_) {}

  squall::RawClient::Response Ask(std::string_view request_line, std::string_view fields = "",
                                  std::string_view body = "") {
    client_.Send(absl::StrCat(
        std::string(request_line), " HTTP/1.1\r\n",
        std::string(fields.find("Host:") == fields.npos ? "Host: a\r\n" : ""), std::string(fields),
        body.empty() ? "" : absl::StrCat("Content-Length: ", body.size(), "\r\n"), "\r\n",
        std::string(body)));
    return client_.ReadResponse(request_line.starts_with("HEAD"));
  }

 private:
  squall::Application app_;
  squall::HttpServerThread server_;
  squall::RawClient client_{server_.port()};
};

TEST(WebTour, Routes) {
  Notes notes;
  Site site(Rules(&notes));
  EXPECT_EQ(site.Ask("GET /").body, "Hello, world\n");
  EXPECT_EQ(site.Ask("GET /", "Host: blog.example:8080\r\n").body, "the blog");
  EXPECT_EQ(site.Ask("GET /users/J%C3%BCrgen").body, "J\xC3\xBCrgen 1");
  EXPECT_EQ(site.Ask("GET /users/a%2Fb/3").body, "a/b 3");
  EXPECT_EQ(site.Ask("GET /note/7?a=b").Field("Location"), "/notes/7?a=b");
  EXPECT_EQ(site.Ask("GET /notes/99999999999").status, 404);
  EXPECT_EQ(site.Ask("GET /notes/").status, 404);
  const squall::RawClient::Response refused = site.Ask("PATCH /notes/1");
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.Field("Allow"), "GET, HEAD, PUT, DELETE");
}

TEST(WebTour, Errors) {
  Notes notes;
  Site site(Rules(&notes));
  EXPECT_EQ(site.Ask("POST /notes").status, 400);
  for (const std::string_view how : {"thrown", "returned"}) {
    const squall::RawClient::Response refused =
        site.Ask(absl::StrCat("GET /teapot?how=", std::string(how)));
    EXPECT_EQ(refused.status, 418);
    EXPECT_EQ(refused.body, "{\"status\":418}");
  }
}

TEST(WebTour, Conditional) {
  Notes notes;
  notes.Add("tea");
  Site site(Rules(&notes));
  const std::string etag = site.Ask("GET /notes/1").Field("Etag");
  const std::string seen = absl::StrCat("If-None-Match: ", etag, "\r\n");
  EXPECT_EQ(site.Ask("GET /notes/1", seen).status, 304);
  const std::string unchanged = absl::StrCat("If-Match: ", etag, "\r\n");
  EXPECT_EQ(site.Ask("PUT /notes/1", unchanged, "coffee").status, 204);
  EXPECT_EQ(site.Ask("PUT /notes/1", unchanged, "water").status, 412);
  EXPECT_EQ(site.Ask("GET /notes/1").body, "coffee");
}

bool PasswordFits(std::string_view name, std::string_view password) {
  return name == "ada" && password == "lovelace";
}

struct BaseHandler : squall::RequestHandler {
  void SetDefaultHeaders() override {  // of error pages, too
    SetHeader("X-Content-Type-Options", "nosniff");
    SetHeader("Content-Security-Policy", "default-src 'self'");
  }
  std::optional<std::string> GetCurrentUser() override { return GetSignedCookie("user"); }
};

struct AccountHandler : BaseHandler {
  void Get() {
    if (!squall::Authenticated(*this)) return;  // to /login?next=/account
    Write(absl::StrCat("<p>You are ", squall::HtmlEscape(*current_user()), ".</p>"));
  }
};

struct LoginHandler : BaseHandler {
  void Get() {
    Write(absl::StrCat("<form method=post>", XsrfFormHtml(),
                       "<input name=name><input name=password type=password>"
                       "<input name=next type=hidden value=\"",
                       squall::HtmlEscape(GetArgument("next", "/")),
                       "\"><button>log in</button></form>"));
  }

  absl::Status Post() {
    ASSIGN_OR_RETURN(const std::string name, GetBodyArgument("name"));
    ASSIGN_OR_RETURN(const std::string password, GetBodyArgument("password", Strip::kNothing));
    if (!PasswordFits(name, password)) return absl::PermissionDeniedError("wrong password");
    SetSignedCookie("user", name,
                    {.max_age = absl::Hours(24 * 7),
                     .same_site = squall::SameSite::kLax,
                     .http_only = true,
                     .secure = true});
    const std::string next = GetBodyArgument("next", "/");
    Redirect(squall::IsLocalUrl(next) ? next : "/", 303);
    return absl::OkStatus();
  }
};

squall::Settings AccountSettings(const std::string& secret) {
  squall::Settings settings;
  settings.cookie_secret = secret;  // 32 random octets, the same in all workers and restarts
  settings.login_url = "/login";
  settings.xsrf_cookies = true;
  settings.xsrf_cookie_options = {.same_site = squall::SameSite::kLax, .secure = true};
  return settings;
}

std::string CookieOf(const squall::RawClient::Response& response) {
  const std::string field = response.Field("Set-Cookie");
  return absl::StrCat("Cookie: ", field.substr(0, field.find(';')));
}

TEST(WebTour, Login) {
  Site site({{"/account", squall::Handler<AccountHandler>()},
             {"/login", squall::Handler<LoginHandler>()}},
            AccountSettings(std::string(32, 's')));
  const squall::RawClient::Response sent_away = site.Ask("GET /account");
  EXPECT_EQ(sent_away.status, 302);
  EXPECT_EQ(sent_away.Field("Location"), "/login?next=%2Faccount");

  const squall::RawClient::Response form = site.Ask("GET /login?next=%2Faccount");
  EXPECT_EQ(form.Field("X-Content-Type-Options"), "nosniff");
  const std::string xsrf_cookie = CookieOf(form);
  const size_t at = form.body.find("name=\"_xsrf\" value=\"") + 20;
  const std::string token = form.body.substr(at, form.body.find('"', at) - at);
  const std::string fields =
      absl::StrCat("Content-Type: application/x-www-form-urlencoded\r\n", xsrf_cookie, "\r\n");
  const std::string credentials = "name=ada&password=lovelace&next=/account";
  EXPECT_EQ(site.Ask("POST /login", fields, credentials).status, 403);  // no token
  const std::string with_token =
      absl::StrCat(credentials, "&_xsrf=", absl::StrReplaceAll(token, {{"|", "%7C"}}));
  const squall::RawClient::Response logged_in = site.Ask("POST /login", fields, with_token);
  EXPECT_EQ(logged_in.status, 303);
  EXPECT_EQ(logged_in.Field("Location"), "/account");
  EXPECT_NE(logged_in.Field("Set-Cookie").find("HttpOnly"), std::string::npos);
  EXPECT_EQ(site.Ask("GET /account", absl::StrCat(CookieOf(logged_in), "\r\n")).body,
            "<p>You are ada.</p>");
}

}  // namespace
