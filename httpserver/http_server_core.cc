#include "squall/httpserver/http_server_core.h"

#include <algorithm>
#include <utility>

#include "squall/base/logging.h"
#include "squall/httpserver/http1_connection.h"
#include "squall/httpserver/http_date.h"
#include "squall/ioloop/transport.h"
#include "squall/ioloop/transport_factory.h"

namespace squall::internal {
namespace {

// What is kept for the next busy connection. More of them at the same time get their own and free
// it.
constexpr size_t kMaxPooled = 64;
constexpr size_t kMaxPooledOutput = 64 * 1024;

Http1Limits LimitsOf(const HttpServerOptions& options) {
  Http1Limits limits;
  limits.max_header_size = options.max_header_size;
  limits.max_request_line = std::min(options.max_request_line, options.max_header_size);
  limits.max_header_fields = options.max_header_fields;
  limits.max_body_size = options.max_body_size;
  limits.max_method_size = options.max_method_size;
  limits.max_chunk_line = options.max_chunk_line;
  limits.max_chunk_extensions = options.max_chunk_extensions;
  limits.max_chunk_overhead = options.max_chunk_overhead;
  limits.max_trailer_size = options.max_trailer_size;
  return limits;
}

}  // namespace

HttpServerCore::HttpServerCore(HttpServerConnectionDelegate& app, HttpServerOptions options)
    : app_(app),
      options_(std::move(options)),
      limits_(LimitsOf(options_)),
      read_buffer_(new char[kReadBufferSize]),
      self_(std::make_shared<HttpServerCore*>(this)) {
  // What a connection gives back when it ends must not need memory.
  parsers_.reserve(kMaxPooled);
  outputs_.reserve(kMaxPooled);
  // HttpServer has looked at the options.
  std::vector<std::string> peers = options_.trusted_downstream;
  trusted_ = TrustedNetworks::Parse(peers).value();
  for (const char* local : {"127.0.0.0/8", "::1", "unix:"}) peers.emplace_back(local);
  trusted_peers_ = TrustedNetworks::Parse(peers).value();
}

HttpServerCore::~HttpServerCore() {
  CloseAll();
  CHECK(connections_.empty()) << "an HttpServer was destroyed in a callback of its own connection";
  *self_ = nullptr;
}

bool HttpServerCore::BelievesFieldsOf(const SocketAddress& peer) {
  if (trusted_peers_.Contains(peer)) return true;
  if (!std::exchange(told_of_disbelief_, true)) {
    LOG(WARNING) << "xheaders: what " << peer
                 << " says about its clients is not believed; if it is "
                 << "a proxy of yours, name it in trusted_downstream";
  }
  return false;
}

IOLoop& HttpServerCore::loop() {
  if (loop_ == nullptr) loop_ = &IOLoop::Current();
  return *loop_;
}

void HttpServerCore::Accept(UniqueFd fd, SocketAddress peer) {
  // Before it is served, so that its answer can say that it is the last one.
  if (OverCapacity(1)) MakeRoom(1);
  std::unique_ptr<Transport> transport = options_.transport != nullptr
                                             ? options_.transport->MakeTransport(std::move(fd))
                                             : MakePlainTransport(std::move(fd));
  const auto position = connections_.insert(
      connections_.end(), std::make_unique<Http1Connection>(*this, std::move(transport), peer));
  stats_.ConnectionOpened();
  (*position)->Start(position);
}

void HttpServerCore::SetExpected(size_t connections) {
  expected_ = connections;
  if (OverCapacity(0)) {
    MakeRoom(0);
  } else if (full_) {
    SetFull(false);
  }
  MaybeFinishDrain();
}

void HttpServerCore::Remove(ConnectionList::iterator position) {
  Http1Connection* const connection = position->get();
  if (connection->posted()) std::replace(posted_.begin(), posted_.end(), connection, {});
  if (hand_ == position) ++hand_;
  connections_.erase(position);
  if (full_ && !OverCapacity(0)) SetFull(false);
  MaybeFinishDrain();
}

void HttpServerCore::CloseAll() {
  for (auto next = connections_.begin(); next != connections_.end();) {
    Http1Connection& connection = **next++;  // it removes itself
    connection.Abort();
  }
}

char* HttpServerCore::inflate_buffer() {
  if (inflate_buffer_ == nullptr) inflate_buffer_.reset(new char[options_.chunk_size]);
  return inflate_buffer_.get();
}

std::unique_ptr<Http1Parser> HttpServerCore::TakeParser() {
  if (parsers_.empty()) return std::make_unique<Http1Parser>(limits_);
  std::unique_ptr<Http1Parser> parser = std::move(parsers_.back());
  parsers_.pop_back();
  return parser;
}

void HttpServerCore::ReturnParser(std::unique_ptr<Http1Parser> parser) {
  if (parsers_.size() < kMaxPooled) parsers_.push_back(std::move(parser));
}

std::string HttpServerCore::TakeOutput() {
  if (outputs_.empty()) return std::string();
  std::string buffer = std::move(outputs_.back());
  outputs_.pop_back();
  return buffer;
}

void HttpServerCore::ReturnOutput(std::string buffer) {
  if (outputs_.size() >= kMaxPooled || buffer.capacity() > kMaxPooledOutput) return;
  buffer.clear();
  outputs_.push_back(std::move(buffer));
}

std::string_view HttpServerCore::Date() {
  const time_t now = ::time(nullptr);
  if (now != date_second_) {
    date_second_ = now;
    date_ = FormatHttpDate(absl::FromTimeT(now));
  }
  return date_;
}

void HttpServerCore::Post(Http1Connection* connection) {
  // In this order each step may fail for want of memory.
  if (!post_scheduled_) {
    loop().AddCallback([self = self_] {
      if (*self != nullptr) (*self)->RunPosted();
    });
    post_scheduled_ = true;
  }
  posted_.push_back(connection);
}

void HttpServerCore::RunPosted() {
  post_scheduled_ = false;
  // By index: a connection that is removed meanwhile leaves a null behind, and one that is posted
  // again has its turn in the next round.
  const size_t count = posted_.size();
  for (size_t i = 0; i < count; ++i) {
    if (Http1Connection* const connection = std::exchange(posted_[i], nullptr)) {
      connection->OnPosted();
    }
  }
  posted_.erase(posted_.begin(), posted_.begin() + static_cast<ptrdiff_t>(count));
}

void HttpServerCore::Drain(absl::Duration idle_close_after, absl::AnyInvocable<void()> done) {
  if (done != nullptr) drain_done_.push_back(std::move(done));
  draining_ = true;
  if (full_) SetFull(false);
  const MonotonicTime at = loop().Now() + idle_close_after;
  if (at < idle_close_at_) {
    idle_close_at_ = at;
    idle_close_ = loop().CallAt(at, [this] { CloseIdle(); });
  }
  MaybeFinishDrain();
}

void HttpServerCore::CloseIdle() {
  closing_idle_ = true;
  for (auto next = connections_.begin(); next != connections_.end();) {
    Http1Connection& connection = **next++;  // the connection may remove itself
    connection.CloseIfIdle();
  }
  if (on_close_idle_ != nullptr) on_close_idle_();
}

void HttpServerCore::MaybeFinishDrain() {
  if (!draining_ || HasConnections() || drain_done_.empty() || LiveLoop() == nullptr) return;
  if (std::exchange(done_scheduled_, true)) return;
  loop().AddCallback([self = self_] {
    if (*self == nullptr) return;
    HttpServerCore& core = **self;
    core.done_scheduled_ = false;
    // One was accepted by hand, or has got its header meanwhile; its end asks again.
    if (core.HasConnections()) return;
    core.idle_close_.Cancel();
    for (auto& done : std::exchange(core.drain_done_, {})) done();
  });
}

}  // namespace squall::internal
