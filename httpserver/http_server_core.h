// What the connections of one HttpServer share: options, the set of connections, pools of what only
// a busy connection needs, the Date, the drain.
//
//   squall::internal::HttpServerCore core(app, options);
//   core.Accept(std::move(fd), peer);            // makes an Http1Connection that lives in the core
//   core.Drain(absl::Seconds(24), [] { ... });
//
// Internal to httpserver. One loop's thread; the loop is looked up at the first use, so that a
// server may be made before a fork and used after it.
#ifndef SQUALL_HTTPSERVER_HTTP_SERVER_CORE_H_
#define SQUALL_HTTPSERVER_HTTP_SERVER_CORE_H_

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "squall/base/unique_fd.h"
#include "squall/httpserver/http1_parser.h"
#include "squall/httpserver/http_delegate.h"
#include "squall/httpserver/http_server_options.h"
#include "squall/httpserver/worker_stats.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/address.h"
#include "squall/netutil/trusted_networks.h"

namespace squall::internal {

class Http1Connection;

// How long `octets` take at `rate` of them in a second; for budgets of slow clients.
inline absl::Duration TimeFor(uint64_t octets, uint64_t rate) {
  return rate == 0 ? absl::ZeroDuration() : absl::Seconds(1) * octets / rate;
}

class HttpServerCore {
 public:
  using ConnectionList = std::list<std::unique_ptr<Http1Connection>>;

  // One read takes at most this much.
  static constexpr size_t kReadBufferSize = 64 * 1024;

  HttpServerCore(HttpServerConnectionDelegate& app, HttpServerOptions options);
  HttpServerCore(const HttpServerCore&) = delete;
  HttpServerCore& operator=(const HttpServerCore&) = delete;
  ~HttpServerCore();

  void Accept(UniqueFd fd, SocketAddress peer);
  void Drain(absl::Duration idle_close_after, absl::AnyInvocable<void()> done);
  void CloseAll();
  size_t connection_count() const { return connections_.size(); }
  // How many connections are accepted and still to come; a drain waits for them, too.
  void SetExpected(size_t connections);

  // Called when a drain closes the silent connections, for those that are not here.
  void OnCloseIdle(absl::AnyInvocable<void()> callback) { on_close_idle_ = std::move(callback); }

  // Called when there are more connections than max_connections and none to do without, with true,
  // and when there is room again. Not while a drain takes what is left in the backlogs.
  void OnFull(absl::AnyInvocable<void(bool full)> callback) { on_full_ = std::move(callback); }

  // For the connections.
  const HttpServerOptions& options() const { return options_; }
  const TrustedNetworks& trusted() const { return trusted_; }
  // Whether `peer` may say with X-Real-Ip and its like who its client is. The first no is logged.
  bool BelievesFieldsOf(const SocketAddress& peer);
  HttpServerConnectionDelegate& app() { return app_; }
  IOLoop& loop();
  // Null when there was none, or it has ended before the server.
  IOLoop* LiveLoop() const { return IOLoop::IfExists() == loop_ ? loop_ : nullptr; }
  WorkerStats& stats() { return stats_; }
  bool draining() const { return draining_; }
  // New connections have to wait until one ends.
  bool full() const { return full_; }
  // Draining, and the time for silent connections is over.
  bool closing_idle() const { return closing_idle_; }
  // Shared by all connections: what is in it is used up or copied before a connection returns to
  // the loop.
  char* read_buffer() { return read_buffer_.get(); }
  // Likewise, chunk_size octets; for decompressed pieces.
  char* inflate_buffer();
  std::unique_ptr<Http1Parser> TakeParser();
  void ReturnParser(std::unique_ptr<Http1Parser> parser);
  // An empty string with room in it, and the way back for it.
  std::string TakeOutput();
  void ReturnOutput(std::string buffer);
  // The Date field's value, formatted once a second (RFC 9110 6.6.1).
  std::string_view Date();
  // Lets `connection` work on in the loop's next turn.
  void Post(Http1Connection* connection);
  // Destroys the connection.
  void Remove(ConnectionList::iterator position);

 private:
  void RunPosted();
  void CloseIdle();
  void MaybeFinishDrain();
  bool HasConnections() const { return !connections_.empty() || expected_ > 0; }

  // http_server_core_room.cc: what max_connections asks for.
  size_t Capacity();
  // With `more` connections than there are.
  bool OverCapacity(size_t more) { return connections_.size() + expected_ + more > Capacity(); }
  void MakeRoom(size_t more);
  bool GiveUpOne();
  void SetFull(bool full);

  HttpServerConnectionDelegate& app_;
  const HttpServerOptions options_;
  TrustedNetworks trusted_;
  TrustedNetworks trusted_peers_;  // those, and what is on this machine
  bool told_of_disbelief_ = false;
  Http1Limits limits_;
  WorkerStats stats_;
  IOLoop* loop_ = nullptr;
  std::unique_ptr<char[]> read_buffer_;
  std::unique_ptr<char[]> inflate_buffer_;
  std::vector<std::unique_ptr<Http1Parser>> parsers_;
  std::vector<std::string> outputs_;
  time_t date_second_ = -1;
  std::string date_;
  ConnectionList connections_;
  size_t expected_ = 0;
  size_t capacity_ = 0;                                 // 0: not looked up yet
  ConnectionList::iterator hand_ = connections_.end();  // where the next look for one begins
  bool full_ = false;
  absl::AnyInvocable<void(bool full)> on_full_;
  Timeout room_;
  MonotonicTime full_said_ = MonotonicTime();
  std::vector<Http1Connection*> posted_;
  bool post_scheduled_ = false;
  bool draining_ = false;
  bool closing_idle_ = false;
  absl::AnyInvocable<void()> on_close_idle_;
  bool done_scheduled_ = false;
  Timeout idle_close_;
  MonotonicTime idle_close_at_ = MonotonicTime::Infinite();
  std::vector<absl::AnyInvocable<void()>> drain_done_;
  // Callbacks that wait in the loop see through it whether the core still lives.
  std::shared_ptr<HttpServerCore*> self_;
};

}  // namespace squall::internal

#endif  // SQUALL_HTTPSERVER_HTTP_SERVER_CORE_H_
