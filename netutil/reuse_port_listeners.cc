#include "squall/netutil/reuse_port_listeners.h"

#include <linux/filter.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"

namespace squall {
namespace {

// A program that returns a random one of `indexes`.
std::vector<sock_filter> ChooseAtRandom(absl::Span<const int> indexes) {
  const auto count = static_cast<uint32_t>(indexes.size());
  std::vector<sock_filter> program = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_RANDOM)),
      BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, count),
  };
  for (uint32_t i = 0; i < count; ++i) {
    // To the next comparison if it is not i; the last one cannot be.
    if (i + 1 < count) program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, i, 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, static_cast<uint32_t>(indexes[i])));
  }
  return program;
}

}  // namespace

absl::StatusOr<ReusePortListeners> ReusePortListeners::Bind(uint16_t port, int slots,
                                                            const BindOptions& options) {
  if (slots < 1 || slots > kMaxSlots) {
    return absl::InvalidArgumentError(absl::StrCat("there cannot be ", slots,
                                                   " listening sockets for each address: 1 to ",
                                                   kMaxSlots, " slots are possible"));
  }
  // Bound without SO_REUSEPORT, so that it fails when another process has the port: a second pool
  // of the same user would join the group, and one of the two get nothing.
  ASSIGN_OR_RETURN(std::vector<ListenSocket> first, BindSockets(port, options));
  BindOptions shared = options;
  shared.reuse_port = true;
  ReusePortListeners listeners;
  for (ListenSocket& socket : first) {
    if (socket.inherited()) {
      return absl::FailedPreconditionError(
          absl::StrCat("the socket for ", socket.address().ToString(),
                       " is inherited and there is but one; a socket for each worker cannot be had "
                       "beside it, so choose another accept policy"));
    }
    Group group{.address = socket.address(), .sockets = {}};
    const int on = 1;
    if (::setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
      return StatusFromErrno(errno, absl::StrCat("SO_REUSEPORT of ", group.address.ToString()));
    }
    group.sockets.push_back(socket.Release());
    for (int slot = 1; slot < slots; ++slot) {
      ASSIGN_OR_RETURN(ListenSocket sibling, internal::ListenOn(group.address, shared));
      group.sockets.push_back(sibling.Release());
    }
    listeners.groups_.push_back(std::move(group));
  }
  RETURN_IF_ERROR(listeners.SetServing({0}));
  return listeners;
}

std::vector<SocketAddress> ReusePortListeners::addresses() const {
  std::vector<SocketAddress> addresses;
  for (const Group& group : groups_) addresses.push_back(group.address);
  return addresses;
}

int ReusePortListeners::slots() const { return static_cast<int>(groups_.front().sockets.size()); }

std::vector<int> ReusePortListeners::fds() const {
  std::vector<int> fds;
  for (const Group& group : groups_) {
    for (const UniqueFd& socket : group.sockets) fds.push_back(socket.get());
  }
  return fds;
}

absl::Status ReusePortListeners::SetServing(absl::Span<const int> serving) {
  if (serving.empty()) return absl::OkStatus();
  for (const int slot : serving) {
    if (slot < 0 || slot >= slots()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "slot ", slot, " has no listening socket: there are slots 0 to ", slots() - 1));
    }
  }
  std::vector<sock_filter> program = ChooseAtRandom(serving);
  const sock_fprog attached = {.len = static_cast<unsigned short>(program.size()),
                               .filter = program.data()};
  for (const Group& group : groups_) {
    if (::setsockopt(group.sockets.front().get(), SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &attached,
                     sizeof attached) != 0) {
      return StatusFromErrno(errno, absl::StrCat("cannot say which workers get the connections to ",
                                                 group.address.ToString()));
    }
  }
  return absl::OkStatus();
}

std::vector<ListenSocket> ReusePortListeners::TakeSlot(int slot) && {
  CHECK(slot >= 0 && slot < slots()) << "slot " << slot << " has no listening socket: there are "
                                     << "slots 0 to " << slots() - 1;
  std::vector<ListenSocket> taken;
  for (Group& group : std::exchange(groups_, {})) {
    UniqueFd own = std::move(group.sockets[static_cast<size_t>(slot)]);
    group.sockets.erase(group.sockets.begin() + slot);
    taken.emplace_back(std::move(own), group.address, std::move(group.sockets));
  }
  return taken;
}

}  // namespace squall
