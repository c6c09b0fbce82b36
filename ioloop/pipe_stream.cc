#include "squall/ioloop/pipe_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <utility>

#include "squall/base/logging.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/sigpipe_held_back.h"
#include "squall/ioloop/transport.h"

namespace squall {
namespace {

class PipeTransport : public Transport {
 public:
  explicit PipeTransport(UniqueFd pipe) : pipe_(std::move(pipe)) {
    const int flags = ::fcntl(pipe_.get(), F_GETFL);
    PCHECK(flags >= 0) << "a PipeStream needs an open descriptor";
    PCHECK(::fcntl(pipe_.get(), F_SETFL, flags | O_NONBLOCK) == 0);
    readable_ = (flags & O_ACCMODE) != O_WRONLY;
  }

  int fd() const override { return pipe_.get(); }

  ssize_t Read(char* data, size_t size) override {
    if (!readable_) return 0;
    ssize_t result;
    do {
      result = ::read(pipe_.get(), data, size);
    } while (result < 0 && errno == EINTR);
    return result;
  }

  ssize_t Write(const iovec* buffers, int count) override {
    const internal::SigpipeHeldBack held_back;
    ssize_t result;
    do {
      result = ::writev(pipe_.get(), buffers, count);
    } while (result < 0 && errno == EINTR);
    if (result < 0 && errno == EPIPE) held_back.Discard();
    return result;
  }

  // A pipe ends when its descriptor is closed and no sooner.
  int ShutdownWrite() override {
    errno = ENOTSOCK;
    return -1;
  }
  bool short_read_drains() const override { return true; }

 private:
  const UniqueFd pipe_;
  bool readable_;
};

}  // namespace

PipeStream::PipeStream(UniqueFd pipe, IOStreamOptions options)
    : IOStream(std::make_unique<PipeTransport>(std::move(pipe)), options) {}

}  // namespace squall
