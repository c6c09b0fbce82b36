// Peers that keep to TLS to the letter and mean harm, or are only unlucky: messages in pieces, floods
// of them, an end when there is no room for it.
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <memory>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/iostream_fixture.h"
#include "squall/ioloop/tls_fixture.h"
#include "squall/ioloop/tls_raw_client.h"
#include "squall/ioloop/tls_transport.h"

namespace squall {
namespace {

using internal::Family;
using internal::MakePair;
using internal::TlsRawClient;
using testing::HasSubstr;

class TlsHostilePeerTest : public internal::TlsTest {
 protected:
  // server_transport_, and peer_ at the other end with all of a handshake behind it but the client's
  // last message. What is sent has arrived when send(2) returns.
  void ConnectRaw() {
    auto [here, there] = MakePair(Family::kUnix);
    server_transport_ = MakeTlsTransport(std::move(here), Server());
    peer_ = std::move(there);
    ASSERT_TRUE(raw_.ShakeHands(peer_.get(), [&] { server_transport_->Handshake(); }));
  }
  void Send(const std::string& octets) {
    ASSERT_EQ(::send(peer_.get(), octets.data(), octets.size(), 0),
              static_cast<ssize_t>(octets.size()));
  }
  // Both ends are squall's.
  void ConnectOverUnix() {
    auto [here, there] = MakePair(Family::kUnix);
    server_transport_ = MakeTlsTransport(std::move(here), Server());
    client_transport_ = MakeTlsTransport(std::move(there), Client(), "localhost");
    ASSERT_THAT(Shake().client, IsOk());
  }

  // What a call came to: its octets, "" for the end, or "EAGAIN" and the like.
  std::string Read(size_t size = 100) {
    std::string data(size, '\0');
    const ssize_t got = server_transport_->Read(data.data(), size);
    if (got < 0) return ::strerrorname_np(errno);
    return data.substr(0, static_cast<size_t>(got));
  }
  static std::string Write(Transport& transport, const std::string& text) {
    const iovec buffer = {const_cast<char*>(text.data()), text.size()};
    const ssize_t written = transport.Write(&buffer, 1);
    return written < 0 ? ::strerrorname_np(errno) : text.substr(0, static_cast<size_t>(written));
  }
  // Writes until the socket takes nothing more; each record wholly, so that none waits in OpenSSL.
  void FillServersSocket() {
    int room = 0;
    socklen_t size = sizeof room;
    ASSERT_EQ(::getsockopt(server_transport_->fd(), SOL_SOCKET, SO_SNDBUF, &room, &size), 0);
    const std::string text(1000, 'f');
    for (int used = 0; used < room;) {
      ASSERT_EQ(Write(*server_transport_, text), text);
      ASSERT_EQ(::ioctl(server_transport_->fd(), SIOCOUTQ, &used), 0);
    }
  }

