#include "squall/httpserver/raw_client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/httpserver/http_scan.h"

namespace squall {
namespace {

constexpr int kDeadlineMs = 20000;  // for a busy machine; passing tests never wait so long
constexpr int kMomentMs = 50;

}  // namespace

std::string RawClient::Response::Field(std::string_view name) const {
  std::string_view rest = head;
  while (!rest.empty()) {
    const size_t end = rest.find("\r\n");
    const std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 2);
    const size_t colon = line.find(':');
    if (colon != std::string_view::npos &&
        internal::EqualsIgnoreCase(line.substr(0, colon), name)) {
      return std::string(internal::TrimOws(line.substr(colon + 1)));
    }
  }
  return "";
}

bool RawClient::Response::HasField(std::string_view name) const { return !Field(name).empty(); }

RawClient::RawClient(uint16_t port, Options options) {
  fd_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  PCHECK(fd_.valid());
  if (options.receive_buffer > 0) {
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &options.receive_buffer,
                 sizeof options.receive_buffer);
  }
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  PCHECK(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  const int on = 1;
  ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

RawClient::RawClient(const SocketAddress& address) {
  fd_.reset(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  PCHECK(fd_.valid());
  PCHECK(::connect(fd_.get(), address.data(), address.size()) == 0) << address;
}

bool RawClient::Send(std::string_view octets) {
  while (!octets.empty()) {
    const ssize_t sent = ::send(fd_.get(), octets.data(), octets.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    octets.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool RawClient::SendSlowly(std::string_view octets) {
  for (const char& octet : octets) {
    if (!Send(std::string_view(&octet, 1))) return false;
  }
  return true;
}

void RawClient::ShutdownWrite() { ::shutdown(fd_.get(), SHUT_WR); }

void RawClient::Reset() {
  const linger now = {.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  fd_.reset();
}

bool RawClient::Fill(int timeout_ms) {
  if (ended_) return false;
  pollfd waiting = {.fd = fd_.get(), .events = POLLIN, .revents = 0};
  int ready;
  do {
    ready = ::poll(&waiting, 1, timeout_ms);
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0) return false;
  char buffer[65536];
  const ssize_t size = ::recv(fd_.get(), buffer, sizeof buffer, 0);
  if (size > 0) {
    data_.append(buffer, static_cast<size_t>(size));
    return true;
  }
  was_reset_ = size < 0;
  ended_ = true;
  return false;
}

bool RawClient::FillUntil(std::string_view text, size_t from) {
  while (data_.find(text, from) == std::string::npos) {
    if (!Fill(kDeadlineMs)) return false;
  }
  return true;
}

RawClient::Response RawClient::ReadResponse(bool to_head) {
  Response response;
  if (!FillUntil("\r\n\r\n", 0)) return response;
  const size_t end = data_.find("\r\n\r\n");
  response.head = data_.substr(0, end);
  data_.erase(0, end + 4);
  if (response.head.size() >= 12) response.status = std::atoi(response.head.c_str() + 9);
  if (to_head || response.status / 100 == 1 || response.status == 204 || response.status == 304) {
    return response;
  }
  if (internal::EqualsIgnoreCase(response.Field("Transfer-Encoding"), "chunked")) {
    for (;;) {
      response.truncated = !FillUntil("\r\n", 0);
      if (response.truncated) return response;
      const size_t line = data_.find("\r\n");
      const size_t size = std::strtoul(data_.c_str(), nullptr, 16);
      while (data_.size() < line + 2 + size + 2) {
        response.truncated = !Fill(kDeadlineMs);
        if (response.truncated) return response;
      }
      response.body.append(data_, line + 2, size);
      data_.erase(0, line + 2 + size + 2);
      if (size == 0) return response;
    }
  }
  if (response.HasField("Content-Length")) {
    const size_t size = std::strtoul(response.Field("Content-Length").c_str(), nullptr, 10);
    while (data_.size() < size && !response.truncated) response.truncated = !Fill(kDeadlineMs);
    response.body = data_.substr(0, size);
    data_.erase(0, size);
    return response;
  }
  response.body = ReadAll();
  return response;
}

std::string RawClient::ReadUntil(std::string_view text) {
  FillUntil(text, 0);
  const size_t at = data_.find(text);
  const size_t size = at == std::string::npos ? data_.size() : at + text.size();
  std::string result = data_.substr(0, size);
  data_.erase(0, size);
  return result;
}

std::string RawClient::ReadAll() {
  while (Fill(kDeadlineMs)) {
  }
  std::string result;
  result.swap(data_);
  return result;
}

bool RawClient::AtEnd() {
  if (!data_.empty()) return false;
  Fill(kDeadlineMs);
  return ended_ && data_.empty();
}

bool RawClient::Quiet() {
  if (!data_.empty()) return false;
  Fill(kMomentMs);
  return !ended_ && data_.empty();
}

}  // namespace squall
