// The minimal HTTP server: one epoll, one recv and one send per request, nothing parsed. What others
// are measured by.
//
//   http_epoll PORT
//
// All requests must be as the first one: its length tells where each ends, its target how large the
// answer is, and whether it asks for the end of the connection.
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr size_t kLargestBatch = 64;

struct Connection {
  size_t received = 0;  // of a request that is not whole
  size_t to_send = 0;
};

// What the first request has told.
size_t request_size = 0;
bool closes = false;
size_t answer_size = 0;
std::string answers;  // Many, one after the other, when they are small.

void Learn(std::string_view request) {
  const size_t end = request.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    std::fprintf(stderr, "http_epoll: the first request came in parts\n");
    std::exit(1);
  }
  const std::string_view length = "Content-Length: ";
  const size_t at = request.substr(0, end).find(length);
  request_size = end + 4;
  if (at != std::string_view::npos) request_size += std::atoi(&request[at + length.size()]);
  closes = request.substr(0, end).find("Connection: close") != std::string_view::npos;
  std::string body = "hello, world\n";
  if (request.find(" /1k ") < end) body.assign(1024, 'x');
  if (request.find(" /100k ") < end || request.find("/static/") < end) body.assign(102400, 'x');
  const std::string answer =
      "HTTP/1.1 200 OK\r\nServer: epoll\r\nDate: Tue, 01 Sep 2026 00:00:00 GMT\r\n"
      "Content-Type: text/plain\r\nContent-Length: " +
      std::to_string(body.size()) + (closes ? "\r\nConnection: close" : "") + "\r\n\r\n" + body;
  answer_size = answer.size();
  const size_t batch = body.size() < 4096 ? kLargestBatch : 1;
  for (size_t i = 0; i < batch; ++i) answers += answer;
}

// False: the connection is over.
bool Send(int fd, Connection& connection) {
  while (connection.to_send > 0) {
    // The answers repeat, so what is left begins where an answer that is sent in part goes on.
    const size_t sent_of_one = (answer_size - connection.to_send % answer_size) % answer_size;
    const size_t size = std::min(connection.to_send, answers.size() - sent_of_one);
    const ssize_t sent = ::send(fd, answers.data() + sent_of_one, size, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN;
    connection.to_send -= sent;
    if (connection.to_send == 0 && closes) return false;
  }
  return true;
}

bool Receive(int fd, Connection& connection) {
  static char data[64 << 10];
  while (true) {
    const ssize_t size = ::recv(fd, data, sizeof data, 0);
    if (size <= 0) return size < 0 && errno == EAGAIN;
    if (request_size == 0) Learn({data, static_cast<size_t>(size)});
    connection.received += size;
    connection.to_send += connection.received / request_size * answer_size;
    connection.received %= request_size;
    if (!Send(fd, connection)) return false;
    if (static_cast<size_t>(size) < sizeof data) return true;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: http_epoll PORT\n");
    return 2;
  }
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(std::atoi(argv[1]));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, 4096) != 0) {
    std::perror("http_epoll");
    return 1;
  }
  const int epoll = ::epoll_create1(0);
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = listener;
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  std::vector<Connection> connections;
  epoll_event events[512];
  while (true) {
    const int count = ::epoll_wait(epoll, events, 512, -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == listener) {
        const int accepted = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
        if (accepted < 0) continue;
        if (connections.size() <= static_cast<size_t>(accepted)) connections.resize(accepted + 1);
        connections[accepted] = {};
        event.events = EPOLLIN | EPOLLOUT | EPOLLET;
        event.data.fd = accepted;
        ::epoll_ctl(epoll, EPOLL_CTL_ADD, accepted, &event);
        continue;
      }
      Connection& connection = connections[fd];
      bool open = true;
      if ((events[i].events & EPOLLOUT) != 0) open = Send(fd, connection);
      if (open && (events[i].events & ~EPOLLOUT) != 0) open = Receive(fd, connection);
      if (!open) ::close(fd);
    }
  }
}
