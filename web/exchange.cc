#include "squall/web/exchange.h"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/form.h"
#include "squall/httpserver/http_delegate.h"
#include "squall/httpserver/request_head.h"
#include "squall/ioloop/ioloop.h"
#include "squall/web/access_log.h"
#include "squall/web/application.h"
#include "squall/web/http_error.h"
#include "squall/web/settings.h"
#include "squall/web/status_to_http.h"

namespace squall::internal {

namespace {

const VerbEntry* FindVerb(const HandlerClass& handler_class, std::string_view method) {
  const std::optional<Verb> verb = VerbFromMethod(method);
  if (!verb.has_value()) return nullptr;
  const VerbEntry& entry = handler_class.verbs[static_cast<size_t>(*verb)];
  return entry.run != nullptr ? &entry : nullptr;
}

// nginx's numbers; nobody receives them.
constexpr int kClientLeft = 499;
constexpr int kClosedByServer = 444;
constexpr uint64_t kMostDiscarded = 64 << 10;

}  // namespace

Exchange::Exchange(const Application& application, HttpConnection& connection,
                   RouteTable::Match&& match)
    : application_(application),
      connection_(connection),
      match_(std::move(match)),
      class_(&match_.route->handler->handler_class()),
      verb_(FindVerb(*class_, connection.head().method())) {}

Exchange::~Exchange() {
  if (!handler_) return;
  if (!handler_->finished_) handler_->MarkClosed();
  // Nobody but a coroutine can look at the handler after this.
  if (awaiting_) handler_->request_->Detach();
  handler_->connection_ = nullptr;
  handler_->host_ = nullptr;
}

bool Exchange::over() const { return handler_->finished_ || handler_->closed_; }

void Exchange::HeadersReceived() {
  const HandlerSpec& spec = *match_.route->handler;
  const RuleOptions& options = match_.route->options;
  if (class_->data_received != nullptr) connection_.SetBodyIsStreamed();
  if (options.max_body_size.has_value()) connection_.SetMaxBodySize(*options.max_body_size);
  if (options.body_timeout.has_value()) connection_.SetBodyTimeout(*options.body_timeout);
  try {
    handler_ = HandlerRef(spec.factory().Make().release());
  } catch (...) {
    // The connection answers 500, and no handler is there to say so.
    if (const auto& log = application_.settings().log_function; log && options.log) {
      log({.status = 500,
           .method = connection_.head().method(),
           .uri = connection_.head().target(),
           .remote_ip = connection_.remote_ip(),
           .version = connection_.head().version(),
           .headers = &connection_.head().headers()});
    }
    throw;
  }
  handler_->application_ = &application_;
  handler_->settings_ = &application_.settings();
  handler_->route_ = match_.route;
  handler_->host_ = this;
  handler_->connection_ = &connection_;
  handler_->request_.emplace(connection_);
  try {
    handler_->Clear();
    spec.factory().Initialize(*handler_);
  } catch (...) {
    HandleCurrentException(*handler_);
  }
  if (over()) return;
  if (class_->data_received != nullptr) return Start();
  const RequestHead& head = connection_.head();
  if (head.framing() == BodyFraming::kNone || !HeadDecides()) return;
  // The connection is kept by reading a small body; behind a larger one, and one that is not to be
  // sent at all, it closes.
  discards_body_ = true;
  if (head.expect_continue() || head.content_length() > kMostDiscarded) Start();
}

bool Exchange::HeadDecides() const {
  if (class_->ignores_body) return true;
  if (class_->any_method) return false;
  return verb_ == nullptr || !DecodeGroups(match_.groups).ok() || XsrfTokenIsMissing();
}

bool Exchange::HasOwnHead() const {
  const auto run = [this](Verb verb) { return class_->verbs[static_cast<size_t>(verb)].run; };
  return run(Verb::kHead) != run(Verb::kGet);
}

bool Exchange::WantsXsrfToken() const {
  const std::string_view method = connection_.head().method();
  return match_.route->options.xsrf_cookies.value_or(application_.settings().xsrf_cookies) &&
         method != "GET" && method != "HEAD" && method != "OPTIONS";
}

bool Exchange::XsrfTokenIsMissing() const {
  if (!WantsXsrfToken() || class_->own_xsrf_check) return false;
  RequestHandler& handler = *handler_;
  if (!class_->raw_body && HasFormBody(connection_.head().headers()) &&
      handler.GetCookie(application_.settings().xsrf_cookie_name).has_value()) {
    return false;
  }
  try {
    return !handler.CheckXsrfCookie();
  } catch (...) {
    return false;  // CheckRequest() will meet it, and knows what to do
  }
}

void Exchange::DataReceived(std::string_view data) {
  if (over()) return;
  if (discards_body_) {
    discarded_ += data.size();
    if (discarded_ > kMostDiscarded && !started_) Start();
  } else if (class_->data_received == nullptr) {
    handler_->request_->body_.append(data);
  } else if (awaiting_) {
    waiting_data_.append(data);
  } else {
    Deliver(data);
  }
}

void Exchange::Finish() {
  body_complete_ = true;
  if (over()) return;
  if (class_->data_received == nullptr) {
    if (!started_) Start();
  } else if (!awaiting_) {
    RunVerb();
  }
}

void Exchange::OnConnectionClose() {
  if (!handler_ || over()) return;
  const int refused = connection_.refused_status();
  const int status = refused != 0                     ? refused
                     : handler_->head_written_        ? handler_->status()
                     : connection_.closed_by_server() ? kClosedByServer
                                                      : kClientLeft;
  handler_->closed_ = true;
  handler_->request_->Detach();
  handler_->connection_ = nullptr;
  try {
    handler_->OnConnectionClose();
  } catch (const std::exception& error) {
    LOG(ERROR) << "exception in OnConnectionClose(): " << error.what();
  } catch (...) {
    LOG(ERROR) << "unknown exception in OnConnectionClose()";
  }
  handler_->MarkClosed();
  Log(status);
}

void Exchange::Start() {
  started_ = true;
  if (!CheckRequest()) return;
  if (class_->prepare == nullptr) {
    After(Step::kPrepare);
  } else {
    Perform(Step::kPrepare, [this] { return class_->prepare(*handler_); });
  }
}

// Tornado's order: method, body, path, XSRF.
bool Exchange::CheckRequest() {
  RequestHandler& handler = *handler_;
  if (class_->any_method) return true;
  if (verb_ == nullptr) {
    handler.SendError(405);
    return false;
  }
  if (!class_->raw_body) {
    const absl::Status status = handler.request_->ParseBody(application_.settings().form_limits);
    if (!status.ok()) {
      HandleStatus(handler, status);
      return false;
    }
  }
  if (!match_.groups.empty()) {
    absl::StatusOr<PathArgs> args = DecodeGroups(match_.groups);
    if (!args.ok()) {
      HandleStatus(handler, args.status());
      return false;
    }
    handler.path_args_ = *std::move(args);
  }
  if (WantsXsrfToken()) {
    bool good = false;
    try {
      good = handler.CheckXsrfCookie();
    } catch (...) {
      HandleCurrentException(handler);
      return false;
    }
    if (!good) {
      handler.HandleError({.status = 403,
                           .message = "XSRF token missing or not matching the cookie",
                           .expected = true});
      return false;
    }
  }
  return !over();
}

void Exchange::RunVerb() {
  if (verb_ == nullptr) {
    // Only any_method gets here, and its Prepare() was to answer.
    handler_->SendError(405);
    return;
  }
  Perform(Step::kVerb, [this] { return verb_->run(*handler_, handler_->path_args_); });
}

void Exchange::Deliver(std::string_view data) {
  Perform(Step::kData, [&] { return class_->data_received(*handler_, data); });
}

template <class Call>
void Exchange::Perform(Step step, Call&& call) {
  Outcome outcome;
  try {
    outcome = call();
  } catch (...) {
    HandleCurrentException(*handler_);
  }
  Take(step, std::move(outcome));
}

void Exchange::Take(Step step, Outcome outcome) {
  if (std::holds_alternative<std::monostate>(outcome)) {
    After(step);
  } else if (const auto* status = std::get_if<absl::Status>(&outcome)) {
    HandleStatus(*handler_, *status);
    After(step);
  } else {
    awaiting_ = true;
    if (!body_complete_ && handler_->connection_ != nullptr) connection_.PauseReading();
    IOLoop::Current().Spawn(Await(handler_, step, std::move(outcome)));
  }
}

Task<> Exchange::Await(HandlerRef handler, Step step, Outcome outcome) {
  try {
    if (auto* plain = std::get_if<Task<>>(&outcome)) {
      co_await std::move(*plain);
    } else {
      const absl::Status status = co_await std::get<Task<absl::Status>>(std::move(outcome));
      HandleStatus(*handler, status);
    }
  } catch (...) {
    HandleCurrentException(*handler);
  }
  if (auto* const exchange = static_cast<Exchange*>(handler->host_); exchange != nullptr) {
    exchange->awaiting_ = false;
    exchange->After(step);
  }
}

void Exchange::After(Step step) {
  if (over()) return;
  if (step == Step::kVerb) {
    handler_->Finish();
    return;
  }
  if (class_->data_received != nullptr) {
    if (!waiting_data_.empty()) {
      const std::string data = std::exchange(waiting_data_, {});
      Deliver(data);
      return;
    }
    if (!body_complete_) {
      connection_.ResumeReading();
      return;
    }
  }
  RunVerb();
}

void Exchange::Log(int status) const {
  const auto& log = application_.settings().log_function;
  if (!log || !match_.route->options.log) return;
  const HttpRequest& request = handler_->request();
  AccessLogEntry entry = {
      .status = status,
      .method = request.method(),
      .uri = request.uri(),
      .remote_ip = request.remote_ip(),
      .request_time = request.request_time(),
      .version = request.version(),
      .body_bytes = request.method() == "HEAD" ? 0 : connection_.body_bytes_written(),
      .headers = &request.headers()};
  if (handler_->current_user_.has_value() && handler_->current_user_->has_value()) {
    entry.user = **handler_->current_user_;
  }
  if (application_.settings().trace_requests) {
    entry.request_id = request.id();
    entry.trace_id = request.trace().trace_id;
    entry.span_id = request.trace().span_id;
  }
  log(entry);
}

void Exchange::AnswerSettled() {
  RequestHandler& handler = *handler_;
  Log(handler.status());
  handler.connection_ = nullptr;
  if (awaiting_) handler.request_->Detach();
  try {
    handler.OnFinish();
  } catch (const std::exception& error) {
    LOG(ERROR) << "exception in OnFinish(): " << error.what();
  } catch (...) {
    LOG(ERROR) << "unknown exception in OnFinish()";
  }
}

void Exchange::HandleStatus(RequestHandler& handler, const absl::Status& status) {
  if (status.ok()) return;
  const int http_status = HttpStatusFromStatus(status);
  handler.HandleError({.status = http_status,
                       .message = status.ToString(absl::StatusToStringMode::kWithNoExtraData),
                       .reason = {},
                       .expected = http_status < 500});
}

void Exchange::HandleCurrentException(RequestHandler& handler) {
  try {
    throw;
  } catch (const FinishRequest&) {
    if (!handler.finished_ && !handler.closed_) handler.Finish();
  } catch (const HttpError& error) {
    handler.HandleError({.status = error.status(),
                         .message = error.log_message(),
                         .reason = error.reason(),
                         .expected = true});
  } catch (const std::exception& error) {
    handler.HandleError({.status = 500, .message = absl::StrCat("exception: ", error.what())});
  } catch (...) {
    handler.HandleError({.status = 500, .message = "exception of unknown type"});
  }
}

}  // namespace squall::internal
