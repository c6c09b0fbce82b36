#include "squall/ioloop/transport.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "squall/base/status.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/socket_receive.h"
#include "squall/ioloop/socket_send.h"

namespace squall {
namespace {

class PlainTransport : public Transport {
 public:
  explicit PlainTransport(UniqueFd socket) : socket_(std::move(socket)) {}

  int fd() const override { return socket_.get(); }

  [[gnu::hot]] ssize_t Read(char* data, size_t size) override {
    return internal::ReceiveInto(socket_.get(), {data, size});
  }

  [[gnu::hot]] ssize_t Write(const iovec* buffers, int count) override {
    return internal::SendBuffers(socket_.get(), buffers, count);
  }

  ssize_t SendFile(const iovec* buffers, int count, int file, off_t offset, size_t size) override {
    return file_sender_.Send(socket_.get(), buffers, count, MSG_MORE, file, offset, size);
  }

  int ShutdownWrite() override { return ::shutdown(socket_.get(), SHUT_WR); }
  bool plain() const override { return true; }
  bool short_read_drains() const override { return true; }
  UniqueFd Release() override { return std::move(socket_); }

 private:
  UniqueFd socket_;
  internal::FileSender file_sender_;
};

}  // namespace

absl::Status Transport::ErrorStatus(int error_number, std::string_view doing) const {
  const absl::Status status = StatusFromErrno(error_number, doing);
  if (error_number != EPIPE) return status;
  absl::Status gone = absl::UnavailableError(status.message());
  status.ForEachPayload(
      [&gone](auto type, const auto& payload) { gone.SetPayload(type, payload); });
  return gone;
}

std::unique_ptr<Transport> MakePlainTransport(UniqueFd socket) {
  return std::make_unique<PlainTransport>(std::move(socket));
}

}  // namespace squall
