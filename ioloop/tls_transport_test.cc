// Streams over TLS: what they carry, however the octets are cut, and how they end. Handshakes that
// fail are in tls_handshake_test.cc.
#include "squall/ioloop/tls_transport.h"

#include <openssl/ssl.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/ioloop/gather.h"
#include "squall/ioloop/handshake.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/iostream_fixture.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/tls_fixture.h"
#include "squall/ioloop/transport.h"

namespace squall {
namespace {

using internal::Family;
using internal::MakePair;
using internal::Pattern;
using testing::HasSubstr;

// Writes it and then wants it back.
Task<absl::StatusOr<std::string>> SendAndReceive(IOStream* stream, std::string text) {
  const size_t size = text.size();
  absl::Status written = co_await stream->Write(std::move(text));
  if (!written.ok()) co_return written;
  absl::StatusOr<std::string> back = co_await stream->ReadBytes(size);
  co_return back;
}

Task<absl::Status> EchoOnce(IOStream* stream, size_t size) {
  absl::StatusOr<std::string> text = co_await stream->ReadBytes(size);
  if (!text.ok()) co_return text.status();
  absl::Status written = co_await stream->Write(*std::move(text));
  co_return written;
}

Task<absl::StatusOr<std::string>> ThereAndBack(IOStream* client, IOStream* server,
                                               std::string text) {
  const size_t size = text.size();
  auto [back, echoed] =
      co_await Gather(SendAndReceive(client, std::move(text)), EchoOnce(server, size));
  if (!echoed.ok()) co_return echoed;
  co_return back;
}

// Passes on what comes, an octet at a time, until the sender ends.
Task<> Drip(IOStream* from, IOStream* to) {
  while (true) {
    absl::StatusOr<std::string> octet = co_await from->ReadBytes(1);
    if (!octet.ok()) co_return;
    absl::Status written = co_await to->Write(*std::move(octet));
    if (!written.ok()) co_return;
    co_await Sleep(absl::ZeroDuration());
  }
}

class TlsTransportTest : public internal::TlsTest, public testing::WithParamInterface<TlsVersion> {
 protected:
  // Has this version only.
  std::shared_ptr<const TlsServerContext> VersionedServer() {
    auto server = Server();
    ::SSL_CTX_set_max_proto_version(
        server->ssl_ctx(), GetParam() == TlsVersion::kTls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
    return server;
  }
  void ConnectWithVersion() { Connect(VersionedServer(), Client()); }
};

INSTANTIATE_TEST_SUITE_P(Versions, TlsTransportTest,
                         testing::Values(TlsVersion::kTls12, TlsVersion::kTls13),
                         [](const testing::TestParamInfo<TlsVersion>& info) {
                           return info.param == TlsVersion::kTls12 ? "Tls12" : "Tls13";
                         });

TEST_P(TlsTransportTest, ThereAndBack) {
  ConnectWithVersion();
  EXPECT_THAT(Run(ThereAndBack(client_.get(), server_.get(), "hello")), IsOkAndHolds("hello"));
  EXPECT_THAT(Run(ThereAndBack(server_.get(), client_.get(), "hello")), IsOkAndHolds("hello"));
  ASSERT_NE(TlsTransport::From(client_->transport()), nullptr);
  EXPECT_EQ(TlsTransport::From(client_->transport())->version(),
            GetParam() == TlsVersion::kTls12 ? "TLSv1.2" : "TLSv1.3");
  client_->Close();
  EXPECT_EQ(client_->transport(), nullptr);
}

// More than the sockets hold, in each direction, so that both wait for room again and again.
TEST_P(TlsTransportTest, Large) {
  ConnectWithVersion();
  const std::string text = Pattern(1000 * 1000);
  for (int i = 0; i < 5; ++i) {
    auto back = Run(ThereAndBack(client_.get(), server_.get(), text));
    ASSERT_THAT(back, IsOk());
    EXPECT_TRUE(*back == text);
  }
}

// Records are put together from many buffers, and the buffers change while one waits for room.
TEST_P(TlsTransportTest, ManySmallWrites) {
  ConnectWithVersion();
  std::string expected;
  for (size_t i = 0; i < 20000; ++i) {
    const std::string piece = Pattern(1 + i % 97);
    expected += piece;
    Task<absl::Status> written = client_->Write(piece);
  }
  std::string received;
  while (received.size() < expected.size()) {
    auto part = Run(server_->ReadBytes(100000, ReadMode::kPartial));
    ASSERT_THAT(part, IsOk());
    received += *part;
  }
  EXPECT_TRUE(received == expected);
}

TEST_P(TlsTransportTest, AnOctetAtATime) {
  auto [server_end, relay_a] = MakePair(Family::kUnix);
  auto [client_end, relay_b] = MakePair(Family::kUnix);
  IOStream of_server(MakeTlsTransport(std::move(server_end), VersionedServer()));
  IOStream of_client(MakeTlsTransport(std::move(client_end), Client(), "localhost"));
  IOStream a(std::move(relay_a));
  IOStream b(std::move(relay_b));
  loop_.Spawn(Drip(&a, &b));
  loop_.Spawn(Drip(&b, &a));
  EXPECT_THAT(Run(ThereAndBack(&of_client, &of_server, "one by one")), IsOkAndHolds("one by one"));
  EXPECT_THAT(Run(ThereAndBack(&of_server, &of_client, "two by two")), IsOkAndHolds("two by two"));
}

Task<absl::Status> WriteThenRead(IOStream* stream, std::string text) {
  absl::StatusOr<std::string> read = absl::UnknownError("not yet");
  Task<absl::Status> written = stream->Write(std::move(text));
  // The read may be the one to end the handshake that the write waits for.
  read = co_await stream->ReadBytes(2);
  if (!read.ok()) co_return read.status();
  absl::Status status = co_await std::move(written);
  co_return status;
}

TEST_P(TlsTransportTest, AReadEndsTheHandshakeOfAWrite) {
  ConnectWithVersion();
  loop_.Spawn([](IOStream* server) -> Task<> {
    absl::Status echoed = co_await EchoOnce(server, 2);
    EXPECT_THAT(echoed, IsOk());
  }(server_.get()));
  EXPECT_THAT(Run(WriteThenRead(client_.get(), "hi")), IsOk());
}

// What has been read ahead of the handshake's end is no event of epoll's any more.
TEST_P(TlsTransportTest, InputThatCameWithTheHandshake) {
  ConnectWithVersion();
  Task<absl::Status> greeting = client_->Write("from the client");
  EXPECT_THAT(Run(server_->ReadBytes(4)), IsOkAndHolds("from"));
  EXPECT_THAT(Run(server_->ReadBytes(11)), IsOkAndHolds(" the client"));
}

TEST_P(TlsTransportTest, CloseIsTheEndOfTheStream) {
  ConnectWithVersion();
  ASSERT_THAT(Run(ThereAndBack(client_.get(), server_.get(), "hello")), IsOk());
  ASSERT_THAT(Run(server_->Write("all there is")), IsOk());
  server_->Close();
  EXPECT_THAT(Run(client_->ReadUntilClose()), IsOkAndHolds("all there is"));
  EXPECT_THAT(client_->close_status(),
              StatusIs(absl::StatusCode::kUnavailable, "the peer closed the stream"));
}

Task<absl::Status> ShakeHands(Transport* one, Transport* other) {
  auto [of_one, of_other] = co_await Gather(Handshake(one), Handshake(other));
  co_return of_one.ok() ? of_other : of_one;
}

// A client that only writes has never read the tickets that came behind the handshake. For the kernel
// they are unread data, and a socket that is closed with such throws away what it has not sent yet.
TEST_P(TlsTransportTest, WhatAClientWroteArrivesThoughItReadNothing) {
  MakeTransports(VersionedServer(), Client());
  const int room = 400 * 1000;
  ASSERT_EQ(::setsockopt(client_transport_->fd(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
  ASSERT_THAT(Run(ShakeHands(server_transport_.get(), client_transport_.get())), IsOk());
  MakeStreams({.max_buffer_size = 1 << 20});
  // More than the server's kernel takes, so that the rest waits in the client's.
  const std::string text = Pattern(200 * 1000);
  ASSERT_THAT(Run(client_->Write(text)), IsOk());
  client_->Close();
  auto received = Run(server_->ReadUntilClose());
  ASSERT_THAT(received, IsOk());
  EXPECT_TRUE(*received == text) << received->size();
}

TEST_P(TlsTransportTest, AnEndWithoutCloseNotifyIsAnError) {
  ConnectWithVersion();
  ASSERT_THAT(Run(ThereAndBack(client_.get(), server_.get(), "hello")), IsOk());
  ASSERT_THAT(Run(server_->Write("all there is?")), IsOk());
  // As anybody on the way can do it.
  ASSERT_EQ(::shutdown(server_->fd(), SHUT_WR), 0);
  EXPECT_THAT(Run(client_->ReadUntilClose()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("ended without TLS's close_notify")));
}

TEST_P(TlsTransportTest, AChangedOctetIsAnError) {
  ConnectWithVersion();
  ASSERT_THAT(Run(ThereAndBack(client_.get(), server_.get(), "hello")), IsOk());
  const std::string record(
      "\x17\x03\x03\x00\x20"
      "12345678901234567890123456789012",
      37);
  ASSERT_EQ(::send(server_->fd(), record.data(), record.size(), 0), 37);
  EXPECT_THAT(Run(client_->ReadBytes(1)),
              StatusIs(absl::StatusCode::kAborted,
                       HasSubstr("a record was damaged or changed on its way")));
}

Task<absl::StatusOr<std::string>> EndAndListen(IOStream* stream) {
  absl::Status ended = co_await stream->CloseWrite();
  if (!ended.ok()) co_return ended;
  absl::StatusOr<std::string> answer = co_await stream->ReadUntilClose();
  co_return answer;
}

Task<absl::Status> AnswerTheEnd(IOStream* stream) {
  absl::StatusOr<std::string> all = co_await stream->ReadUntilClose();
  if (!all.ok()) co_return all.status();
  absl::Status written = co_await stream->Write("you said nothing");
  if (!written.ok()) co_return written;
  stream->Close();
  co_return absl::OkStatus();
}

Task<absl::StatusOr<std::string>> EndAndAnswer(IOStream* client, IOStream* server) {
  auto [answer, answered] = co_await Gather(EndAndListen(client), AnswerTheEnd(server));
  if (!answered.ok()) co_return answered;
  co_return answer;
}

// The end is the first that is said, so that it has to wait for the handshake.
TEST_P(TlsTransportTest, TheEndOfWritingIsSaidAndAnswered) {
  MakeTransports(VersionedServer(), Client());
  MakeStreams({.on_peer_eof = OnPeerEof::kKeepWriting});
  EXPECT_THAT(Run(EndAndAnswer(client_.get(), server_.get())), IsOkAndHolds("you said nothing"));
}

TEST_P(TlsTransportTest, ShutdownWriteLetsThePeerAnswer) {
  MakeTransports(VersionedServer(), Client());
  ASSERT_THAT(Shake().client, IsOk());
  ASSERT_EQ(client_transport_->ShutdownWrite(), 0);
  MakeStreams();
  EXPECT_THAT(Run(server_->ReadUntilClose()), IsOkAndHolds(""));
}

TEST_P(TlsTransportTest, AnIdleConnectionWaitsForInput) {
  MakeTransports(VersionedServer(), Client());
  ASSERT_THAT(Shake().client, IsOk());
  char octet;
  EXPECT_EQ(client_transport_->Read(&octet, 1), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_FALSE(client_transport_->HasBufferedInput());
  EXPECT_EQ(client_transport_->read_events(), uint32_t{EPOLLIN});
  EXPECT_EQ(client_transport_->write_events(), uint32_t{EPOLLOUT});
}

}  // namespace
}  // namespace squall
