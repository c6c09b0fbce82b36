// docs/ioloop.md, "TLS": a server's and a client's end, and what one knows of the other.
#include <sys/socket.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/handshake.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/tls_acceptor.h"
#include "squall/ioloop/tls_client_context.h"
#include "squall/ioloop/tls_test_certificates.h"
#include "squall/ioloop/tls_transport.h"
#include "squall/ioloop/transport.h"

namespace {

squall::Task<> Greet(squall::IOStream stream) {
  absl::StatusOr<std::string> name = co_await stream.ReadUntil("\n", 4096);
  if (!name.ok()) co_return;
  absl::Status written = co_await stream.Write(absl::StrCat("hello ", *name));
  if (!written.ok()) co_return;
}

squall::Task<absl::StatusOr<std::string>> AskSecurely(
    squall::UniqueFd connected, std::shared_ptr<squall::TlsClientContext> context) {
  std::unique_ptr<squall::Transport> transport =
      squall::MakeTlsTransport(std::move(connected), context, "www.example.com");
  absl::Status shaken = co_await squall::Handshake(transport.get(), absl::Seconds(10));
  if (!shaken.ok()) co_return shaken;  // "the server's certificate is not for www.example.com, ..."
  squall::IOStream stream(std::move(transport));
  absl::Status written = co_await stream.Write("world\n");
  if (!written.ok()) co_return written;
  absl::StatusOr<std::string> answer = co_await stream.ReadUntil("\n");
  if (!answer.ok()) co_return answer.status();
  const squall::TlsTransport* tls = squall::TlsTransport::From(stream.transport());
  co_return absl::StrCat(tls->version(), ": ", *answer);
}

TEST(TlsTour, AskSecurely) {
  const squall::internal::TestAuthority authority("root");
  const squall::TlsKeyPair files =
      authority.Issue({.dns_names = {"www.example.com"}}).Write("site");
  const std::string site_pem = files.certificate_file;
  const std::string site_key = files.private_key_file;
  const std::string roots_pem = authority.Write();
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  squall::UniqueFd accepted(ends[0]);
  squall::UniqueFd connected(ends[1]);
  squall::IOLoop& loop = squall::IOLoop::Current();

  absl::StatusOr<std::shared_ptr<squall::TlsAcceptor>> acceptor =
      squall::TlsAcceptor::Create({.certificates = {{site_pem, site_key}}});
  ASSERT_TRUE(acceptor.ok()) << acceptor.status().message();
  loop.Spawn(Greet(squall::IOStream((*acceptor)->MakeTransport(std::move(accepted)))));

  absl::StatusOr<std::shared_ptr<squall::TlsClientContext>> context =
      squall::TlsClientContext::Create({.ca_file = roots_pem});
  ASSERT_TRUE(context.ok()) << context.status().message();
  EXPECT_EQ(*loop.RunSync(AskSecurely(std::move(connected), *context)), "TLSv1.3: hello world\n");

  absl::Status reloaded = (*acceptor)->Reload();  // the files anew, for new connections
  EXPECT_TRUE(reloaded.ok());
  squall::IOLoop::ClearCurrent();
}

}  // namespace
