// The handler of the article that squall started from: answers with the pid of its worker, and
// blocks that worker as long as the client asks.
//
//   squall::Application app{{"/", squall::Handler<ArticleHandler>()}};
//
//   $ curl 'localhost:8888/?sleep=3'
//   4711
#ifndef SQUALL_EXAMPLES_SERVER_ARTICLE_HANDLER_H_
#define SQUALL_EXAMPLES_SERVER_ARTICLE_HANDLER_H_

#include "absl/status/status.h"
#include "squall/web/request_handler.h"

class ArticleHandler : public squall::RequestHandler {
 public:
  // `sleep` is a number of seconds from 0 to 60; anything else is 400.
  absl::Status Get();

  void WriteError(int status) override;

 private:
  std::string problem_;
};

#endif  // SQUALL_EXAMPLES_SERVER_ARTICLE_HANDLER_H_
