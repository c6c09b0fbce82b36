// A TCP proxy: what comes in is passed on to another server, and its answers come back.
//
//   bazel run //examples/tcp_proxy -- --listen=localhost:8080 --upstream=localhost:8888
//
// Nothing is read that the other side has no room for, so a slow reader slows its sender and costs
// no memory here. An end of one direction is passed on while the other goes on.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/base/flags.h"
#include "squall/base/logging.h"
#include "squall/base/status_macros.h"
#include "squall/httpserver/tcpserver.h"
#include "squall/ioloop/gather.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/race.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"
#include "squall/netutil/connect.h"
#include "squall/netutil/listen_address.h"
#include "squall/netutil/proxy_header.h"
#include "squall/process/fork.h"

ABSL_FLAG(std::string, listen, "localhost:8080", "where to listen: HOST:PORT or unix:PATH");
ABSL_FLAG(std::string, upstream, "localhost:8888", "where to pass it on: HOST:PORT or unix:PATH");
ABSL_FLAG(int, workers, 0, "processes; 0: one for each CPU");
ABSL_FLAG(absl::Duration, connect_timeout, absl::Seconds(5), "for the connection to the upstream");
ABSL_FLAG(absl::Duration, idle_timeout, absl::Minutes(10),
          "a connection over which nothing comes for that long is closed; inf: never");
ABSL_FLAG(int, send_proxy, 0,
          "tell the upstream who the client is: the version of the PROXY protocol, 1 or 2");

namespace {

using squall::IOStream;
using squall::MonotonicTime;
using squall::SocketAddress;
using squall::Task;

MonotonicTime Now() { return squall::IOLoop::Current().Now(); }

// One direction, up to its end.
Task<> Pump(IOStream* from, IOStream* to, MonotonicTime* last_octet) {
  while (true) {
    // In place: they are read once and written once, and held nowhere meanwhile.
    absl::StatusOr<std::string_view> octets = co_await from->Peek();
    if (!octets.ok()) break;
    *last_octet = Now();
    absl::Status written = co_await to->WriteBorrowed(*octets);
    if (!written.ok()) break;
    *last_octet = Now();
    from->Consume(octets->size());
  }
  if (from->closed() || to->closed()) {
    // A reset, and not an end: nothing of the other direction will arrive.
    from->Close();
    to->Close();
    co_return;
  }
  (co_await to->CloseWrite()).IgnoreError();
}

Task<> UntilIdle(const MonotonicTime* last_octet, absl::Duration timeout) {
  while (true) {
    const absl::Duration left = *last_octet + timeout - Now();
    if (left <= absl::ZeroDuration()) co_return;
    co_await squall::Sleep(left);
  }
}

class Proxy : public squall::TcpServer {
 public:
  Proxy() : TcpServer({.stream = StreamOptions()}) {}

  Task<> HandleStream(IOStream client, SocketAddress peer) override {
    absl::StatusOr<IOStream> upstream = co_await ConnectUpstream();
    if (!upstream.ok()) {
      LOG(WARNING) << "Closing the connection of " << peer << ": " << upstream.status().message();
      co_return;
    }
    if (absl::GetFlag(FLAGS_send_proxy) != 0) {
      const squall::ProxyHeader header = HeaderFor(client, peer);
      absl::StatusOr<std::string> octets = squall::FormatProxyHeader(header);
      if (!octets.ok()) {
        LOG(WARNING) << "Closing the connection of " << peer << ": " << octets.status().message();
        co_return;
      }
      absl::Status written = co_await upstream->Write(*std::move(octets));
      if (!written.ok()) co_return;
    }
    MonotonicTime last_octet = Now();
    std::vector<Task<>> pumps;
    pumps.push_back(Pump(&client, &*upstream, &last_octet));
    pumps.push_back(Pump(&*upstream, &client, &last_octet));
    const absl::Duration idle_timeout = absl::GetFlag(FLAGS_idle_timeout);
    co_await squall::Race(squall::Gather(std::move(pumps)), UntilIdle(&last_octet, idle_timeout));
  }

 private:
  // A peer that has said everything still wants its answer.
  static squall::IOStreamOptions StreamOptions() {
    return {.on_peer_eof = squall::OnPeerEof::kKeepWriting};
  }

  static squall::ProxyHeader HeaderFor(const IOStream& client, SocketAddress peer) {
    squall::ProxyHeader header;
    header.version = absl::GetFlag(FLAGS_send_proxy);
    header.source = peer;
    header.destination = SocketAddress::Local(client.fd()).value_or(peer);
    return header;
  }

  static Task<absl::StatusOr<IOStream>> ConnectUpstream() {
    const squall::ListenAddress address =
        squall::ListenAddress::Parse(absl::GetFlag(FLAGS_upstream)).value();
    squall::ConnectOptions options;
    options.timeout = absl::GetFlag(FLAGS_connect_timeout);
    options.stream = StreamOptions();
    if (address.is_unix()) {
      return squall::Connect(SocketAddress::FromUnixPath(address.unix_path).value(), options);
    }
    return squall::Connect(address.host, address.port, options);
  }
};

absl::Status CheckFlags() {
  const std::string upstream = absl::GetFlag(FLAGS_upstream);
  const absl::StatusOr<squall::ListenAddress> address = squall::ListenAddress::Parse(upstream);
  if (!address.ok() || (!address->is_unix() && (address->host.empty() || address->port == 0))) {
    return absl::InvalidArgumentError(
        absl::StrCat("--upstream=", upstream, " is neither HOST:PORT nor unix:PATH"));
  }
  const int version = absl::GetFlag(FLAGS_send_proxy);
  if (version < 0 || version > 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("--send_proxy=", version, " is none of 0, 1 and 2"));
  }
  return absl::OkStatus();
}

absl::Status Run() {
  RETURN_IF_ERROR(CheckFlags());
  ASSIGN_OR_RETURN(squall::ListenAddress address,
                   squall::ListenAddress::Parse(absl::GetFlag(FLAGS_listen)));
  ASSIGN_OR_RETURN(std::vector<squall::ListenSocket> sockets, squall::Bind(address));
  for (const squall::ListenSocket& socket : sockets) {
    std::printf("listening on %s\n", socket.address().ToString().c_str());
  }
  std::fflush(stdout);
  RETURN_IF_ERROR(squall::ForkProcesses(absl::GetFlag(FLAGS_workers)).status());
  Proxy proxy;
  proxy.AddSockets(std::move(sockets));
  squall::IOLoop::Current().Start();
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  squall::ParseFlagsOrExit(argc, argv, "tcp_proxy: passes connections on to another server.");
  const absl::Status status = Run();
  if (status.ok()) return EXIT_SUCCESS;
  std::fprintf(stderr, "tcp_proxy: %s\n", std::string(status.message()).c_str());
  return EXIT_FAILURE;
}
