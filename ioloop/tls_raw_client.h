// A TLS client that keeps its octets in memory, so that a test decides what of them arrives, and
// when; and that seals records by hand which no library would send. Tests only.
//
//   TlsRawClient client;
//   ASSERT_TRUE(client.ShakeHands(socket, [&] { server->Handshake(); }));
//   client.Say("GET / HTTP/1.0\r\n\r\n");
//   Send(socket, client.TakeOutput() + client.Seal(TlsRawClient::kHandshake, "\x18"));
#ifndef SQUALL_IOLOOP_TLS_RAW_CLIENT_H_
#define SQUALL_IOLOOP_TLS_RAW_CLIENT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "squall/ioloop/openssl_ptr.h"

namespace squall::internal {

// Speaks TLS 1.3, and verifies nobody.
class TlsRawClient {
 public:
  // Of records, RFC 8446 5.1.
  static constexpr uint8_t kHandshake = 22;

  TlsRawClient();
  TlsRawClient(const TlsRawClient&) = delete;
  TlsRawClient& operator=(const TlsRawClient&) = delete;

  // `server_turn` lets the server go on with what has come. The client's last message stays in the
  // output, so that it can go together with data. False if the handshake fails.
  bool ShakeHands(int socket, absl::FunctionRef<void()> server_turn);

  // Puts into the output: data, or a KeyUpdate, which may want the server to send one, too.
  void Say(std::string_view data);
  void UpdateKeys();
  void UpdateAllKeys();
  std::string TakeOutput();

  // What has come of the server's data. Takes what is in the socket, without waiting.
  std::string Listen(int socket);

  // A record with that content, of which it is the number `sequence` since the handshake. Only
  // before the first KeyUpdate.
  std::string Seal(uint8_t type, std::string_view content, uint64_t sequence) const;

 private:
  static void OnSecret(const SSL* ssl, const char* line);
  void TakeInput(int socket);

  SslCtxPtr ctx_;
  SslPtr ssl_;
  std::string secret_;  // of what the client sends after the handshake
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_TLS_RAW_CLIENT_H_
