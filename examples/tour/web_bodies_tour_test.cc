// docs/web.md: JSON, uploads, files, answers in pieces, work that blocks, clients that leave, logs.
#include <stdlib.h>

#include <chrono>
#include <fstream>
#include <future>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "squall/base/status_macros.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/multipart_files.h"
#include "squall/httpserver/multipart_parser.h"
#include "squall/httpserver/raw_client.h"
#include "squall/ioloop/with_stop.h"
#include "squall/squall.h"
#include "squall/web/access_log.h"
#include "squall/web/json.h"
#include "squall/web/static_file_handler.h"

namespace {

std::string NewDirectory() {
  std::string path = absl::StrCat(testing::TempDir(), "/tourXXXXXX");
  return ::mkdtemp(path.data()) != nullptr ? path : "";
}

struct OrdersHandler : squall::RequestHandler {
  absl::Status Post() {
    ASSIGN_OR_RETURN(const nlohmann::json order, squall::JsonBody(*this));  // else 415 or 400
    ASSIGN_OR_RETURN(const std::string item, squall::JsonMember<std::string>(order, "item"));
    ASSIGN_OR_RETURN(const auto count, squall::JsonMember<std::optional<int>>(order, "count"));
    SetStatus(201);
    squall::WriteJson(*this, {{"id", 7}, {"item", item}, {"count", count.value_or(1)}});
    return absl::OkStatus();
  }
};

struct AvatarHandler : squall::RequestHandler {
  absl::Status Post() {  // the form was in memory: at most max_body_size
    ASSIGN_OR_RETURN(const std::string name, GetBodyArgument("name"));
    if (request().files().size() != 1) return absl::InvalidArgumentError("one picture, please");
    const squall::FormFile& file = request().files()[0];  // its body is a view of request().body()
    Write(absl::StrCat(name, ": ", file.body.size(), " octets"));
    return absl::OkStatus();
  }
};

struct UploadHandler : squall::RequestHandler {
  explicit UploadHandler(std::string directory)
      : directory(directory), form({.directory = directory}) {}

  absl::Status Prepare() {  // before the first octet of the body
    SetMaxBodySize(10ull << 30);
    SetBodyTimeout(absl::Hours(1));
    ASSIGN_OR_RETURN(parser, squall::MultipartParser::Create(request().headers(), form));
    return absl::OkStatus();
  }

  absl::Status DataReceived(std::string_view data) { return parser->Feed(data); }

  absl::Status Post() {  // behind the last octet
    RETURN_IF_ERROR(parser->Finish());
    int number = 0;
    for (const squall::UploadedFile& file : form.files()) {
      RETURN_IF_ERROR(file.Keep(absl::StrCat(directory, "/", ++number)));  // a name of ours
    }
    Write(absl::StrCat(number, " files"));
    return absl::OkStatus();
  }

