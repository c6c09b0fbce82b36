// The line of code that made a call, for messages and statistics.
//
//   void Watch(int fd, CodeLocation where = CodeLocation::Here());  // last parameter
//   Watch(3);  // where.ToString() is "server.cc:17 (Main)" in Watch
//
// What std::source_location is, which clang 14 lacks. Holds pointers to literals: copying it is
// cheap, and it never dangles. Any thread.
#ifndef SQUALL_BASE_CODE_LOCATION_H_
#define SQUALL_BASE_CODE_LOCATION_H_

#include <cstdint>
#include <string>

namespace squall {

class CodeLocation {
 public:
  // Nowhere: ToString() is "unknown".
  constexpr CodeLocation() = default;
  // The place of the call; as a default argument, the place of the outer call. Pass nothing.
  static constexpr CodeLocation Here(const char* file = __builtin_FILE(),
                                     uint32_t line = __builtin_LINE(),
                                     const char* function = __builtin_FUNCTION()) {
    return CodeLocation(file, line, function);
  }

  // As the compiler was given it, path included.
  constexpr const char* file() const { return file_; }
  constexpr uint32_t line() const { return line_; }
  // Without namespace and class.
  constexpr const char* function() const { return function_; }

  // "server.cc:17 (Main)": the file without its path, as in log lines.
  std::string ToString() const;

 private:
  constexpr CodeLocation(const char* file, uint32_t line, const char* function)
      : file_(file), function_(function), line_(line) {}

  const char* file_ = "";
  const char* function_ = "";
  uint32_t line_ = 0;
};

}  // namespace squall

#endif  // SQUALL_BASE_CODE_LOCATION_H_
