#include "squall/ioloop/iostream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/local_ptr.h"
#include "squall/ioloop/read_request.h"
#include "squall/ioloop/stream_state.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/transport.h"

namespace squall {

using internal::LocalPtr;
using internal::StreamState;

IOStream::IOStream(UniqueFd connected_socket, IOStreamOptions options)
    : IOStream(MakePlainTransport(std::move(connected_socket)), options) {}

IOStream::IOStream(std::unique_ptr<Transport> transport, IOStreamOptions options)
    : state_(LocalPtr<StreamState>::Make(std::move(transport), options)) {}

IOStream::IOStream(IOStream&&) noexcept = default;

IOStream& IOStream::operator=(IOStream&& other) noexcept {
  if (this != &other) {
    if (state_) state_->Abandon();
    state_ = std::move(other.state_);
  }
  return *this;
}

IOStream::~IOStream() {
  if (state_) state_->Abandon();
}

[[gnu::hot]] IOStream::Read<internal::UntilRequest> IOStream::ReadUntil(std::string delimiter,
                                                                        size_t max_bytes) {
  return {LocalPtr(state_).Release(), internal::UntilRequest(std::move(delimiter), max_bytes)};
}

IOStream::Read<internal::MatchRequest> IOStream::ReadUntilMatch(FindEnd find, size_t max_bytes) {
  return {LocalPtr(state_).Release(), internal::MatchRequest(std::move(find), max_bytes)};
}

[[gnu::hot]] IOStream::Read<internal::BytesRequest> IOStream::ReadBytes(size_t n, ReadMode mode) {
  return {LocalPtr(state_).Release(), internal::BytesRequest(n, mode == ReadMode::kPartial)};
}

IOStream::Read<internal::UntilCloseRequest> IOStream::ReadUntilClose() {
  return {LocalPtr(state_).Release(), internal::UntilCloseRequest()};
}

[[gnu::hot]] IOStream::Read<internal::IntoRequest> IOStream::ReadInto(std::span<char> memory,
                                                                      ReadMode mode) {
  return {LocalPtr(state_).Release(), internal::IntoRequest(memory, mode == ReadMode::kPartial)};
}

[[gnu::hot]] IOStream::Read<internal::PeekRequest> IOStream::Peek(size_t at_least) {
  return {LocalPtr(state_).Release(), internal::PeekRequest(at_least)};
}

[[gnu::hot]] void IOStream::Consume(size_t n) { state_->Consume(n); }

[[gnu::hot]] Task<absl::Status> IOStream::Write(std::string data) {
  return state_->Writev(std::span(&data, 1));
}

[[gnu::hot]] Task<absl::Status> IOStream::Writev(std::vector<std::string> parts) {
  return state_->Writev(parts);
}

[[gnu::hot]] Task<absl::Status> IOStream::WriteBorrowed(std::span<const std::string_view> parts) {
  return state_->WriteBorrowed(parts);
}

[[gnu::hot]] Task<absl::Status> IOStream::WriteBorrowed(std::string_view octets) {
  return state_->WriteBorrowed(std::span(&octets, 1));
}

Task<absl::Status> IOStream::CloseWrite() { return state_->CloseWrite(); }

void IOStream::SetCloseCallback(absl::AnyInvocable<void()> callback) {
  state_->SetCloseCallback(std::move(callback));
}

absl::StatusOr<UniqueFd> IOStream::Detach() { return state_->Detach(); }

void IOStream::Close(absl::Status why) { state_->Close(std::move(why)); }

bool IOStream::closed() const { return state_->closed(); }

absl::Status IOStream::close_status() const { return state_->close_status(); }

bool IOStream::reading() const { return state_->reading(); }

bool IOStream::writing() const { return state_->writing(); }

int IOStream::fd() const { return state_->fd(); }

const Transport* IOStream::transport() const { return state_->transport(); }

void IOStream::set_nodelay(bool nodelay) {
  const int value = nodelay ? 1 : 0;
  // ENOTSUP and the like of other families are what the header promises to ignore.
  ::setsockopt(fd(), IPPROTO_TCP, TCP_NODELAY, &value, sizeof value);
}

}  // namespace squall