  std::string directory;
  squall::MultipartFiles form;
  std::unique_ptr<squall::MultipartParser> parser;
};

struct ReportHandler : squall::RequestHandler {
  squall::Task<> Get() {
    SetHeader("Content-Type", "text/csv");
    for (int line = 1; line <= 100'000; ++line) {
      Write(absl::StrCat(line, ",", line % 97, "\n"));
      if (line % 1000 != 0) continue;
      absl::Status taken = co_await Flush();  // waits while the client does not keep up
      if (!taken.ok()) co_return;             // it is gone
    }
  }
};

bool Draining() {
  const squall::Worker* worker = squall::Worker::Current();  // null without ForkProcesses()
  return worker != nullptr && worker->draining();
}

struct EventsHandler : squall::RequestHandler {
  squall::Task<> Get() {
    SetHeader("Content-Type", "text/event-stream");
    SetHeader("Cache-Control", "no-store");
    SetHeader("X-Accel-Buffering", "no");  // nginx would collect them else
    for (int id = 1; !Draining(); ++id) {  // the browser comes back, to another worker
      Write(absl::StrCat("id: ", id, "\ndata: tick\n\n"));
      absl::Status taken = co_await Flush();
      if (!taken.ok()) co_return;
      co_await squall::Sleep(absl::Milliseconds(100));
    }
  }
};

// Blocks, and may fail.
absl::StatusOr<std::string> Shrink(const std::string& picture) {
  absl::SleepFor(absl::Milliseconds(1));
  if (picture.empty()) return absl::NotFoundError("no such picture");
  return absl::StrCat("small ", picture);
}

struct ThumbnailHandler : squall::RequestHandler {
  squall::Task<absl::Status> Get() {
    auto shrink = [picture = GetArgument("picture", "")] { return Shrink(picture); };
    absl::StatusOr<std::string> small = co_await squall::RunInExecutor(std::move(shrink));
    if (!small.ok()) co_return small.status();
    SetHeader("Content-Type", "image/webp");
    Write(*small);
    co_return absl::OkStatus();
  }
};

std::promise<void> search_began;
std::promise<absl::Status> search_ended;

squall::Task<absl::StatusOr<std::string>> Search() {
  search_began.set_value();
  co_await squall::Sleep(absl::Hours(1));
  co_return "found";
}

struct SearchHandler : squall::RequestHandler {
  squall::Task<absl::Status> Get() {
    absl::StatusOr<std::string> found = co_await squall::WithStop(stop_token(), Search());
    if (!found.ok()) {
      search_ended.set_value(found.status());
      co_return found.status();  // CANCELLED, 499 in the log: nobody is there to read an answer
    }
    Write(*found);
    co_return absl::OkStatus();
  }
};

absl::StatusOr<squall::Settings> Logged(std::string file) {
  squall::Settings settings{.compress_response = true, .trace_requests = true};
  ASSIGN_OR_RETURN(
      settings.log_function,
      squall::MakeAccessLog(
          {.format = squall::AccessLogFormat::kJson, .path = file, .slow = absl::Seconds(1)}));
  return settings;
}

class WebBodiesTour : public testing::Test {
 protected:
  WebBodiesTour() {
    std::ofstream(absl::StrCat(directory_, "/page.txt")) << std::string(5000, 'a');
  }

  squall::RawClient::Response Ask(std::string_view request_line, std::string_view fields = "",
                                  std::string_view body = "") {
    client_.Send(absl::StrCat(std::string(request_line), " HTTP/1.1\r\nHost: a\r\n",
                              std::string(fields), "Content-Length: ", body.size(), "\r\n\r\n",
                              std::string(body)));
    return client_.ReadResponse();
  }
  std::string Log() const {
    std::ifstream log(log_);
    return std::string(std::istreambuf_iterator<char>(log), {});
  }

