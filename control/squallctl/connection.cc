#include "squall/control/squallctl/connection.h"

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "squall/base/status_macros.h"
#include "squall/control/default_address.h"
#include "squall/process/account_lookup.h"

namespace squall::internal {
namespace {

std::string FlagOr(const std::string& flag, const char* variable) {
  if (!flag.empty()) return flag;
  const char* const value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

}  // namespace

absl::StatusOr<Connection> ConnectionOf(const CommandLine& line) {
  Connection connection;
  connection.address = FlagOr(line.address, "SQUALL_CONTROL");
  if (connection.address.empty()) connection.address = DefaultControlAddress();
  if (connection.address[0] == '/') connection.address = absl::StrCat("unix:", connection.address);
  connection.options.tls = {.ca_file = FlagOr(line.tls_ca, "SQUALL_TLS_CA"),
                            .certificate_file = FlagOr(line.tls_cert, "SQUALL_TLS_CERT"),
                            .key_file = FlagOr(line.tls_key, "SQUALL_TLS_KEY")};
  if (!line.server_user.empty()) {
    ASSIGN_OR_RETURN(const Account user, FindUser(line.server_user));
    connection.options.server_uid = user.uid;
  }
  return connection;
}

}  // namespace squall::internal
