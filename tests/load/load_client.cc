// Puts load on a server and misses nothing: every request is answered as it should be or counted as
// lost, by the way in which it was lost.
//
//   load_client --address=127.0.0.1:8000 --connections=200 --requests=100000
//
// Each connection has one request out at a time; with --reconnect it has one request in its life.
// Nothing is ever sent again: what other clients repeat in silence is a loss here. In the end one
// JSON object is printed (load_tally.h). With --until_term the line "enough" is printed when
// --requests are done, and the load goes on until SIGTERM, which is not obeyed before that.
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/base/flags.h"
#include "squall/base/logging.h"
#include "squall/base/unique_fd.h"
#include "squall/netutil/address.h"
#include "squall/tests/load/load_tally.h"
#include "squall/tests/load/response_reader.h"

ABSL_FLAG(std::string, address, "", "the server's, HOST:PORT in numbers");
ABSL_FLAG(int, connections, 50, "at a time");
ABSL_FLAG(int64_t, requests, 1000, "to be made at least");
ABSL_FLAG(bool, reconnect, false, "a new connection for each request");
ABSL_FLAG(bool, until_term, false, "go on until SIGTERM");
ABSL_FLAG(std::string, target, "/", "of each request");
ABSL_FLAG(std::string, body, "", "what each answer has to be; empty: anything");
ABSL_FLAG(absl::Duration, timeout, absl::Seconds(30), "for each answer");
ABSL_FLAG(absl::Duration, think, absl::ZeroDuration(),
          "how long a connection waits between two requests, on the average");

namespace squall::testing {
namespace {

// What is tried again at once would be refused again.
constexpr absl::Duration kAfterRefusal = absl::Milliseconds(20);
constexpr absl::Duration kSweep = absl::Milliseconds(20);

volatile sig_atomic_t g_term = 0;

MonotonicTime Now() { return Clock::Real().Now(); }

class Client;

class Connection {
 public:
  Connection(Client& client, size_t index) : client_(client), index_(index) {}

  // May the present state end here, as far as the load is concerned?
  bool at_rest() const { return state_ == State::kResting; }
  void OnEvents(uint32_t events);
  void Sweep(MonotonicTime now);

 private:
  enum class State {
    kResting,     // until wake_at_, with a connection or without one
    kConnecting,  // the request follows
    kAwaiting,    // an answer
    kClosing,     // the answer is there and the server's close has to follow
  };

  void Connect();
  void Send();
  void Receive();
  void OnAnswer();
  void Rest(absl::Duration duration);
  void Lose(Loss loss, std::string_view details);
  void LoseByErrno(int error_number);
  void Watch(uint32_t events);

  Client& client_;
  const size_t index_;
  State state_ = State::kResting;
  UniqueFd fd_;
  bool watched_ = false;
  size_t sent_on_this_ = 0;  // requests on the present connection
  MonotonicTime began_;      // of the request
  MonotonicTime wake_at_ = {};
  ResponseReader reader_;
};

class Client {
 public:
  Client(SocketAddress address, int connections);

  void Run();

  const SocketAddress& address() const { return address_; }
  const std::string& request() const { return request_; }
  const std::string& body() const { return body_; }
  bool reconnect() const { return reconnect_; }
  absl::Duration timeout() const { return timeout_; }
  int epoll() const { return epoll_.get(); }
  LoadTally& tally() { return tally_; }
  // No further request is to be made.
  bool over() const { return over_; }
  // A random time to think.
  absl::Duration Think();

