// A delegate for tests: what a path does is a set of functions, and what happened is counted.
//
//   squall::TestApp app;
//   app.Route("/hello", {.finish = [](squall::TestApp::Exchange& e) { e.Answer("Hello world"); }});
//
// An Exchange stays alive as long as somebody holds its shared_ptr, so a test can answer later.
// For tests alone. Routes are set before the server starts; the rest is the loop's thread's, but
// the counters.
#ifndef SQUALL_HTTPSERVER_TEST_APP_H_
#define SQUALL_HTTPSERVER_TEST_APP_H_

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "squall/httpserver/http_delegate.h"

namespace squall {

class TestApp : public HttpServerConnectionDelegate {
 public:
  struct Exchange {
    HttpConnection* connection = nullptr;  // null once it must not be used
    std::string body;
    std::vector<size_t> sizes;  // of each DataReceived()
    std::shared_ptr<Exchange> self;
    std::string path;

    // The whole answer, status 200.
    absl::Status Answer(std::string_view text) {
      ResponseHead head;
      head.headers.Set("Content-Type", "text/plain");
      HttpConnection* const to = std::exchange(connection, nullptr);
      return to->FinishWith(head, text);
    }
  };

  struct Behaviour {
    std::function<void(Exchange&)> headers = {};
    std::function<void(Exchange&, std::string_view)> data = {};
    std::function<void(Exchange&)> finish = {};
    std::function<void(Exchange&)> close = {};
  };

  TestApp() {
    Route("/hello", {.finish = [](Exchange& e) {
            const std::string_view method = e.connection->head().method();
            if (method == "POST" || method == "PUT") {
              e.Answer("Got " + std::to_string(e.body.size()) + " bytes in " + std::string(method))
                  .IgnoreError();
            } else {
              e.Answer("Hello world").IgnoreError();
            }
          }});
  }

  void Route(const std::string& path, Behaviour behaviour) { routes_[path] = std::move(behaviour); }

  std::unique_ptr<HttpMessageDelegate> StartRequest(HttpConnection& connection) override {
    ++started;
    return std::make_unique<Message>(*this, connection);
  }

  std::atomic<int> started{0};
  std::atomic<int> finished{0};
  std::atomic<int> closed{0};
  std::atomic<int> destroyed{0};

 private:
  class Message : public HttpMessageDelegate {
   public:
    Message(TestApp& app, HttpConnection& connection)
        : app_(app), exchange_(std::make_shared<Exchange>()) {
      exchange_->connection = &connection;
      exchange_->path = std::string(connection.head().path());
      const auto route = app_.routes_.find(exchange_->path);
      if (route != app_.routes_.end()) behaviour_ = &route->second;
      exchange_->self = exchange_;
    }
    ~Message() override {
      exchange_->self.reset();
      ++app_.destroyed;
    }

    void HeadersReceived() override {
      if (behaviour_ != nullptr && behaviour_->headers) behaviour_->headers(*exchange_);
    }
    void DataReceived(std::string_view data) override {
      exchange_->sizes.push_back(data.size());
      exchange_->body.append(data);
      if (behaviour_ != nullptr && behaviour_->data) behaviour_->data(*exchange_, data);
    }
    void Finish() override {
      ++app_.finished;
      if (behaviour_ == nullptr) {
        ResponseHead head;
        head.status = 404;
        std::exchange(exchange_->connection, nullptr)->FinishWith(head, "").IgnoreError();
      } else if (behaviour_->finish) {
        behaviour_->finish(*exchange_);
      }
    }
    void OnConnectionClose() override {
      ++app_.closed;
      exchange_->connection = nullptr;
      if (behaviour_ != nullptr && behaviour_->close) behaviour_->close(*exchange_);
    }

   private:
    TestApp& app_;
    const Behaviour* behaviour_ = nullptr;
    std::shared_ptr<Exchange> exchange_;
  };

  std::map<std::string, Behaviour> routes_;
};

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_TEST_APP_H_
