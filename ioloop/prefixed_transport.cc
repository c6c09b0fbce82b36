#include "squall/ioloop/prefixed_transport.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

namespace squall::internal {
namespace {

class PrefixedTransport final : public Transport {
 public:
  PrefixedTransport(std::unique_ptr<Transport> transport, std::string prefix)
      : transport_(std::move(transport)), prefix_(std::move(prefix)) {}

  int fd() const override { return transport_->fd(); }
  int Handshake() override { return transport_->Handshake(); }
  bool encrypted() const override { return transport_->encrypted(); }
  ssize_t Read(char* data, size_t size) override {
    if (prefix_.empty()) return transport_->Read(data, size);
    const size_t taken = std::min(size, prefix_.size() - at_);
    std::memcpy(data, prefix_.data() + at_, taken);
    at_ += taken;
    if (at_ == prefix_.size()) std::string().swap(prefix_);
    return static_cast<ssize_t>(taken);
  }
  ssize_t Write(const iovec* buffers, int count) override {
    return transport_->Write(buffers, count);
  }
  int ShutdownWrite() override { return transport_->ShutdownWrite(); }
  uint32_t read_events() const override { return transport_->read_events(); }
  uint32_t write_events() const override { return transport_->write_events(); }
  bool HasBufferedInput() const override {
    return !prefix_.empty() || transport_->HasBufferedInput();
  }
  const Transport* behind() const { return transport_.get(); }
  UniqueFd Release() override { return prefix_.empty() ? transport_->Release() : UniqueFd(); }
  absl::Status ErrorStatus(int error_number, std::string_view doing) const override {
    return transport_->ErrorStatus(error_number, doing);
  }

 private:
  std::unique_ptr<Transport> transport_;
  std::string prefix_;
  size_t at_ = 0;
};

}  // namespace

std::unique_ptr<Transport> MakePrefixedTransport(std::unique_ptr<Transport> transport,
                                                 std::string prefix) {
  if (prefix.empty()) return transport;
  return std::make_unique<PrefixedTransport>(std::move(transport), std::move(prefix));
}

const Transport* WithoutPrefix(const Transport* transport) {
  const auto* const prefixed = dynamic_cast<const PrefixedTransport*>(transport);
  return prefixed != nullptr ? prefixed->behind() : transport;
}

}  // namespace squall::internal