  TlsRawClient raw_;
  UniqueFd peer_;
};

TEST_F(TlsHostilePeerTest, AWriteWaitsForTheRestOfAKeyUpdate) {
  ConnectRaw();
  Send(raw_.TakeOutput());
  EXPECT_EQ(Read(), "EAGAIN");
  ASSERT_TRUE(server_tls().handshake_done());
  Send(raw_.Seal(TlsRawClient::kHandshake, std::string("\x18\x00\x00\x01", 4), 0));
  EXPECT_EQ(Read(), "EAGAIN");
  EXPECT_FALSE(server_transport_->HasBufferedInput());
  EXPECT_EQ(Write(*server_transport_, "answer"), "EAGAIN");
  EXPECT_EQ(server_transport_->write_events(), uint32_t{EPOLLIN});
  Send(raw_.Seal(TlsRawClient::kHandshake, std::string(1, '\0'), 1));
  EXPECT_EQ(Read(), "EAGAIN");
  EXPECT_EQ(server_transport_->write_events(), uint32_t{EPOLLOUT});
  EXPECT_EQ(Write(*server_transport_, "answer"), "answer");
  EXPECT_EQ(raw_.Listen(peer_.get()), "answer");
}

TEST_F(TlsHostilePeerTest, AFloodOfKeyUpdatesDoesNotHoldTheThread) {
  ConnectRaw();
  for (int i = 0; i < 4000; ++i) raw_.UpdateKeys();
  raw_.Say("at last");
  Send(raw_.TakeOutput());
  EXPECT_EQ(Read(), "EAGAIN");
  int unread = 0;
  ASSERT_EQ(::ioctl(server_transport_->fd(), FIONREAD, &unread), 0);
  EXPECT_GT(unread, 10000);
  EXPECT_EQ(server_transport_->read_events(), uint32_t{EPOLLIN});
  std::string got = "EAGAIN";
  for (int i = 0; i < 20 && got == "EAGAIN"; ++i) got = Read();
  EXPECT_EQ(got, "at last");
}

// What is read ahead of a wait for room is there after it.
TEST_F(TlsHostilePeerTest, RecordsBehindAHandshakeThatWaitsForRoom) {
  ConnectRaw();
  // As if the server's tickets had no room behind what it said before.
  const std::string text(1000, 'f');
  while (::send(server_transport_->fd(), text.data(), text.size(), MSG_DONTWAIT) > 0) {
  }
  raw_.Say("a");
  raw_.Say("b");
  Send(raw_.TakeOutput());
  EXPECT_EQ(Read(), "EAGAIN");
  EXPECT_EQ(server_transport_->read_events(), uint32_t{EPOLLOUT});
  EXPECT_FALSE(server_transport_->HasBufferedInput());
  std::string room(1 << 16, '\0');
  while (::recv(peer_.get(), room.data(), room.size(), MSG_DONTWAIT) > 0) {
  }
  EXPECT_EQ(Read(), "a");
  EXPECT_TRUE(server_transport_->HasBufferedInput());
  EXPECT_EQ(Read(), "b");
}

TEST_F(TlsHostilePeerTest, CloseNotifyWaitsForRoom) {
  ConnectOverUnix();
  FillServersSocket();
  EXPECT_EQ(server_transport_->ShutdownWrite(), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(server_transport_->write_events(), uint32_t{EPOLLOUT});
  std::string data(1 << 16, '\0');
  while (client_transport_->Read(data.data(), data.size()) > 0) {
  }
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(server_transport_->ShutdownWrite(), 0);
  EXPECT_EQ(client_transport_->Read(data.data(), data.size()), 0);
}

// A client whom nobody is proved to has no certificate to blame.
TEST_F(TlsHostilePeerTest, ADamagedRecordIsNoMatterOfTheCertificate) {
  auto [here, there] = MakePair(Family::kUnix);
  server_transport_ = MakeTlsTransport(
      std::move(here),
      Server({.certificates = {internal::TestAuthority("stranger").Issue().Write("stranger")}}));
  client_transport_ = MakeTlsTransport(
      std::move(there), Client({.verification = TlsVerification::kNone}), "localhost");
  ASSERT_THAT(Shake().client, IsOk());
  const std::string record(
      "\x17\x03\x03\x00\x20"
      "12345678901234567890123456789012",
      37);
  ASSERT_EQ(::send(server_transport_->fd(), record.data(), record.size(), 0), 37);
  char octet;
  ASSERT_EQ(client_transport_->Read(&octet, 1), -1);
  EXPECT_THAT(client_transport_->ErrorStatus(errno, "reading"),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("a record was damaged")));
}

// The peer has said its end, so nothing of what it had to say is missing.
TEST_F(TlsHostilePeerTest, AWriteAfterThePeersEndIsNoTruncation) {
  ConnectOverUnix();
  server_transport_.reset();
  char octet;
  ASSERT_EQ(client_transport_->Read(&octet, 1), 0);
  EXPECT_EQ(Write(*client_transport_, "too late"), "EPIPE");
  EXPECT_THAT(client_transport_->ErrorStatus(EPIPE, "writing"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("Broken pipe")));
}

}  // namespace
}  // namespace squall
