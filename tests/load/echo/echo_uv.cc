// An echo server on libuv, as its documentation writes one: uv_read_start, and an answer tried at
// once (uv_try_write) before it is queued (uv_write).
//
// It listens on 127.0.0.1 and prints its port.
#include <netinet/in.h>
#include <uv.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

char read_buffer[64 << 10];

struct PendingWrite {
  uv_write_t request;
  char* data;
};

void CloseConnection(uv_stream_t* stream) {
  uv_close(reinterpret_cast<uv_handle_t*>(stream), [](uv_handle_t* handle) { std::free(handle); });
}

void OnWritten(uv_write_t* request, int) {
  PendingWrite* const pending = reinterpret_cast<PendingWrite*>(request);
  std::free(pending->data);
  std::free(pending);
}

void OnRead(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
  if (size < 0) return CloseConnection(stream);
  uv_buf_t answer = uv_buf_init(buffer->base, size);
  const int written = uv_try_write(stream, &answer, 1);
  const ssize_t taken = written < 0 ? 0 : written;
  if (taken == size) return;
  PendingWrite* const pending = static_cast<PendingWrite*>(std::malloc(sizeof(PendingWrite)));
  pending->data = static_cast<char*>(std::malloc(size - taken));
  std::memcpy(pending->data, buffer->base + taken, size - taken);
  answer = uv_buf_init(pending->data, size - taken);
  uv_write(&pending->request, stream, &answer, 1, OnWritten);
}

void OnConnection(uv_stream_t* server, int status) {
  if (status < 0) return;
  uv_tcp_t* const connection = static_cast<uv_tcp_t*>(std::malloc(sizeof(uv_tcp_t)));
  uv_tcp_init(server->loop, connection);
  uv_stream_t* const stream = reinterpret_cast<uv_stream_t*>(connection);
  if (uv_accept(server, stream) != 0) return CloseConnection(stream);
  uv_read_start(
      stream,
      [](uv_handle_t*, size_t, uv_buf_t* buffer) {
        *buffer = uv_buf_init(read_buffer, sizeof read_buffer);
      },
      OnRead);
}

}  // namespace

int main() {
  uv_tcp_t server;
  uv_tcp_init(uv_default_loop(), &server);
  sockaddr_in address;
  uv_ip4_addr("127.0.0.1", 0, &address);
  uv_tcp_bind(&server, reinterpret_cast<sockaddr*>(&address), 0);
  if (uv_listen(reinterpret_cast<uv_stream_t*>(&server), 4096, OnConnection) != 0) return 1;
  int size = sizeof address;
  uv_tcp_getsockname(&server, reinterpret_cast<sockaddr*>(&address), &size);
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
