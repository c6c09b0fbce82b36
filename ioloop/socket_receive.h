// Internal to ioloop: recv(2) without waiting and without EINTR.
//
//   const ssize_t size = internal::ReceiveInto(socket, room);
#ifndef SQUALL_IOLOOP_SOCKET_RECEIVE_H_
#define SQUALL_IOLOOP_SOCKET_RECEIVE_H_

#include <errno.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <span>

namespace squall::internal {

// As Transport::Read.
inline ssize_t ReceiveInto(int socket, std::span<char> room) {
  ssize_t result;
  do {
    result = ::recv(socket, room.data(), room.size(), MSG_DONTWAIT);
  } while (result < 0 && errno == EINTR);
  return result;
}

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_SOCKET_RECEIVE_H_
