// The client of the echo benchmark: CONNECTIONS connections, each with one message of 64 octets
// under way all the time, for SECONDS.
//
//   echo_client PORT CONNECTIONS SECONDS
//
// Prints "MESSAGES P50 P99": answers, and the microseconds to half and to 99 of 100 of them. It ends
// with 1 and a line that says why when the server refuses, closes, or answers something else.
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

constexpr size_t kMessage = 64;

using Clock = std::chrono::steady_clock;

struct Connection {
  int fd = -1;
  size_t received = 0;
  Clock::time_point sent;
};

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "echo_client: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

void Send(Connection& connection, const char* message) {
  connection.received = 0;
  connection.sent = Clock::now();
  if (::send(connection.fd, message, kMessage, MSG_NOSIGNAL) != kMessage) Fail("send");
}

double Microseconds(std::vector<float>& latencies, double share) {
  if (latencies.empty()) return 0;
  const auto at = latencies.begin() + static_cast<size_t>(share * (latencies.size() - 1));
  std::nth_element(latencies.begin(), at, latencies.end());
  return *at;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: echo_client PORT CONNECTIONS SECONDS\n");
    return 2;
  }
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(std::atoi(argv[1]));
  std::vector<Connection> connections(std::atoi(argv[2]));
  const Clock::duration period = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(std::atof(argv[3])));
  char message[kMessage];
  std::memset(message, 'm', sizeof message);
  message[kMessage - 1] = '\n';

  const int epoll = ::epoll_create1(0);
  for (size_t i = 0; i < connections.size(); ++i) {
    connections[i].fd = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(connections[i].fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      Fail("connect");
    }
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.u64 = i;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].fd, &event) != 0) Fail("epoll_ctl");
  }
  for (Connection& connection : connections) Send(connection, message);

  std::vector<float> latencies;
  latencies.reserve(4 << 20);
  const Clock::time_point end = Clock::now() + period;
  Clock::time_point now;
  epoll_event events[128];
  do {
    const int count = ::epoll_wait(epoll, events, 128, 1000);
    now = Clock::now();
    if (count == 0) Fail("no answer within a second");
    for (int i = 0; i < count; ++i) {
      Connection& connection = connections[events[i].data.u64];
      char answer[kMessage];
      const ssize_t size = ::recv(connection.fd, answer, kMessage - connection.received, 0);
      if (size <= 0) Fail("the server closed a connection");
      if (std::memcmp(answer, message + connection.received, size) != 0) Fail("a wrong answer");
      connection.received += size;
      if (connection.received < kMessage) continue;
      latencies.push_back(std::chrono::duration<float, std::micro>(now - connection.sent).count());
      Send(connection, message);
    }
  } while (now < end);
  const double p50 = Microseconds(latencies, 0.5);
  const double p99 = Microseconds(latencies, 0.99);
  std::printf("%zu %.1f %.1f\n", latencies.size(), p50, p99);
}
