// Internal: protobuf's complaints about a text, for operators.
//
//   2:20 Message type "squall.config.ServerConfig.Restart" has no field named
//   "max_serge".  becomes  2:11 restart has no option "max_serge"; did you mean "max_surge"?
#ifndef SQUALL_CONTROL_CONFIG_SYNTAX_ERROR_H_
#define SQUALL_CONTROL_CONFIG_SYNTAX_ERROR_H_

#include <string>
#include <string_view>

namespace squall::internal {

// Lines and columns count from 1. Columns are the tokenizer's: octets, a tab reaches to the next
// multiple of 8.
struct TextPlace {
  int line = 1;
  int column = 1;
};

struct SyntaxError {
  TextPlace place;
  std::string message;
};

// What `message`, which the parser said at `place` of `text`, is about: the place of the token that
// is wrong, and what would be right. What is not known here is left in protobuf's words.
SyntaxError Explain(std::string_view text, TextPlace place, std::string_view message);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_CONFIG_SYNTAX_ERROR_H_