 private:
  const SocketAddress address_;
  const std::string body_;
  const bool reconnect_;
  const absl::Duration timeout_;
  const absl::Duration think_;
  const std::string request_;
  UniqueFd epoll_;
  std::vector<std::unique_ptr<Connection>> connections_;
  LoadTally tally_;
  std::minstd_rand random_;
  bool over_ = false;
};

void Connection::Connect() {
  fd_.reset(::socket(client_.address().family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  PCHECK(fd_.valid()) << "socket";
  const int on = 1;
  ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  watched_ = false;
  sent_on_this_ = 0;
  client_.tally().Connected();
  state_ = State::kConnecting;
  if (::connect(fd_.get(), client_.address().data(), client_.address().size()) == 0) return Send();
  if (errno != EINPROGRESS) return LoseByErrno(errno);
  Watch(EPOLLOUT);
}

void Connection::Send() {
  reader_.StartNext();
  ++sent_on_this_;
  state_ = State::kAwaiting;
  const std::string& request = client_.request();
  const ssize_t sent = ::send(fd_.get(), request.data(), request.size(), MSG_NOSIGNAL);
  if (sent < 0) return LoseByErrno(errno);
  CHECK_EQ(sent, static_cast<ssize_t>(request.size())) << "of a socket's empty buffer";
  Watch(EPOLLIN);
}

void Connection::Watch(uint32_t events) {
  epoll_event event = {.events = events, .data = {.u64 = index_}};
  const int operation = std::exchange(watched_, true) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  PCHECK(::epoll_ctl(client_.epoll(), operation, fd_.get(), &event) == 0) << "epoll_ctl";
}

void Connection::OnEvents(uint32_t) {
  switch (state_) {
    case State::kConnecting: {
      int error_number = 0;
      socklen_t size = sizeof error_number;
      PCHECK(::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error_number, &size) == 0);
      return error_number == 0 ? Send() : LoseByErrno(error_number);
    }
    case State::kResting:
    case State::kAwaiting:
    case State::kClosing:
      return Receive();
  }
}

void Connection::Receive() {
  char buffer[16 * 1024];
  const ssize_t size = ::recv(fd_.get(), buffer, sizeof buffer, 0);
  if (size < 0) {
    if (errno != EAGAIN && errno != EINTR) LoseByErrno(errno);
    return;
  }
  if (size == 0) {
    switch (state_) {
      case State::kResting:
        client_.tally().SilentClose();
        fd_.reset();
        return;
      case State::kClosing:
        return OnAnswer();
      case State::kConnecting:
      case State::kAwaiting:
        return reader_.begun() ? Lose(Loss::kShort, "closed in the answer")
                               : Lose(Loss::kUnanswered, "closed before the answer");
    }
  }
  if (state_ == State::kResting) return Lose(Loss::kMalformed, "octets that nobody asked for");
  switch (reader_.Take({buffer, static_cast<size_t>(size)})) {
    case ResponseReader::Progress::kPartial:
      return;
    case ResponseReader::Progress::kMalformed:
      return Lose(Loss::kMalformed, reader_.fault());
    case ResponseReader::Progress::kComplete:
      if (!reader_.close()) return OnAnswer();
      // The close has to follow, and it must be no reset.
      state_ = State::kClosing;
  }
}

void Connection::OnAnswer() {
  const MonotonicTime now = Now();
  if (reader_.status() != 200) {
    return Lose(Loss::kStatus, absl::StrCat("status ", reader_.status()));
  }
  if (!client_.body().empty() && reader_.body() != client_.body()) {
    return Lose(Loss::kBody, reader_.body());
  }
  if (client_.reconnect() && !reader_.close()) {
    return Lose(Loss::kMalformed, "no Connection: close although it was asked for");
  }
  client_.tally().Answered(now - began_);
  if (reader_.close()) {
    if (!client_.reconnect()) client_.tally().AnnouncedClose();
    fd_.reset();
  }
  Rest(client_.Think());
}

void Connection::LoseByErrno(int error_number) {
  const std::string details = absl::StrCat(std::strerror(error_number), " after ", sent_on_this_,
                                           " requests on this connection",
                                           state_ == State::kClosing ? ", behind a whole answer"
                                           : reader_.begun()         ? ", in the answer"
                                                                     : "");
  switch (state_) {
    case State::kResting:
      // A reset while no request is out. It costs nothing, but it is no clean close either.
    case State::kAwaiting:
    case State::kClosing:
      return Lose(Loss::kReset, details);
    case State::kConnecting:
      return Lose(Loss::kRefused, details);
  }
}

void Connection::Lose(Loss loss, std::string_view details) {
  client_.tally().Lost(loss, details);
  fd_.reset();
  Rest(std::max(client_.Think(), kAfterRefusal));
}

void Connection::Rest(absl::Duration duration) {
  state_ = State::kResting;
  reader_.StartNext();
  wake_at_ = Now() + duration;
  if (duration <= absl::ZeroDuration()) Sweep(wake_at_);
}

void Connection::Sweep(MonotonicTime now) {
  switch (state_) {
    case State::kResting:
      if (client_.over() || now < wake_at_) return;
      began_ = Now();
      return fd_.valid() ? Send() : Connect();
    case State::kConnecting:
    case State::kAwaiting:
    case State::kClosing:
      if (now - began_ > client_.timeout()) {
        Lose(Loss::kTimeout, state_ == State::kConnecting ? "connecting"
                             : state_ == State::kClosing  ? "no close behind the answer"
                                                          : "no answer");
      }
      return;
  }
}

Client::Client(SocketAddress address, int connections)
    : address_(address),
      body_(absl::GetFlag(FLAGS_body)),
      reconnect_(absl::GetFlag(FLAGS_reconnect)),
      timeout_(absl::GetFlag(FLAGS_timeout)),
      think_(absl::GetFlag(FLAGS_think)),
      request_(absl::StrCat("GET ", absl::GetFlag(FLAGS_target),
                            " HTTP/1.1\r\nHost: ", address.ToString(),
                            reconnect_ ? "\r\nConnection: close" : "", "\r\n\r\n")),
      epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  PCHECK(epoll_.valid()) << "epoll_create1";
  for (int i = 0; i < connections; ++i) {
    connections_.push_back(std::make_unique<Connection>(*this, connections_.size()));
  }
}

absl::Duration Client::Think() {
  if (think_ <= absl::ZeroDuration()) return think_;
  return think_ * std::uniform_real_distribution<double>(0, 2)(random_);
}

void Client::Run() {
  const int64_t enough = absl::GetFlag(FLAGS_requests);
  bool goes_on = absl::GetFlag(FLAGS_until_term);
  bool said = false;
  MonotonicTime next_sweep = {};
  std::array<epoll_event, 256> events;
  for (;;) {
    if (tally_.requests() >= enough) {
      if (goes_on && !std::exchange(said, true)) std::cout << "enough" << std::endl;
      over_ = !goes_on || g_term != 0;
    }
    const auto at_rest = [](const auto& connection) { return connection->at_rest(); };
    if (over_ && std::all_of(connections_.begin(), connections_.end(), at_rest)) return;
    if (const MonotonicTime now = Now(); next_sweep <= now) {
      next_sweep = now + std::clamp(think_ / 10, absl::Milliseconds(1), kSweep);
      for (const auto& connection : connections_) connection->Sweep(now);
    }
    const absl::Duration left = std::max(next_sweep - Now(), absl::ZeroDuration());
    const int ready = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                   static_cast<int>(absl::ToInt64Milliseconds(left)) + 1);
    PCHECK(ready >= 0 || errno == EINTR) << "epoll_wait";
    for (int i = 0; i < ready; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      connections_[event.data.u64]->OnEvents(event.events);
    }
  }
}

}  // namespace
}  // namespace squall::testing

int main(int argc, char** argv) {
  squall::ParseFlagsOrExit(argc, argv,
                           "load_client: puts load on a server and counts what is lost");
  const auto address = squall::SocketAddress::Parse(absl::GetFlag(FLAGS_address));
  if (!address.ok()) {
    squall::ExitWithUsageError(
        absl::StrCat("--address=", absl::GetFlag(FLAGS_address), ": ", address.status().message()));
  }
  if (absl::GetFlag(FLAGS_connections) < 1) {
    squall::ExitWithUsageError(absl::StrCat("--connections=", absl::GetFlag(FLAGS_connections),
                                            ": 1 or more are possible"));
  }
  signal(SIGTERM, [](int) { squall::testing::g_term = 1; });
  squall::testing::Client client(*address, absl::GetFlag(FLAGS_connections));
  client.Run();
  std::cout << client.tally().ToJson() << std::endl;
  return 0;
}
