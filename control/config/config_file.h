// A server's configuration file: a protobuf text of server_config.proto.
//
//   absl::StatusOr<ServerConfig> config = ReadServerConfig("/etc/squall/server.conf", "server.conf");
//   if (!config.ok()) std::cerr << config.status().message();
//   // server.conf:12:3: restart has no option "max_serge"; did you mean "max_surge"?
#ifndef SQUALL_CONTROL_CONFIG_CONFIG_FILE_H_
#define SQUALL_CONTROL_CONFIG_CONFIG_FILE_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "squall/control/config/server_config.h"

namespace squall {

// INVALID_ARGUMENT: the first mistake, behind `name`, line and column (as the tokenizer of protobuf
// counts: octets, a tab reaches to the next multiple of 8). What the values mean is not looked at.
absl::StatusOr<ServerConfig> ParseServerConfig(std::string_view text, std::string_view name);

// As above for a file; `name` is what messages call it. FAILED_PRECONDITION: no regular file, or
// one of more than 1 MiB. Else what open(2) and read(2) say. Does not wait but for the disk, so that
// a master may do it when it is asked for a restart.
absl::StatusOr<ServerConfig> ReadServerConfig(const std::string& path, std::string_view name);

// One option that a file can have.
struct ServerOptionName {
  std::string path;  // "restart.max_surge"
  bool repeated = false;
};

// All of them, in the order of server_config.proto.
std::vector<ServerOptionName> ServerOptionNames();

}  // namespace squall

#endif  // SQUALL_CONTROL_CONFIG_CONFIG_FILE_H_
