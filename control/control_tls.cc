#include "squall/control/control_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/tls_server_context.h"
#include "squall/process/capabilities.h"

namespace squall {
namespace {

absl::Status TryAs(const ControlTls& tls, const std::optional<Identity>& identity) {
  if (identity.has_value()) RETURN_IF_ERROR(internal::DropPrivileges(*identity));
  // As the control process: root without CAP_DAC_OVERRIDE does not read the files of others.
  RETURN_IF_ERROR(internal::ClearCapabilities());
  return TlsServerContext::Create(internal::ToTlsServerOptions(tls)).status();
}

}  // namespace

namespace internal {

TlsServerOptions ToTlsServerOptions(const ControlTls& tls) {
  TlsServerOptions options;
  options.certificates = {{tls.certificate_file, tls.private_key_file}};
  options.alpn = {"h2"};
  options.client_certificate = TlsClientCertificate::kRequired;
  options.client_ca_file = tls.client_ca_file;
  options.protocol.min_version = tls.min_version;
  return options;
}

}  // namespace internal

absl::Status CheckControlTls(const ControlTls& tls, const std::optional<Identity>& identity) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return StatusFromErrno(errno, "pipe");
  const UniqueFd from(ends[0]);
  UniqueFd to(ends[1]);
  const pid_t child = fork();
  if (child < 0) return StatusFromErrno(errno, "fork");
  if (child == 0) {
    const absl::Status tried = TryAs(tls, identity);
    const std::string said(tried.message());
    // A sentence fits into a pipe.
    (void)!write(to.get(), said.data(), said.size());
    _exit(static_cast<int>(tried.code()));
  }
  to.reset();
  std::string said;
  char buffer[1024];
  ssize_t size;
  while ((size = read(from.get(), buffer, sizeof(buffer))) > 0 || (size < 0 && errno == EINTR)) {
    if (size > 0) said.append(buffer, static_cast<size_t>(size));
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status)) return absl::InternalError("the process that read the files died");
  return absl::Status(static_cast<absl::StatusCode>(WEXITSTATUS(status)), said);
}

}  // namespace squall
