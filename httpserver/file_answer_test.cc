// FinishWithFile: files as answers, by sendfile and where the transport has to see the octets.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/base/unique_fd.h"
#include "squall/httpserver/file_range.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/raw_client.h"
#include "squall/httpserver/test_app.h"
#include "squall/ioloop/transport.h"
#include "squall/ioloop/transport_factory.h"

namespace squall {
namespace {

using testing::Contains;
using testing::HasSubstr;

// A plain socket that the kernel must not write to by itself, as under TLS.
class SeeingTransport : public Transport {
 public:
  explicit SeeingTransport(UniqueFd socket) : plain_(MakePlainTransport(std::move(socket))) {}
  int fd() const override { return plain_->fd(); }
  ssize_t Read(char* data, size_t size) override { return plain_->Read(data, size); }
  ssize_t Write(const iovec* buffers, int count) override { return plain_->Write(buffers, count); }
  int ShutdownWrite() override { return plain_->ShutdownWrite(); }

 private:
  std::unique_ptr<Transport> plain_;
};

class SeeingFactory : public TransportFactory {
 public:
  std::unique_ptr<Transport> MakeTransport(UniqueFd socket) override {
    return std::make_unique<SeeingTransport>(std::move(socket));
  }
};

// Whether the kernel sends the file.
class FileAnswerTest : public testing::TestWithParam<bool> {
 protected:
  FileAnswerTest() {
    app_.Route("/file", {.finish = [this](TestApp::Exchange& e) { AnswerWithFile(e); }});
    options_.answer_half_closed = true;
    if (!GetParam()) options_.transport = std::make_shared<SeeingFactory>();
  }

  // A file of `size` octets, no two blocks of which are the same.
  void MakeFile(size_t size) {
    text_.clear();
    while (text_.size() < size) absl::StrAppend(&text_, text_.size(), " ");
    text_.resize(size);
    std::string path = absl::StrCat(std::getenv("TEST_TMPDIR"), "/file.XXXXXX");
    file_ = std::make_shared<const UniqueFd>(::mkstemp(path.data()));
    ASSERT_TRUE(file_->valid());
    ::unlink(path.c_str());
    ASSERT_EQ(::write(file_->get(), text_.data(), text_.size()),
              static_cast<ssize_t>(text_.size()));
    part_ = {file_, 0, text_.size()};
  }

  void AnswerWithFile(TestApp::Exchange& e) {
    ResponseHead head;
    head.headers.Set("Content-Type", "application/octet-stream");
    status_ = std::exchange(e.connection, nullptr)->FinishWithFile(head, part_);
    most_owners_ = std::max(most_owners_, file_.use_count());
    ++answered_;
  }

