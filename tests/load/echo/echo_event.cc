// An echo server on libevent's bufferevents, as its documentation writes one.
//
// It listens on 127.0.0.1 and prints its port.
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdio>

namespace {

void OnRead(bufferevent* connection, void*) {
  evbuffer_add_buffer(bufferevent_get_output(connection), bufferevent_get_input(connection));
}

void OnEvent(bufferevent* connection, short, void*) { bufferevent_free(connection); }

void OnConnection(evconnlistener* listener, evutil_socket_t fd, sockaddr*, int, void*) {
  bufferevent* const connection =
      bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
  bufferevent_setcb(connection, OnRead, nullptr, OnEvent, nullptr);
  bufferevent_enable(connection, EV_READ | EV_WRITE);
}

}  // namespace

int main() {
  event_base* const base = event_base_new();
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  evconnlistener* const listener =
      evconnlistener_new_bind(base, OnConnection, nullptr, LEV_OPT_CLOSE_ON_FREE, 4096,
                              reinterpret_cast<sockaddr*>(&address), sizeof address);
  if (listener == nullptr) return 1;
  socklen_t size = sizeof address;
  ::getsockname(evconnlistener_get_fd(listener), reinterpret_cast<sockaddr*>(&address), &size);
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return event_base_dispatch(base);
}
