// The connections of the chat: each says its name, and then lines that all others get.
//
//   ChatServer server(&room);
//   server.AddSockets(std::move(sockets));
#ifndef SQUALL_EXAMPLES_CHAT_CHAT_SERVER_H_
#define SQUALL_EXAMPLES_CHAT_CHAT_SERVER_H_

#include "examples/chat/room.h"
#include "squall/httpserver/tcpserver.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/task.h"
#include "squall/netutil/address.h"

class ChatServer : public squall::TcpServer {
 public:
  // `room` must outlive the server.
  explicit ChatServer(Room* room) : room_(room) {}

  squall::Task<> HandleStream(squall::IOStream stream, squall::SocketAddress peer) override;

 private:
  Room* const room_;
};

#endif  // SQUALL_EXAMPLES_CHAT_CHAT_SERVER_H_