  const std::string directory_ = NewDirectory();
  const std::string log_ = absl::StrCat(directory_, "/access.log");
  squall::Application app_{
      std::vector<squall::Rule>{
          {"/orders", squall::Handler<OrdersHandler>()},
          {"/avatar", squall::Handler<AvatarHandler>(), {.max_body_size = 5 << 20}},
          {"/upload", squall::Handler<UploadHandler>(directory_)},
          {"/report", squall::Handler<ReportHandler>()},
          {"/events", squall::Handler<EventsHandler>(), {.compress_response = false}},
          {"/thumbnail", squall::Handler<ThumbnailHandler>()},
          {"/search", squall::Handler<SearchHandler>()},
          {"/files/(.*)",
           squall::Handler<squall::StaticFileHandler>(squall::StaticFileOptions{
               .root = directory_, .default_filename = "index.html", .precompressed = true}),
           {.compress_response = false}},
      },
      Logged(log_).value()};
  squall::HttpServerThread server_{app_};
  squall::RawClient client_{server_.port()};
};

constexpr char kJson[] = "Content-Type: application/json\r\n";
constexpr char kForm[] = "Content-Type: multipart/form-data; boundary=b\r\n";

TEST_F(WebBodiesTour, Json) {
  const squall::RawClient::Response made = Ask("POST /orders", kJson, R"({"item": "tea"})");
  EXPECT_EQ(made.status, 201);
  EXPECT_EQ(made.body, R"({"count":1,"id":7,"item":"tea"})");
  for (const char* wrong : {"[1]", R"({"name": "tea"})", R"({"item": 1})"}) {
    EXPECT_EQ(Ask("POST /orders", kJson, wrong).status, 400) << wrong;
  }
  EXPECT_EQ(Ask("POST /orders", kJson, R"({"item": )").status, 400);
  EXPECT_EQ(Ask("POST /orders", "", R"({"item": "tea"})").status, 415);
}

std::string FormWithPicture(size_t size) {
  return absl::StrCat(
      "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nada\r\n"
      "--b\r\nContent-Disposition: form-data; name=\"picture\"; filename=\"../../me.png\"\r\n"
      "Content-Type: image/png\r\n\r\n",
      std::string(size, 'p'), "\r\n--b--\r\n");
}

TEST_F(WebBodiesTour, Uploads) {
  EXPECT_EQ(Ask("POST /avatar", kForm, FormWithPicture(2 << 20)).body, "ada: 2097152 octets");
  EXPECT_EQ(Ask("POST /avatar", kForm, "--b\r\nbroken").status, 400);
  EXPECT_EQ(Ask("POST /upload", kForm, FormWithPicture(2 << 20)).body, "1 files");
  std::ifstream kept(absl::StrCat(directory_, "/1"));
  EXPECT_TRUE(std::string(std::istreambuf_iterator<char>(kept), {}) == std::string(2 << 20, 'p'));
}

TEST_F(WebBodiesTour, Files) {
  const squall::RawClient::Response page = Ask("GET /files/page.txt");
  EXPECT_EQ(page.body, std::string(5000, 'a'));
  EXPECT_EQ(Ask("GET /files/page.txt", "Range: bytes=0-2\r\n").body, "aaa");
  EXPECT_EQ(Ask("GET /files/../../etc/passwd").status, 403);
}

TEST_F(WebBodiesTour, InPieces) {
  const squall::RawClient::Response report = Ask("GET /report");
  EXPECT_EQ(report.Field("Transfer-Encoding"), "chunked");
  EXPECT_EQ(report.body.substr(0, 8), "1,1\n2,2\n");
  EXPECT_EQ(Ask("GET /report", "Accept-Encoding: gzip\r\n").Field("Content-Encoding"), "gzip");
}

TEST_F(WebBodiesTour, Events) {
  client_.Send("GET /events HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
  const std::string head = client_.ReadUntil("\r\n\r\n");
  EXPECT_NE(head.find("Content-Type: text/event-stream\r\n"), std::string::npos) << head;
  ASSERT_EQ(head.find("Content-Encoding"), std::string::npos);
  EXPECT_NE(client_.ReadUntil("id: 3\ndata: tick\n\n").find("id: 1\n"), std::string::npos);
}

TEST_F(WebBodiesTour, WorkThatBlocks) {
  EXPECT_EQ(Ask("GET /thumbnail?picture=me").body, "small me");
  EXPECT_EQ(Ask("GET /thumbnail").status, 404);
}

TEST_F(WebBodiesTour, TheClientLeaves) {
  client_.Send("GET /search HTTP/1.1\r\nHost: a\r\n\r\n");
  squall::RawClient other(server_.port());
  other.Send("GET /orders HTTP/1.1\r\nHost: a\r\n\r\n");
  search_began.get_future().wait();
  EXPECT_EQ(other.ReadResponse().status, 405);  // who waits keeps nobody else waiting
  client_.Reset();
  std::future<absl::Status> ended = search_ended.get_future();
  ASSERT_EQ(ended.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  EXPECT_TRUE(absl::IsCancelled(ended.get()));
}

TEST_F(WebBodiesTour, Logs) {
  const squall::RawClient::Response answer =
      Ask("GET /thumbnail?picture=me", "X-Request-ID: abc-1\r\n");
  EXPECT_EQ(answer.Field("X-Request-ID"), "abc-1");
  Ask("GET /thumbnail");
  const std::string log = Log();
  EXPECT_NE(log.find(R"("uri":"/thumbnail?picture=me","version":"HTTP/1.1","status":200)"),
            std::string::npos)
      << log;
  EXPECT_NE(log.find(R"("request_id":"abc-1")"), std::string::npos) << log;
}

}  // namespace
