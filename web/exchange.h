// Internal: runs one handler through its life for one request. It is what Application gives to the
// HTTP engine; the connection owns it.
//
// The handler may outlive it: a coroutine of the handler keeps the handler alive (HandlerRef) when
// the connection goes first. From then on the handler has no exchange, and what it writes is
// dropped.
#ifndef SQUALL_WEB_EXCHANGE_H_
#define SQUALL_WEB_EXCHANGE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "squall/httpserver/http_delegate.h"
#include "squall/ioloop/frame_cache.h"
#include "squall/ioloop/task.h"
#include "squall/web/access_log.h"
#include "squall/web/handler_class.h"
#include "squall/web/handler_ref.h"
#include "squall/web/request_handler.h"
#include "squall/web/route_table.h"

namespace squall {

class Application;

namespace internal {

class Exchange final : public HttpMessageDelegate, public CachedFrame, private HandlerHost {
 public:
  // `application`, `connection` and the route are not owned. The route has a handler.
  Exchange(const Application& application, HttpConnection& connection, RouteTable::Match&& match);
  ~Exchange() override;

  void HeadersReceived() override;
  void DataReceived(std::string_view data) override;
  void Finish() override;
  void OnConnectionClose() override;

 private:
  void AnswerSettled() override;
  std::string AllowedMethods() const override { return internal::AllowedMethods(*class_); }
  bool HasOwnHead() const override;

  // What runs after the present step of the handler.
  enum class Step : uint8_t { kPrepare, kData, kVerb };

  void Start();
  // Whether the answer is known without the body: a missing verb, a bad path, no chance for a token
  // against forgery, or nobody looks at it.
  bool HeadDecides() const;
  bool WantsXsrfToken() const;
  // No body can bring what is missing.
  bool XsrfTokenIsMissing() const;
  bool CheckRequest();
  void RunVerb();
  void Deliver(std::string_view data);
  // Awaits or takes the outcome of a step, then goes on with After().
  template <class Call>
  void Perform(Step step, Call&& call);
  void Take(Step step, Outcome outcome);
  void After(Step step);
  // Tells the access log, if there is one and the route wants it.
  void Log(int status) const;
  // True when nothing more is to run: answered, or the client is gone.
  bool over() const;

  static Task<> Await(HandlerRef handler, Step step, Outcome outcome);
  static void HandleStatus(RequestHandler& handler, const absl::Status& status);
  static void HandleCurrentException(RequestHandler& handler);

  const Application& application_;
  HttpConnection& connection_;  // use handler_->connection_, which knows when it is gone
  HandlerRef handler_;
  const RouteTable::Match match_;
  const HandlerClass* const class_;
  const VerbEntry* const verb_;  // null: the class has none for this method
  std::string waiting_data_;     // came while a step was awaited
  bool awaiting_ = false;
  bool body_complete_ = false;
  bool started_ = false;
  bool discards_body_ = false;
  uint64_t discarded_ = 0;
};

}  // namespace internal
}  // namespace squall

#endif  // SQUALL_WEB_EXCHANGE_H_
