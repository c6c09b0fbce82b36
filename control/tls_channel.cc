#include "squall/control/tls_channel.h"

#include <errno.h>

#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"
#include "squall/ioloop/tls_client_context.h"
#include "squall/netutil/listen_address.h"

namespace squall::internal {
namespace {

constexpr std::string_view kScheme = "tls:";

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::string text((std::istreambuf_iterator<char>(file)), {});
  if (!file.is_open() || file.bad()) return StatusFromErrno(errno, absl::StrCat("read ", path));
  return text;
}

absl::Status CheckNamed(const ClientTls& files) {
  const std::pair<const char*, const std::string&> named[] = {
      {"tls-ca, the roots that may sign the server,", files.ca_file},
      {"tls-cert, the certificate to show,", files.certificate_file},
      {"tls-key, the key of the certificate,", files.key_file}};
  for (const auto& [what, file] : named) {
    if (file.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          what, " is not given; an address with tls: needs all of tls-ca, tls-cert and ",
          "tls-key"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

bool IsTlsAddress(std::string_view address) { return address.starts_with(kScheme); }

absl::StatusOr<std::shared_ptr<grpc::Channel>> OpenTlsChannel(const std::string& address,
                                                              const ClientTls& files) {
  const std::string target = address.substr(kScheme.size());
  const absl::StatusOr<ListenAddress> parsed = ListenAddress::Parse(target);
  if (!parsed.ok() || parsed->is_unix() || parsed->host.empty() || parsed->port == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", address, "\" is not a control address such as tls:host.example.org:8443"));
  }
  RETURN_IF_ERROR(CheckNamed(files));
  // For its errors, which name file and cause; gRPC's do not.
  RETURN_IF_ERROR(
      TlsClientContext::Create({.ca_file = files.ca_file,
                                .certificate = {.certificate_file = files.certificate_file,
                                                .private_key_file = files.key_file}})
          .status());
  grpc::SslCredentialsOptions options;
  ASSIGN_OR_RETURN(options.pem_root_certs, ReadFile(files.ca_file));
  ASSIGN_OR_RETURN(options.pem_cert_chain, ReadFile(files.certificate_file));
  ASSIGN_OR_RETURN(options.pem_private_key, ReadFile(files.key_file));
  grpc::ChannelArguments arguments;
  // Else a new channel would wait for the back-off of the one before.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // The server is where it says, not behind a proxy of the environment's.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(target, grpc::SslCredentials(options), arguments);
}

}  // namespace squall::internal
