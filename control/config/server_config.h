// What an operator has said about a server, in its file and on its command line, as texts with
// their places, so that every error can name them.
//
//   ASSIGN_OR_RETURN(ServerConfig config, ReadServerConfig(path, "server.conf"));   // config_file.h
//   config.SetFromFlag("restart.soak", {"10s"}, "--restart_soak=10s");              // wins
//   ASSIGN_OR_RETURN(ServerOptions options, ToServerOptions(config));            // server_options.h
//   RETURN_IF_ERROR(config.Locate(Validate(options.serve)));
//
// A value; any thread, any process.
#ifndef SQUALL_CONTROL_CONFIG_SERVER_CONFIG_H_
#define SQUALL_CONTROL_CONFIG_SERVER_CONFIG_H_

#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace squall {

class ServerConfig {
 public:
  // `file` is the name of the file in messages; empty when there is none.
  explicit ServerConfig(std::string file = {}) : file_(std::move(file)) {}

  // `path` is a field of server_config.proto, "restart.max_surge". Called again it adds one more
  // value to a repeated field. Line and column count from 1.
  enum class Quoted { kNo, kYes };  // As it stands in the file, for messages.
  void AddFromFile(std::string_view path, std::string text, Quoted quoted, int line, int column);
  // In the place of all values from the file. `flag` is what was said, for messages.
  void SetFromFlag(std::string_view path, std::vector<std::string> texts, std::string flag);

  // The values of an option, none when nothing was said about it.
  std::vector<std::string> Texts(std::string_view path) const;

  // Of one of these values; that of a flag comes before the first line.
  struct Place {
    int line = 0;
    int column = 0;
    friend bool operator<(const Place& a, const Place& b) {
      return std::tie(a.line, a.column) < std::tie(b.line, b.column);
    }
  };
  Place PlaceOf(std::string_view path, size_t index) const;

  // INVALID_ARGUMENT: the value is not what is `wanted`, and where it is.
  //   server.conf:3:1: grace: "30" is not a duration such as "30s"
  //   --grace=30 is not a duration such as "30s"
  absl::Status IsNot(std::string_view path, size_t index, std::string_view wanted) const;

  // Adds to an error of one of the Validate() functions the place of the option that it names, the
  // first of those that were set, and calls it by its name here.
  //   server.conf:3:1: grace must be finite and not negative: -5s
  absl::Status Locate(const absl::Status& status) const;

  // The options whose values are not those of `other`, ascending.
  std::vector<std::string> ChangedFrom(const ServerConfig& other) const;

  const std::string& file() const { return file_; }

 private:
  struct Value {
    std::string text;
    Place where;
    std::string place;  // "server.conf:3:1", or the flag with its value.
    std::string shown;  // The text as it stands in the file; empty for a flag, which has it.
  };

  static const Value& NamedValue(const std::vector<Value>& values, std::string_view message);

  std::string file_;
  std::map<std::string, std::vector<Value>, std::less<>> values_;  // by path
};

}  // namespace squall

#endif  // SQUALL_CONTROL_CONFIG_SERVER_CONFIG_H_
