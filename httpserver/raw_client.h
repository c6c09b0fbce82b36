// A blocking client for tests of servers: octets out, octets or whole answers in, each wait
// bounded.
//
//   squall::RawClient client(port);
//   client.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
//   const squall::RawClient::Response response = client.ReadResponse();
//   EXPECT_EQ(response.status, 200);
//   EXPECT_TRUE(client.AtEnd());
//
// For tests alone. One thread per object.
#ifndef SQUALL_HTTPSERVER_RAW_CLIENT_H_
#define SQUALL_HTTPSERVER_RAW_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "squall/base/unique_fd.h"
#include "squall/netutil/address.h"

namespace squall {

class RawClient {
 public:
  struct Response {
    int status = 0;          // 0: the connection ended before a head
    std::string head;        // status line and fields, without the empty line
    std::string body;        // without chunk framing
    bool truncated = false;  // the connection ended within the body
    std::string Field(std::string_view name) const;  // "" when absent; the first value else
    bool HasField(std::string_view name) const;
  };

  struct Options {
    int receive_buffer = 0;  // SO_RCVBUF, before the connect
  };

  // Connects to 127.0.0.1; a failure is a CHECK.
  explicit RawClient(uint16_t port) : RawClient(port, Options()) {}
  RawClient(uint16_t port, Options options);
  explicit RawClient(const SocketAddress& address);

  // Sends everything; false when the server has gone.
  bool Send(std::string_view octets);
  // The same, one octet per segment.
  bool SendSlowly(std::string_view octets);
  void ShutdownWrite();
  // Ends with a reset.
  void Reset();
  void Close() { fd_.reset(); }

  // One answer, further ones stay for the next call. `to_head` expects no body.
  Response ReadResponse(bool to_head = false);
  // Everything until `text` has come (included), the end, or the deadline.
  std::string ReadUntil(std::string_view text);
  // Everything until the end or the deadline.
  std::string ReadAll();
  // Waits for the end of the connection; false when octets come instead, or nothing in time.
  bool AtEnd();
  // True when nothing comes and nothing ends within a moment.
  bool Quiet();
  // The end was a reset, not an orderly close.
  bool was_reset() const { return was_reset_; }
  int fd() const { return fd_.get(); }

 private:
  // Reads once more; false at the end or the deadline.
  bool Fill(int timeout_ms);
  bool FillUntil(std::string_view text, size_t from);

  UniqueFd fd_;
  std::string data_;
  bool ended_ = false;
  bool was_reset_ = false;
};

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_RAW_CLIENT_H_