  template <typename Condition>
  void Await(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  TestApp app_;
  HttpServerOptions options_;
  std::string text_;
  std::shared_ptr<const UniqueFd> file_;
  FileRange part_;
  absl::Status status_;
  std::atomic<int> answered_{0};
  long most_owners_ = 0;
};

INSTANTIATE_TEST_SUITE_P(, FileAnswerTest, testing::Bool(), [](const auto& info) {
  return info.param ? std::string("Sendfile") : std::string("Read");
});

constexpr std::string_view kGet = "GET /file HTTP/1.1\r\nHost: a\r\n\r\n";

TEST_P(FileAnswerTest, SendsTheWholeOfSmallAndLargeFiles) {
  HttpServerThread server(app_, options_);
  RawClient client(server.port());
  for (const size_t size : {1, 100, 16 << 10, 100 << 10, 5 << 20}) {
    server.Run([&] { MakeFile(size); });
    client.Send(kGet);
    const RawClient::Response response = client.ReadResponse();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.Field("Content-Length"), absl::StrCat(size));
    EXPECT_TRUE(response.body == text_) << size;
    EXPECT_TRUE(status_.ok()) << status_;
  }
}

TEST_P(FileAnswerTest, SendsAPartAndLeavesTheOffsetOfTheFile) {
  MakeFile(1 << 20);
  const off_t offset = ::lseek(file_->get(), 77, SEEK_SET);
  part_.offset = 1000;
  part_.size = 600'000;
  HttpServerThread server(app_, options_);
  RawClient client(server.port());
  client.Send(kGet);
  EXPECT_TRUE(client.ReadResponse().body == text_.substr(1000, 600'000));
  EXPECT_EQ(::lseek(file_->get(), 0, SEEK_CUR), offset);
}

TEST_P(FileAnswerTest, KeepsTheOrderOfPipelinedAnswers) {
  MakeFile(700'000);
  HttpServerThread server(app_, options_);
  RawClient client(server.port(), {.receive_buffer = 4096});
  std::string requests;
  for (int i = 0; i < 3; ++i) {
    absl::StrAppend(&requests, std::string(kGet), "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  client.Send(requests);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(client.ReadResponse().body == text_) << i;
    EXPECT_EQ(client.ReadResponse().body, "Hello world") << i;
  }
}

TEST_P(FileAnswerTest, SmallFilesInABurstComeInOrder) {
  MakeFile(300);
  HttpServerThread server(app_, options_);
  RawClient client(server.port());
  std::string requests;
  for (int i = 0; i < 50; ++i) {
    absl::StrAppend(&requests, std::string(kGet), "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  client.Send(requests);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(client.ReadResponse().body, text_) << i;
    EXPECT_EQ(client.ReadResponse().body, "Hello world") << i;
  }
}

TEST_P(FileAnswerTest, HeadSendsNothingOfIt) {
  MakeFile(5000);
  HttpServerThread server(app_, options_);
  RawClient client(server.port());
  client.Send("HEAD /file HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.ReadResponse(/*to_head=*/true).Field("Content-Length"), "5000");
  EXPECT_EQ(client.ReadResponse().body, "Hello world");
}

TEST_P(FileAnswerTest, SaysTheEndOfTheConnectionBehindIt) {
  MakeFile(2 << 20);
  HttpServerThread server(app_, options_);
  RawClient client(server.port());
  client.Send("GET /file HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  client.ShutdownWrite();
  EXPECT_TRUE(client.ReadResponse().body == text_);
  EXPECT_TRUE(client.AtEnd());
}

TEST_P(FileAnswerTest, AFileThatWasCutShortEndsTheConnection) {
  MakeFile(3 << 20);
  LogCapture log;
  HttpServerThread server(app_, options_);
  RawClient client(server.port(), {.receive_buffer = 4096});
  // More than the sockets of both sides hold is announced than there is.
  part_.size = 8 << 20;
  client.Send(kGet);
  const RawClient::Response response = client.ReadResponse();
  EXPECT_EQ(response.Field("Content-Length"), absl::StrCat(8 << 20));
  EXPECT_TRUE(response.truncated);
  EXPECT_TRUE(response.body == text_);
  EXPECT_THAT(log.messages(), Contains(HasSubstr("cut short")));
  // Nobody else's.
  RawClient other(server.port());
  other.Send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(other.ReadResponse().body, "Hello world");
}

TEST_P(FileAnswerTest, LetsGoOfTheFileOfAClientThatLeaves) {
  MakeFile(64 << 20);
  HttpServerThread server(app_, options_);
  RawClient client(server.port(), {.receive_buffer = 4096});
  client.Send(kGet);
  Await([&] { return answered_ == 1; });
  server.Run([&] { EXPECT_GT(file_.use_count(), 2); });
  client.Reset();
  long owners = 0;
  Await([&] {
    server.Run([&] { owners = file_.use_count(); });
    return owners == 2;  // file_ and part_
  });
}

TEST_P(FileAnswerTest, AClientThatDoesNotReadKeepsNobodyWaiting) {
  MakeFile(64 << 20);
  options_.write_timeout = absl::Milliseconds(200);
  LogCapture log;
  HttpServerThread server(app_, options_);
  RawClient client(server.port(), {.receive_buffer = 4096});
  client.Send(kGet);
  Await([&] { return answered_ == 1; });
  RawClient other(server.port());
  other.Send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(other.ReadResponse().body, "Hello world");
  Await([&] {
    long owners = 0;
    server.Run([&] { owners = file_.use_count(); });
    return owners == 2;
  });
  EXPECT_THAT(log.messages(), Contains(HasSubstr("does not read its answer")));
}

TEST_P(FileAnswerTest, SmallFilesThatWaitForAClientAreNotHeldOpen) {
  MakeFile(12'000);
  options_.write_timeout = absl::Milliseconds(200);
  HttpServerThread server(app_, options_);
  RawClient client(server.port(), {.receive_buffer = 4096});
  std::string requests;
  for (int i = 0; i < 2000; ++i) requests.append(kGet);
  client.Send(requests);
  LogCapture log;
  Await([&] {
    bool gone = false;
    server.Run(
        [&] { gone = testing::Matches(Contains(HasSubstr("does not read")))(log.messages()); });
    return gone;
  });
  EXPECT_GT(answered_, 50);
  EXPECT_LE(most_owners_, 4);
}

TEST_P(FileAnswerTest, WhatAHandlerWritesBehindAFileIsBounded) {
  MakeFile(32 << 20);
  absl::Status status;
  std::atomic<int> written{0};
  app_.Route("/stream", {.finish = [&](TestApp::Exchange& e) {
               HttpConnection* const to = std::exchange(e.connection, nullptr);
               status = to->WriteHead(ResponseHead(), "");
               for (int i = 0; i < 1000 && status.ok(); ++i) {
                 status = to->Write(std::string(64 << 10, 'x'));
                 ++written;
               }
               if (status.ok()) to->Finish().IgnoreError();
             }});
  // The second request is served beside the file, which waits but is not in memory.
  options_.write_high_mark = options_.max_write_buffer_size = 33 << 20;
  HttpServerThread server(app_, options_);
  RawClient client(server.port(), {.receive_buffer = 4096});
  client.Send(std::string(kGet) + "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  Await([&] { return written > 10; });
  server.Run([] {});
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_LT(written, 540);
}

TEST_P(FileAnswerTest, ASmallFileThatIsShorterIsAnErrorWithNothingWritten) {
  MakeFile(100);
  app_.Route("/short", {.finish = [&](TestApp::Exchange& e) {
               status_ = e.connection->FinishWithFile(ResponseHead(),
                                                      {.file = file_, .offset = 50, .size = 51});
               e.Answer("another").IgnoreError();
             }});
  HttpServerThread server(app_, options_);
  RawClient client(server.port());
  client.Send("GET /short HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().body, "another");
  EXPECT_TRUE(absl::IsInternal(status_)) << status_;
}

TEST_P(FileAnswerTest, RefusesWhatItCannotSend) {
  MakeFile(10);
  app_.Route("/bad", {.finish = [&](TestApp::Exchange& e) {
               ResponseHead head;
               status_ = e.connection->FinishWithFile(head, {.file = nullptr, .size = 5});
               e.Answer("another").IgnoreError();
             }});
  HttpServerThread server(app_, options_);
  RawClient client(server.port());
  client.Send("GET /bad HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().body, "another");
  EXPECT_TRUE(absl::IsInvalidArgument(status_)) << status_;
}

}  // namespace
}  // namespace squall
